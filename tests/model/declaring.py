"""Declares models from hints written as text, as a class statement would."""

import datetime as dt
import decimal
import enum
import typing
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict, cast

import msgspec

from lithair import fields
from lithair.model import Model, ModelMeta


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Address(msgspec.Struct):
    street: str


class Marked(msgspec.Struct):
    street: fields.Pinned[str]


class Tree(msgspec.Struct):
    name: str
    branches: "list[Tree]" = msgspec.field(default_factory=list["Tree"])


@dataclass
class Pair:
    left: int
    right: int = 0


class Point(NamedTuple):
    x: float
    y: float


class Named(TypedDict):
    name: str


class Before(msgspec.Struct):
    zip: str
    town: str


class After(msgspec.Struct):
    zip: int
    town: str
    land: str = "?"


Isbn = typing.NewType("Isbn", str)

NAMES: dict[str, object] = {
    **vars(typing),
    **vars(decimal),
    **vars(uuid),
    **vars(fields),
    **globals(),
    "datetime": dt.datetime,
    "timedelta": dt.timedelta,
    "Meta": msgspec.Meta,
}


def hint_of(text: str) -> object:
    """Evaluate a hint as a module that imports everything would."""
    found: object = eval(text, dict(NAMES))
    return found


def declare(hints: Mapping[str, str], **defaults: object) -> type[Model]:
    """Run `class Thing(Model)` with these fields."""
    body: dict[str, Any] = {
        "__annotations__": {name: hint_of(text) for name, text in hints.items()},
        "__module__": __name__,
        **defaults,
    }
    return cast("type[Model]", ModelMeta("Thing", (Model,), body))
