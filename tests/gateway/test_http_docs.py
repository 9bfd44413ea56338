"""docs/http.md lists the routes and statuses that the code has, no more and no less."""

import re
from pathlib import Path

import pytest

from lithair.gateway.figures import METRICS_PATH
from lithair.gateway.limits import HEAD_BYTES_MAX, HEAD_FIELDS_MAX, PATIENCE
from lithair.gateway.operations import built_in_places
from lithair.gateway.routes import (
    ALLOW,
    DOCS_PATHS,
    RESERVED,
    SERVER_ROUTES,
    SHAPES,
    STATUSES,
    allow,
)

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "http.md").read_text(encoding="utf-8")


def rows_below(heading: str) -> list[list[str]]:
    """Give the cells of the first table below a heading, without its head."""
    section = DOCS.partition(f"\n{heading}\n")[2]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert table is not None, heading
    lines = table.group().strip().split("\n")[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_routes_of_a_model_are_documented() -> None:
    documented = {row[0].strip("`"): row[1] for row in rows_below("### Of every model")}
    assert documented == {shape.value: ALLOW[shape] for shape in SHAPES}


def test_the_routes_of_the_server_are_documented() -> None:
    documented = {row[0].strip("`"): row[1] for row in rows_below("### Of the server")}
    assert documented == {
        path: allow(dict.fromkeys(methods)) for path, methods in SERVER_ROUTES.items()
    }
    built_in = {path for path, _ in built_in_places()} | {METRICS_PATH, *DOCS_PATHS}
    assert built_in == set(SERVER_ROUTES)


def test_the_statuses_are_documented() -> None:
    documented = {int(row[0]): row[1] for row in rows_below("## Errors")}
    assert documented == STATUSES


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_reserved_words_are_documented(word: str) -> None:
    assert f"`{word}`" in DOCS


def test_the_limits_are_documented() -> None:
    limits = {row[0]: row[1] for row in rows_below("## Limits")}
    assert limits["head"] == f"{HEAD_BYTES_MAX >> 10} KiB"
    assert limits["header fields"] == str(HEAD_FIELDS_MAX)
    assert limits["time for a head"] == f"{PATIENCE.head_s:g} s"
    assert limits["speed of a body"] == f"1 KiB/s over each {PATIENCE.body_s:g} s"
    assert limits["an idle connection"] == f"{PATIENCE.idle_s:g} s"
