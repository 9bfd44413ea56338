"""What a class statement makes: ids, wire names, defaults, and which options it refuses."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
import pytest
from msgspec import UNSET, Meta

from lithair import Created, Model, Pinned, PrimaryKey, Ref, Slug, Unique, Updated, filled_in
from lithair.core.schema import schema_of
from lithair.model import ModelMeta
from tests.model import future_models


class Email(Model):
    from_: Pinned[str]
    subject: Annotated[Pinned[Unique[str]], Meta(max_length=99)]
    body: str
    read: bool = False


class Page(Model):
    slug: PrimaryKey[Slug]
    title: str = "untitled"


class Stamped(Model):
    created: Created[datetime]
    updated: Updated[datetime] = filled_in()
    title: str


def test_an_id_is_first_and_may_be_left_out() -> None:
    email = Email(from_="a", subject="b", body="c")
    assert email.id == ""
    encoded = b'{"id":"","from":"a","subject":"b","body":"c","read":false}'
    assert msgspec.json.encode(email) == encoded
    assert msgspec.json.decode(encoded, type=Email) == email


def test_one_trailing_underscore_is_dropped_on_the_wire() -> None:
    class Words(Model):
        class_: str
        plain: str
        twice__: str

    assert Words.__struct_encode_fields__ == ("id", "class", "plain", "twice_")


def test_a_model_takes_keywords_only_and_refuses_unknown_fields() -> None:
    with pytest.raises(TypeError):
        Email("a", "b")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"from":"a","subject":"b","body":"c","more":1}', type=Email)


def test_a_constraint_behind_a_marker_is_enforced() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"from": "a", "subject": "b" * 100, "body": ""}, Email)


def test_the_primary_key_takes_the_place_of_the_id_and_is_readable_as_it() -> None:
    page = Page(slug="home")
    assert page.id == "home"
    assert Page.__struct_encode_fields__ == ("slug", "title")
    assert schema_of(Page).key.name == "slug"
    assert msgspec.convert({}, Page).slug == ""  # left out: it gets one when it is written


def test_created_and_updated_are_left_out_until_they_are_filled_in() -> None:
    stamped = msgspec.convert({"title": "x"}, Stamped)
    assert [stamped.created, stamped.updated] == [UNSET, UNSET]
    assert msgspec.json.encode(stamped) == b'{"id":"","title":"x"}'
    now = datetime(2025, 1, 1, tzinfo=UTC)
    msgspec.structs.force_setattr(stamped, "created", now)
    assert msgspec.json.decode(msgspec.json.encode(stamped), type=Stamped).created == now


def test_annotations_as_text_mean_the_same() -> None:
    """`from __future__ import annotations`, names of classes further down included."""
    fields = schema_of(future_models.Note).by_wire
    assert list(fields) == ["id", "title", "from", "made", "parent", "tag"]
    assert fields["title"].pinned
    assert fields["title"].unique
    assert fields["made"].created
    assert fields["parent"].ref == "Note"
    note = future_models.Note(title="t", from_="f", tag=future_models.Tag(name="n"))
    assert [note.made] == [UNSET]
    assert schema_of(future_models.Place).key.name == "code"
    assert future_models.Place(code="x").id == "x"


def test_names_of_the_class_body_are_understood() -> None:
    assert schema_of(future_models.Nested).by_wire["inner"].base is future_models.Nested.Inner

    assert schema_of(future_models.Nested).by_wire["again"].wire == "again"


def test_a_second_base_with_fields_is_refused() -> None:
    """It could not be laid out; a base without fields is welcome."""

    class Dated(msgspec.Struct):
        day: int = 1

    class Shown:
        def show(self) -> str:
            return str(self)

    class Mixed(Shown, Model):
        title: str

    assert Mixed(title="x").show() == "Mixed(id='', title='x')"
    with pytest.raises(TypeError, match=r"Dated and Model \(id\) have fields; only one base can"):

        class Wrong(Dated, Model):  # pyright: ignore[reportUnusedClass]
            title: str


def test_a_subclass_has_the_fields_and_the_key_of_its_parent() -> None:
    class Draft(Email):
        due: int = 0

    class Home(Page):
        motto: str = ""

    assert Draft.__struct_fields__ == ("id", "from_", "subject", "body", "read", "due")
    assert schema_of(Draft).by_wire["subject"].unique
    assert Home(slug="h").id == "h"
    with pytest.raises(TypeError, match="has an id already"):

        class Wrong(Email):  # pyright: ignore[reportUnusedClass]
            code: PrimaryKey[str]


def test_an_id_may_be_declared_with_constraints() -> None:
    class Strict(Model):
        id: Annotated[str, Meta(max_length=4)] = ""
        title: str = ""

    assert msgspec.convert({}, Strict).id == ""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"id": "12345"}, Strict)


@pytest.mark.parametrize(
    "option", ["array_like", "tag", "omit_defaults", "kw_only", "forbid_unknown_fields"]
)
def test_options_that_would_change_what_an_item_is_are_refused(option: str) -> None:
    with pytest.raises(TypeError, match=f"leave {option}= out"):
        ModelMeta("X", (Model,), {"__annotations__": {"a": int}}, **{option: True})


def test_two_fields_of_one_wire_name_are_refused() -> None:
    with pytest.raises((TypeError, ValueError)):
        ModelMeta("X", (Model,), {"__annotations__": {"read": int, "read_": int}})


def test_a_ref_is_text_that_names_a_class() -> None:
    class Vote(Model):
        movie: Ref["Email"]
        page: Ref["Page"] | None = None

    assert schema_of(Vote).by_wire["movie"].ref == "Email"
    assert schema_of(Vote).by_wire["page"].ref == "Page"
    assert schema_of(Vote).by_wire["page"].nullable
