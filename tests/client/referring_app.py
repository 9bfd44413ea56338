"""An application that uses its own handle everywhere: a worker, a route, threads of its server."""

import asyncio
import threading

from lithair import Client, Handle, Lithair, Model, Request, connect
from lithair.aio import connect as connect_async


class Entry(Model):
    text: str = ""


app, entries = Lithair().with_model_ref(Entry, "./data", "/api/entries")


def work(lithair: Client) -> None:
    entries.create(Entry(id="worker"))
    lithair.model(Entry).create(Entry(id="client of the worker"))
    with connect() as found:
        found.model(Entry).create(Entry(id="connect in the worker"))


async def show(request: Request) -> dict[str, int]:
    await asyncio.to_thread(entries.apply_replicated_item, Entry(id="route"))
    handle = request.model(Entry)
    await handle.apply_replicated_item(Entry(id="model of the request"))
    async with connect_async() as found:
        await found.model(Entry).apply_replicated_item(Entry(id="connect in the route"))
    return {"count": await handle.count()}


def write_once(handle: "Handle[Entry]") -> None:
    handle.create(Entry(id="thread of the server"))


app = (
    app.with_worker(work, "worker")
    .with_route("GET", "/show", show)
    .with_port(0)
    .with_run_dir("./place")
)

if __name__ == "__main__":
    threading.Thread(target=write_once, args=(entries,), daemon=True).start()
    app.serve()
