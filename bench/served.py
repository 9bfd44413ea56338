"""The applications that are measured: items of about 300 bytes with text ids."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import psutil

from lithair import Indexed, Lithair, Model, Pinned

if TYPE_CHECKING:
    from lithair.actors.background import Server

ROOT = Path(__file__).resolve().parents[1]
ON_DISK = ROOT / "data"  # git-ignored, and on the same disk as the project: /tmp may be RAM


class Note(Model):
    from_: Pinned[str]
    subject: Pinned[str]
    body: str
    read: bool = False


class IndexedNote(Model):
    from_: Pinned[str]
    subject: Pinned[Indexed[str]]
    body: str
    read: bool = False


AnyNote = TypeVar("AnyNote", Note, IndexedNote)


def make(model: type[AnyNote], number: int, edition: int = 0) -> AnyNote:
    """Make an item; the same number is the same item in another edition."""
    return model(
        id=f"note-{number:07d}",
        from_=f"writer{number % 997}@example.org",
        subject=f"subject {number % 1000} of edition {edition}",
        body=f"{number} " + "x" * 180,
    )


def application(directory: Path, model: type[Model] = IndexedNote) -> Lithair:
    return (
        Lithair()
        .with_model(model, directory / "notes", "/api/notes")
        .with_run_dir(directory / "run")
        .with_port(0)
    )


@contextmanager
def scratch(name: str) -> Generator[Path]:
    """Give a directory on the project's own disk, and remove it afterwards."""
    ON_DISK.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-", dir=ON_DISK) as directory:
        yield Path(directory)


@contextmanager
def filled_server(directory: Path, items: int) -> Generator["Server"]:
    """Run the application with one gateway and that many items in it."""
    with application(directory).running() as server:
        notes = server.handle(IndexedNote)
        for start in range(0, items, 5000):
            numbers = range(start, min(start + 5000, items))
            notes.bulk_create([make(IndexedNote, number) for number in numbers])
        yield server


def rss_bytes(server: "Server", title: str) -> int:
    """Give the resident memory of one of a server's processes, such as "model notes"."""
    return sum(process.memory_info().rss for process in _called(server, title))


def cpu_s(server: "Server", title: str) -> float:
    """Give the seconds of processor time that it has used, which others' work hardly changes."""
    times = [process.cpu_times() for process in _called(server, title)]
    return sum(one.user + one.system for one in times)


def _called(server: "Server", title: str) -> list[psutil.Process]:
    family = psutil.Process(server.pid).children(recursive=True)
    return [process for process in family if title in " ".join(process.cmdline())]
