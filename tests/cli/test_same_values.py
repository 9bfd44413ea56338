"""An item holds what a row says, however either is written."""

import pytest

from lithair.cli.same_values import SameValues
from lithair.client.raw import Described, DescribedField, DescribedFields

FIELDS = {
    "id": DescribedField("str"),
    "at": DescribedField({"union": ["datetime", "null"]}),
    "price": DescribedField("decimal"),
    "tags": DescribedField({"set": "str"}),
    "list": DescribedField({"list": "str"}),
    "size": DescribedField("float"),
    "lent": DescribedField("bool"),
    "added": DescribedField("datetime", ["filled"]),
}
ITEM = (
    b'{"id":"a","at":"2026-01-31T12:00:00Z","price":"1.50","tags":["x","y"],"list":["x","y"],'
    b'"size":1.0,"lent":true,"added":"2026-01-31T12:00:00Z"}'
)


@pytest.mark.parametrize(
    ("row", "other"),
    [
        (ITEM, []),
        (b'{"id":"a"}', []),
        (b'{"price":"sNaN"}', ["price"]),
        (b'{"at":"2026-01-31T13:00:00.000+01:00"}', []),
        (b'{"at":"2026-01-31T12:00:01Z"}', ["at"]),
        (b'{"at":null}', ["at"]),
        (b'{"at":5}', ["at"]),
        (b'{"price":"1.5"}', []),
        (b'{"price":1.5}', []),
        (b'{"price":"1.51"}', ["price"]),
        (b'{"tags":["y","x"]}', []),
        (b'{"tags":["y"]}', ["tags"]),
        (b'{"list":["y","x"]}', ["list"]),
        (b'{"size":1}', []),
        (b'{"lent":1}', ["lent"]),
        (b'{"added":"2020-01-01T00:00:00Z"}', []),
        (b'{"colour":null,"size":2}', ["colour", "size"]),
    ],
)
def test_only_what_a_row_says_otherwise_is_a_difference(row: bytes, other: list[str]) -> None:
    described = Described("things", "id", list(FIELDS), DescribedFields(FIELDS))
    assert SameValues(described).differences(row, ITEM) == other
