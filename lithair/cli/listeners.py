"""`lithair listeners`: event listeners and webhooks: how far each is, and what to do about one.

Law: whether a server runs or not, the same is done in the same way: a request is a file in the
listener's directory, which its process looks for.
"""

import contextlib
import time
from collections.abc import Callable, Generator
from typing import Final, TypeVar

import click
import msgspec

from lithair.cli.listener_book import places
from lithair.cli.server import run_dir_option
from lithair.cli.status import duration, table
from lithair.core.as_of import parse_as_of
from lithair.errors import LithairError
from lithair.storage import listener_book
from lithair.storage.listener_book import Found, Listed, Place, find, listed

COLUMNS: Final = ("name", "model", "state", "handled", "behind", "dead letters", "why")
UNKNOWN: Final = "-"

Command = TypeVar("Command", bound=Callable[..., object])


def _options(command: Command) -> Command:
    """Add what every one of the commands takes."""
    data_dir = click.option(
        "--data-dir",
        "data_dirs",
        default=(),
        multiple=True,
        metavar="DIR",
        type=click.Path(file_okay=False),
        help="A model's directory, instead of a server's; it may run or not.",
    )
    as_json = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
    return run_dir_option(data_dir(as_json(command)))


@click.group(invoke_without_command=True)
@_options
@click.pass_context
def listeners(
    ctx: click.Context, run_dir: str | None, data_dirs: tuple[str, ...], as_json: bool
) -> None:
    """List event listeners and webhooks; skip an event, replay dead letters, enable one again."""
    if ctx.invoked_subcommand is None:
        _list(run_dir, data_dirs, as_json)
    elif run_dir is not None or data_dirs or as_json:
        raise click.UsageError(f"write the options behind `{ctx.invoked_subcommand}`")


@listeners.command("list")
@_options
def list_(run_dir: str | None, data_dirs: tuple[str, ...], as_json: bool) -> None:
    """List all listeners: how far each is, and what keeps it from going on."""
    _list(run_dir, data_dirs, as_json)


@listeners.command()
@click.argument("name")
@_options
def skip(name: str, run_dir: str | None, data_dirs: tuple[str, ...], as_json: bool) -> None:
    """Give up the event that the listener NAME fails at: it becomes a dead letter."""
    found = _found(name, run_dir, data_dirs)
    seq = listener_book.skip(found)
    sentence = f"event {seq} is given up{_when(found.place)}, and kept as a dead letter"
    _tell(found, as_json, f"{name}: {sentence}", seq=seq)


@listeners.command()
@click.argument("name")
@click.argument("seqs", metavar="[SEQ]...", type=int, nargs=-1)
@_options
def replay(
    name: str,
    seqs: tuple[int, ...],
    run_dir: str | None,
    data_dirs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Try the dead letters of the listener NAME again: those of the events SEQ, or all.

    Each is done with when the listener has handled it; one that it fails at stays.
    """
    found = _found(name, run_dir, data_dirs)
    meant = listener_book.replay(found, seqs)
    if not meant:
        _tell(found, as_json, f"{name} has no dead letters", seqs=meant)
        return
    many = "1 dead letter is" if len(meant) == 1 else f"{len(meant)} dead letters are"
    _tell(found, as_json, f"{name}: {many} tried again{_when(found.place)}", seqs=meant)


@listeners.command()
@click.argument("name")
@_options
def enable(name: str, run_dir: str | None, data_dirs: tuple[str, ...], as_json: bool) -> None:
    """Have the listener NAME, disabled or waiting, try its event again at once."""
    found = _found(name, run_dir, data_dirs)
    failing = listener_book.enable(found)
    if failing is None:
        _tell(found, as_json, f"{name} is neither disabled nor failing", seq=None)
        return
    was = "is enabled" if failing.disabled_ms is not None else "was failing"
    sentence = f"{name} {was}; event {failing.seq} is tried again{_when(found.place)}"
    _tell(found, as_json, sentence, seq=failing.seq)


def _list(run_dir: str | None, data_dirs: tuple[str, ...], as_json: bool) -> None:
    with _told_plainly():
        models = places(run_dir, data_dirs, has_seq=True)
        found = [each for place in models for each in listed(place)]
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    else:
        click.echo("\n".join(table([COLUMNS, *map(_row, found)])))


def _found(name: str, run_dir: str | None, data_dirs: tuple[str, ...]) -> Found:
    with _told_plainly():
        return find(places(run_dir, data_dirs), name)


@contextlib.contextmanager
def _told_plainly() -> Generator[None]:
    """Say in a sentence what the operating system refuses, such as another user's files."""
    try:
        yield
    except OSError as error:
        raise LithairError(f"{error.filename} can't be read: {error.strerror}") from error


def _when(place: Place) -> str:
    """Say when what was asked for is done, where that is not at once."""
    return "" if place.processes is not None else " as soon as its server runs"


def _tell(found: Found, as_json: bool, sentence: str, **facts: object) -> None:
    if as_json:
        told = {"name": found.name, "model": found.place.model, **facts}
        click.echo(msgspec.json.encode(told).decode())
    else:
        click.echo(sentence)


def _row(one: Listed) -> tuple[str, ...]:
    return (
        one.name,
        one.model,
        one.state or UNKNOWN,
        UNKNOWN if one.seq is None else str(one.seq),
        UNKNOWN if one.behind is None else str(one.behind),
        str(one.dead_letters),
        why(one),
    )


def why(one: Listed) -> str:
    """Say what keeps a listener from going on, and what was asked for."""
    said: list[str] = []
    if one.failing is not None:
        since = one.failing.disabled or one.failing.since
        times = "1 try" if one.failing.tries == 1 else f"{one.failing.tries} tries"
        error = " ".join(one.failing.error.split())
        said.append(f"event {one.failing.seq}, {times}, since {_ago(since)}: {error}")
    elif one.detail:
        said.append(" ".join(one.detail.split()))
    said += [f"{what} is asked for" for what in one.asked]
    return "; ".join(said)


def _ago(moment: str) -> str:
    return duration(max(0.0, time.time() - parse_as_of(moment).time_ms / 1000))
