"""Models whose annotations are text, with names that are defined further down."""

from __future__ import annotations

from datetime import datetime

import msgspec

import lithair
from lithair import Created, Model, Pinned, Ref, Unique, filled_in


class Note(Model):
    title: Pinned[Unique[str]]
    from_: str
    made: Created[datetime] = filled_in()
    parent: Ref[Note] | None = None
    tag: Tag


class Place(Model):
    code: lithair.PrimaryKey[str]
    near: list[Later] = msgspec.field(default_factory=list["Later"])


class Tag(msgspec.Struct):
    name: str


class Later(msgspec.Struct):
    name: str


class Nested(Model):
    class Inner(msgspec.Struct):
        name: str

    inner: Inner
    again: list[Nested] = msgspec.field(default_factory=list["Nested"])
