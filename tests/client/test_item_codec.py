"""Items that were stored under another declaration than the reader's."""

from typing import Annotated

import msgspec
import pytest

from lithair import LithairError, Model
from lithair.client.item_codec import ItemCodec
from lithair.core.schema import schema_of


class Film(Model):
    title: Annotated[str, msgspec.Meta(max_length=3)]
    year: Annotated[int, msgspec.Meta(ge=1900)] | None = None


CODEC = ItemCodec(Film, schema_of(Film))
OLD = b'{"id":"a","title":"Alien","year":5}'


def test_constraints_are_not_checked_when_reading() -> None:
    """They may have got stricter; the item is there all the same, in every answer."""
    film = CODEC.item(OLD)
    assert (film.id, film.title, film.year) == ("a", "Alien", 5)
    assert CODEC.items(b"[%b]" % OLD) == [film]
    page = CODEC.page(b'{"data":[%b],"total":1,"skip":0,"take":9,"has_more":false}' % OLD)
    assert (page.data, page.total) == ([film], 1)
    entry = b'[{"seq":1,"operation":"create","timestamp":"2026-01-31T00:00:00Z","item":%b}]' % OLD
    assert CODEC.history(entry)[0].item == film


def test_a_field_that_this_declaration_lacks_is_left_out() -> None:
    """The server may know more than an older script."""
    film = CODEC.item(b'{"id":"a","title":"Up","director":"x"}')
    assert (film.title, film.year) == ("Up", None)


@pytest.mark.parametrize("body", [b'{"id":"a"}', b'{"id":"a","title":5}'])
def test_what_is_no_item_of_this_declaration_says_what_to_do(body: bytes) -> None:
    """A field that is required here and not there, or of another type."""
    with pytest.raises(LithairError, match="with the same declaration"):
        CODEC.item(body)


def test_dicts_without_an_id_can_not_be_gone_through() -> None:
    """The sentence names the way out: a handle of the class."""
    codec: ItemCodec[dict[str, object]] = ItemCodec(dict[str, object], None)
    with pytest.raises(LithairError, match="use a handle of the model's class"):
        codec.id_of({"handle": "ada"})
