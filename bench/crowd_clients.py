"""Another program: a crowd of connections that want little or nothing, and hold their places.

    python -m bench.crowd_clients PORT PATH COUNT HOW

`HOW`: `slow` sends, on one half of the connections a head, on the other half a body, a byte each
second, and connects again whenever it is closed; `idle` asks for PATH once on each, and keeps them.
It says `ready` once all are there; at the end of its input it says, as a line of JSON, how many
were closed, and after how many seconds at most.
"""

import asyncio
import json
import resource
import sys
import time
from typing import Final

DESCRIPTORS_MORE: Final = 64
AT_ONCE: Final = 200  # that connect at the same time


class Crowd:
    """The connections, and what became of them."""

    def __init__(self, port: int, path: str, count: int) -> None:
        self.closed = 0
        self.longest_s = 0.0
        self._port = port
        self._path = path
        self._count = count
        self._connecting = asyncio.Semaphore(AT_ONCE)
        self._there = 0
        self.all_there = asyncio.Event()

    def _arrived(self) -> None:
        self._there += 1
        if self._there == self._count:
            self.all_there.set()

    async def be_slow(self, begin_s: float, *, in_head: bool) -> None:
        """Send a byte each second until closed; then again, for ever."""
        await asyncio.sleep(begin_s)  # who all send at the same moment are another attack
        head = f"POST {self._path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        whole = head + ("X-Slow: " if in_head else "Content-Length: 1000\r\n\r\n")
        is_first = True
        while True:
            async with self._connecting:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            begun_s = time.perf_counter()
            writer.write(whole.encode())
            if is_first:
                is_first = False
                self._arrived()
            closing = asyncio.ensure_future(reader.read())
            while not (await asyncio.wait((closing,), timeout=1.0))[0]:
                writer.write(b"x")
            self.closed += 1
            self.longest_s = max(self.longest_s, time.perf_counter() - begun_s)
            closing.exception()  # a reset is an end like any other
            writer.close()

    async def be_idle(self) -> None:
        """Ask once, and wait to be closed."""
        async with self._connecting:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            begun_s = time.perf_counter()
            writer.write(f"GET {self._path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
        self._arrived()
        while await reader.read(1 << 16):
            pass
        self.closed += 1
        self.longest_s = max(self.longest_s, time.perf_counter() - begun_s)
        writer.close()


async def run(port: int, path: str, count: int, how: str) -> None:
    """Be the crowd until the input ends."""
    crowd = Crowd(port, path, count)
    if how == "idle":
        tasks = [asyncio.ensure_future(crowd.be_idle()) for _ in range(count)]
    else:
        tasks = [
            asyncio.ensure_future(crowd.be_slow(number / count, in_head=bool(number % 2)))
            for number in range(count)
        ]
    await crowd.all_there.wait()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps({"closed": crowd.closed, "longest_s": crowd.longest_s}), flush=True)
    for task in tasks:
        task.cancel()


def main() -> None:
    port, path, count, how = sys.argv[1:]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, int(count) + DESCRIPTORS_MORE), hard))
    asyncio.run(run(int(port), path, int(count), how))


if __name__ == "__main__":
    main()
