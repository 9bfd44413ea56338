"""`lithair compact NAME`: merge a model's log into a snapshot, while its server goes on."""

import sys
import time
from concurrent.futures import Future
from typing import Final, cast

import click
import msgspec

from lithair.cli.completion import complete_models
from lithair.cli.server import ask, run_dir_option
from lithair.client import Compacted
from lithair.client.calls import Calls, PartialItem
from lithair.client.connection import Connection
from lithair.errors import LithairError
from lithair.wire.messages import Reply

TIMEOUT_S: Final = 6 * 86_400.0  # a terabyte at the pace of a slow disk
LOOK_S: Final = 0.5  # how often the time that has passed is shown
CHECK_S: Final = 5.0  # how often it is seen whether there is still a server
UNITS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB")


@click.command()
@click.argument("name", shell_complete=complete_models)
@run_dir_option
@click.option(
    "--keep-history",
    is_flag=True,
    help="Move what the snapshot replaces to the folder archive/ instead of removing it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as one JSON object.")
def compact(name: str, run_dir: str | None, keep_history: bool, as_json: bool) -> None:
    """Merge the log of the model NAME (or its class) into a snapshot, and wait until it is done.

    Reads and writes go on meanwhile. Without --keep-history the model's past up to now is dropped,
    unless it has an archive.
    """
    check_name(run_dir, name)  # at once, where a handle would wait for the server to come up
    connection = Connection(run_dir, TIMEOUT_S)
    try:
        call = Calls[PartialItem](name).compact(keep_history)
        done = call.result(wait(connection.start(name, call), run_dir, name, "compacting"))
    finally:
        connection.close()
    click.echo(msgspec.json.encode(done).decode() if as_json else _summary(name, done))


def check_name(run_dir: str | None, name: str) -> None:
    """Raise NotReachable without a server, LithairError when it has no such model."""
    models = cast("list[dict[str, object]]", ask(run_dir, {"ask": "where"})["models"])
    if not any(name in (model["name"], model["class_name"]) for model in models):
        declared = [model for model in models if model["class_name"]]  # not Lithair's own
        known = ", ".join(f"{model['class_name']} ({model['name']})" for model in declared)
        raise LithairError(f"the server has no model {name!r}; it has {known or 'none'}")


def _summary(name: str, done: Compacted) -> str:
    return (
        f"{name}: compacted up to event {done.seq}, from {in_units(done.bytes_before)} to"
        f" {in_units(done.bytes_after)}, in {done.took_ms / 1000:.1f} s"
    )


def in_units(count: int) -> str:
    """Write a count of bytes for people."""
    size, unit = float(count), 0
    while size >= 1024 and unit + 1 < len(UNITS):
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {UNITS[unit]}" if unit else f"{count} bytes"


def wait(answer: "Future[Reply]", run_dir: str | None, name: str, what: str) -> Reply:
    """Wait for as long as the server is there; on a terminal, show that time passes."""
    is_visible = sys.stderr.isatty()
    begun_s = time.monotonic()
    check_s = begun_s + CHECK_S
    try:
        while True:
            try:
                return answer.result(LOOK_S)
            except TimeoutError:
                now_s = time.monotonic()
            if is_visible:
                passed = f"\r{name}: {what}, {now_s - begun_s:.0f} s"
                click.echo(passed, nl=False, err=True)
            if now_s >= check_s:
                check_s = now_s + CHECK_S
                check_name(run_dir, name)
    finally:
        if is_visible:
            click.echo("\r\x1b[K", nl=False, err=True)
