"""Rows come out of an input the same, however its bytes arrive."""

import itertools
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithair.cli.formats import CSV, JSON, NDJSON
from lithair.cli.row_formats import ROWS, Row
from lithair.client.raw import Described, DescribedField, DescribedFields
from lithair.errors import LithairError
from lithair.storage.input_file import READ_BYTES

FIELDS = {"id": "str", "text": "str", "number": {"union": ["int", "null"]}}
BOOKS = Described(
    "books",
    "id",
    list(FIELDS),
    DescribedFields({name: DescribedField(kind) for name, kind in FIELDS.items()}),
)
TEXTS = st.text(max_size=20) | st.sampled_from(['"]},{["', "\\", '\\"', "\u2028\x85\x0b", "[1]"])
OBJECTS = st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS | st.none(), max_size=3), max_size=3)


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    begin = 0
    for place in sorted({place % (len(data) + 1) for place in places}):
        yield data[begin:place]
        begin = place
    yield data[begin:]


def rows(form: str, data: bytes, places: list[int] | None = None) -> list[Row]:
    return list(ROWS[form](cut(data, places or []), BOOKS))


@given(
    st.lists(OBJECTS, max_size=5),
    st.lists(st.integers(0, 10_000), max_size=8),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_json_is_cut_into_its_elements(
    objects: list[object], places: list[int], indent: int | None, is_ascii: bool
) -> None:
    array = json.dumps(objects, indent=indent, ensure_ascii=is_ascii).encode()
    stream = "\n".join(json.dumps(o, indent=indent, ensure_ascii=is_ascii) for o in objects)
    for data in (array, stream.encode(), b"\xef\xbb\xbf \n" + array):
        found = rows(JSON, data, places)
        assert [json.loads(row.item) for row in found] == objects
        assert [row.place for row in found] == list(range(1, len(objects) + 1))


@given(st.lists(OBJECTS, max_size=5), st.lists(st.integers(0, 10_000), max_size=8))
def test_ndjson_is_cut_into_its_lines(objects: list[object], places: list[int]) -> None:
    data = "\r\n\n".join(json.dumps(each, ensure_ascii=False) for each in objects).encode()
    found = rows(NDJSON, data, places)
    assert [json.loads(row.item) for row in found] == objects
    assert [row.place for row in found] == list(range(1, 2 * len(objects), 2))


@given(
    st.lists(st.tuples(TEXTS, st.integers() | st.none()), max_size=5),
    st.lists(st.integers(0, 10_000), max_size=8),
)
def test_csv_is_cut_into_its_cells(cells: list[tuple[str, int | None]], places: list[int]) -> None:
    lines = [
        f'"{text.replace(chr(34), chr(34) * 2)}",{"" if number is None else number}\n'
        for text, number in cells
    ]
    found = rows(CSV, "".join(["text,number\n", *lines]).encode(), places)
    wanted = [{"text": text, "number": number} for text, number in cells]
    assert [json.loads(row.item) for row in found] == wanted


@pytest.mark.parametrize("data", [b'[{"a":1}', b'[{"a":1},', b'{"a":"x', b"[", b"[1] 2"])
def test_json_that_ends_too_early_is_told_behind_its_rows(data: bytes) -> None:
    found: list[Row] = []
    with pytest.raises(LithairError, match="ends within an array or an object"):
        found.extend(ROWS[JSON]([data], BOOKS))


def test_what_is_no_row_but_stands_between_rows_is_one_of_its_own() -> None:
    found = rows(JSON, b'[{"id":"a"}, 12, "x,]", {"id":}, null]')
    assert [row.item for row in found] == [b'{"id":"a"}', b"12", b'"x,]"', b'{"id":}', b"null"]


def test_a_line_that_has_no_end_is_not_gathered_for_ever() -> None:
    endless = itertools.repeat(b"x" * READ_BYTES)
    with pytest.raises(LithairError, match="a line is longer than 16 MiB"):
        list(ROWS[NDJSON](endless, BOOKS))
    with pytest.raises(LithairError, match="an element is longer than 16 MiB"):
        list(ROWS[JSON](itertools.chain([b'[{"a":"'], endless), BOOKS))


def test_text_of_another_encoding_is_a_bad_row() -> None:
    (bad, good) = rows(CSV, "id,text\na,é\n".encode("latin-1") + b"b,x\n")
    assert (bad.item, bad.problem) == (b"", "its text is not UTF-8")
    assert json.loads(good.item) == {"id": "b", "text": "x"}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_is_separated_by_what_its_first_line_has(separator: str) -> None:
    (row,) = rows(CSV, f"id{separator}number\nx{separator}3\n".encode())
    assert json.loads(row.item) == {"id": "x", "number": 3}
