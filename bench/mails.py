"""The mailbox that retention, compaction and opening are measured with: items of 1 KB.

1,000 of them are whole in RAM, of the others two short fields, and in `ThreadedMail` a third one
that is sorted by.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lithair import Indexed, Lithair, Model, Pinned, retention
from lithair.client import connect

if TYPE_CHECKING:
    from lithair.actors.background import Server

MEMORY = 1000  # items that are whole in RAM
TITLE = "model mails"  # of the model's process
BATCH = 4000  # items of one bulk write
PATIENCE_S = 600.0  # a scan of a gigabyte is no reason to give up, and a compaction neither
BODY = "It was a bright cold day in November, and the clocks were striking. " * 13


@retention(memory=MEMORY)
class Mail(Model):
    from_: Pinned[str]
    subject: Pinned[str]
    body: str
    read: bool = False


class ThreadedMail(Mail):
    thread: Indexed[str]


AnyMail = TypeVar("AnyMail", bound=Mail)


def make(model: type[AnyMail], number: int, edition: int = 0) -> AnyMail:
    """Make an item of 1,000 bytes of JSON or a little more."""
    told: dict[str, Any] = {  # its fields, whatever their types
        "id": key_of(number),
        "from_": f"writer{number % 997}@example.org",
        "subject": f"subject {number} of edition {edition}",
        "body": f"{number} {BODY}",
    }
    if issubclass(model, ThreadedMail):
        told["thread"] = f"thread {number * 7919 % 1_000_003:07d}"
    return model(**told)


def key_of(number: int) -> str:
    return f"mail-{number:07d}"


def application(directory: Path, model: type[Model]) -> Lithair:
    return (
        Lithair()
        .with_model(model, directory / "mails", "/api/mails")
        .with_run_dir(directory / "run")
        .with_timeout(PATIENCE_S)
        .with_port(0)
    )


def fill(server: "Server", model: type[AnyMail], items: int) -> None:
    """Write that many items, in bulk."""
    with connect(server.run_dir, PATIENCE_S) as client:
        mails = client.model(model)
        for first in range(0, items, BATCH):
            numbers = range(first, min(first + BATCH, items))
            mails.apply_replicated_items([make(model, number) for number in numbers])


def forget_pages(directory: Path) -> None:
    """Have the kernel drop what it holds of the log's files, so that reads go to the disk."""
    for path in (directory / "mails").rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def log_bytes(directory: Path) -> int:
    """Give the size of all files of the log on the disk."""
    return sum(path.stat().st_size for path in (directory / "mails").rglob("*") if path.is_file())
