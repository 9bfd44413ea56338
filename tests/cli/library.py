"""A library with most kinds of fields, for the tests of commands."""

import datetime as dt
import decimal
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from lithair import (
    Created,
    Hidden,
    Indexed,
    Lithair,
    Model,
    ModelHandler,
    Pinned,
    PrimaryKey,
    Rejected,
    Unique,
    filled_in,
)

PAGE = 50  # items of a page at most, so that a few make several


class Book(Model):
    title: Annotated[Pinned[Indexed[str]], Meta(min_length=1)]
    isbn: Unique[str | None] = None
    pages: Indexed[int | None] = None
    price: decimal.Decimal | None = None
    published: dt.date | None = None
    genre: Literal["novel", "science"] = "novel"
    lent: bool = False
    tags: list[str] = []
    note: str = "none"
    shelf_mark: Hidden[str | None] = None
    added: Created[dt.datetime] = filled_in()


class Reader(Model):
    """Its id has another name."""

    card: PrimaryKey[str]
    name: str


class Leaf(Model):
    """What there are thousands of; nobody removes them."""

    title: Indexed[str]
    pages: Indexed[int]


class Librarian(ModelHandler[Book]):
    def before_create(self, item: Book) -> Book:
        if item.title == "forbidden":
            raise Rejected("this book is not taken", status=409)
        if item.title == "broken":
            raise RuntimeError("a mistake in the hook")
        return item


def library(folder: Path) -> Lithair:
    return (
        Lithair()
        .with_handler(Librarian(Book, folder / "books"), "/api/books")
        .with_model(Reader, folder / "readers", "/api/readers")
        .with_model(Leaf, folder / "leaves", "/api/leaves")
        .with_run_dir(folder / "run")
        .with_port(0)
    )
