"""The models that handles are tried on, and applications that serve them."""

import datetime as dt
import decimal
import enum
import os
import uuid
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import psutil

from lithair import Client, Hidden, Indexed, Lithair, Model, PrimaryKey, Unique
from lithair.transport.control_socket import ControlClient

PAGE = 100  # as many items as a server gives at once; less than usual, for speed


class Kind(enum.Enum):
    PAPER = "paper"
    LARGER = ">paper"
    NULL = "null"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Place(msgspec.Struct):
    city: str
    floor: int = 0


class Book(Model):
    title: Annotated[str, msgspec.Meta(min_length=1)]
    isbn: Unique[str | None] = None
    year: Indexed[int] = 2000
    price: float | None = None
    read: bool = False
    from_: str = ""
    kind: Kind = Kind.PAPER
    level: Level = Level.LOW
    shelf: Literal["=top", "low"] = "low"
    bought: dt.datetime | None = None
    cost: decimal.Decimal | None = None
    code: uuid.UUID | None = None
    blob: bytes | None = None
    place: Place | None = None
    secret: Hidden[str] = ""


class Reader(Model):
    handle: PrimaryKey[str]
    name: str = ""


class Tally(Model):
    n: int = 0


def library(place: Path, *models: type[Model]) -> Lithair:
    """Make an application that serves some of them in a directory, or all."""
    app = Lithair().with_port(0).with_run_dir(place / "run")
    for model in models or (Book, Reader, Tally):
        name = model.__name__.lower()
        app = app.with_model(model, place / name, f"/api/{name}s")
    return app


def mirror(lithair: Client) -> None:
    """Keep a reader for each tally, as a worker that waits for events until it is stopped."""
    readers = lithair.model(Reader)
    for event in lithair.model(Tally).subscribe(since=0):
        readers.apply_replicated_item(Reader(handle=event.id, name=f"{event.item.n}"))


def pid_of(run_dir: str, name: str) -> int:
    """Ask the supervisor for the process of a model; 0 while it has none."""
    with ControlClient(run_dir) as client:
        answer = client.ask({"ask": "status"}, 5.0)
    assert answer is not None
    processes: list[dict[str, object]] = answer["processes"]  # type: ignore[assignment]
    found = next(one for one in processes if one["name"] == name)
    return int(str(found["pid"] or 0))


def kill(run_dir: str, name: str) -> None:
    """Kill a model's process as it is, and wait until it is gone."""
    pid = pid_of(run_dir, name)
    if pid:
        process = psutil.Process(pid)
        os.kill(pid, 9)
        process.wait(5)
