"""A cell of CSV is read by its field's type, and passed on as a text when it is none of it."""

import json
from typing import Any

import msgspec
import pytest

from lithair.cli.cell_types import LEFT_OUT, cell_reader
from lithair.client.raw import DescribedField

BIG = "123456789012345678901234567890"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("str", "007", "007"),
        ("str", "", ""),
        ("int", "7", 7),
        ("int", BIG, int(BIG)),
        ("int", "seven", "seven"),
        ("int", "", LEFT_OUT),
        ("float", "-1e3", -1000.0),
        ("float", "NaN", "NaN"),
        ("bool", "TRUE", True),
        ("bool", "no", False),
        ("bool", "maybe", "maybe"),
        ("decimal", "12.50", "12.50"),
        ("date", "2026-01-31", "2026-01-31"),
        ({"enum": [1, 2]}, "2", 2),
        ({"enum": ["1", "2"]}, "2", "2"),
        ({"enum": ["a"]}, "b", "b"),
        ({"list": "str"}, '["a"]', ["a"]),
        ({"list": "str"}, "a", "a"),
        ({"list": "str"}, "", LEFT_OUT),
        ({"struct": {}}, '{"a": 1}', {"a": 1}),
        ({"union": ["int", "null"]}, "", None),
        ({"union": ["null", "str"]}, "", None),
        ({"union": ["int", "str"]}, "7", 7),
        ({"union": ["int", "str"]}, "x7", "x7"),
        ({"union": ["int", "str"]}, "", ""),
        ("any", '{"a":1}', {"a": 1}),
        ("any", "text", "text"),
    ],
)
def test_a_cell_becomes_a_value(kind: object, text: str, value: object) -> None:
    found = cell_reader(DescribedField(kind))(text)
    if found is not LEFT_OUT:
        found = _plain(found)
    assert found == value
    assert type(found) is type(value)


def _plain(value: object) -> Any:
    return json.loads(msgspec.json.encode(value))
