"""Every marker that can't mean what it says is refused at the class statement, with a remedy."""

import pytest

from lithair import Permission
from lithair.core.schema import schema_of
from lithair.fields import Marker
from tests.model.declaring import declare, hint_of


@pytest.mark.parametrize("marker", [marker.value for marker in Marker])
def test_a_bare_marker_says_what_to_write(marker: str) -> None:
    sentence = rf"Thing\.subject: {marker} needs a type: write `subject: {marker}\["
    with pytest.raises(TypeError, match=sentence):
        declare({"subject": marker})
    with pytest.raises(TypeError, match=sentence):
        declare({"subject": f"Annotated[{marker}, Meta(max_length=9)]"})


@pytest.mark.parametrize(
    ("hint", "sentence"),
    [
        ("list[Pinned[str]]", "write `x: Pinned[...]` around the whole type"),
        ("Pinned[str] | int", "write `x: Pinned[...]` around the whole type"),
        ("dict[str, Annotated[str, Permission(read='R')]]", "around the whole type"),
        ("Marked", "Pinned says something about the whole field"),
        ("list[Marked]", "Pinned says something about the whole field"),
        ("list[Pinned]", "Pinned says something about the whole field"),
        ("Unique[list[int]]", "leave Unique off list[int]"),
        ("Unique[Any]", "leave Unique off Any"),
        ("Unique[Address]", "leave Unique off Address"),
        ("Indexed[dict[str, int]]", "leave Indexed off dict[str, int]"),
        ("Indexed[str | bytes]", "leave Indexed off Union[str, bytes]"),
        ("Created[str]", "write `x: Created[datetime]`"),
        ("Updated[int]", "write `x: Updated[datetime]`"),
        ("Created[Updated[datetime]]", "Created or Updated, not both"),
        ("Owner[int]", "write `x: Owner[str]`"),
        ("PrimaryKey[int]", "write `x: PrimaryKey[str]`"),
        ("PrimaryKey[str | None]", "write `x: PrimaryKey[str]`"),
        ("PrimaryKey[Hidden[str]]", "an id can't be Hidden"),
        ("Annotated[PrimaryKey[str], Permission(read='R')]", "an id can't have a Permission"),
        ("Annotated[str, Permission]", "Permission(read="),
        ("Annotated[str, Permission()]", "Permission() asks for nothing"),
        ("Annotated[str, Permission(read='a'), Permission(write='b')]", "only one Permission"),
        ("Ref", 'write `x: Ref["Movie"]`'),
        ("list[Ref]", 'write `x: Ref["Movie"]`'),
        ("list[Ref['Movie']]", 'write `x: Ref["Movie"]`, or use plain str'),
        ("TypeVar('T')", "write `x: Pinned[str]`"),
    ],
)
def test_a_marker_that_means_nothing_is_refused(hint: str, sentence: str) -> None:
    with pytest.raises(TypeError) as caught:
        declare({"x": hint})
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("Thing.x: ")


@pytest.mark.parametrize(
    ("hints", "sentence"),
    [
        ({"a": "PrimaryKey[str]", "b": "PrimaryKey[str]"}, "PrimaryKey stands on a and b"),
        ({"a": "Owner[str]", "b": "Owner[str]"}, "Owner stands on a and b"),
        ({"a": "Created[datetime]", "b": "Created[datetime]"}, "Created stands on a and b"),
        ({"a": "PrimaryKey[str]", "id": "str"}, "takes the place of id"),
        ({"id": "int"}, "an id is text"),
        ({"id": "Hidden[str]"}, "an id can't be Hidden"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(
    hints: dict[str, str], sentence: str
) -> None:
    with pytest.raises(TypeError) as caught:
        declare(hints)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "name", ["skip", "take", "sort", "fields", "since", "snapshot", "as_of", "after", "models"]
)
def test_query_parameters_are_refused_as_wire_names(name: str) -> None:
    for written in (name, f"{name}_"):
        with pytest.raises(TypeError, match="query parameter of every list"):
            declare({written: "int"})


@pytest.mark.parametrize(
    ("hint", "plain"),
    [
        ("Unique[str]", "str"),
        ("Unique[NonEmpty]", "str"),
        ("Pinned[Indexed[int]]", "int"),
        ("Indexed[Pinned[int | None]]", "int"),
        ("Pinned[int] | None", "int"),
        ("Annotated[Indexed[float], Meta(ge=0)]", "float"),
        ("Indexed[int | float]", "float"),
        ("Unique[Isbn]", "str"),
        ("Indexed[Colour]", "Colour"),
        ("Indexed[Literal['a', 'b']]", "Literal['a', 'b']"),
        ("Indexed[Literal['a', None]]", "Literal['a']"),
        ("Unique[UUID]", "UUID"),
        ("Indexed[Decimal]", "Decimal"),
        ("Indexed[datetime]", "datetime"),
        ("Indexed[timedelta]", "timedelta"),
    ],
)
def test_scalars_can_be_unique_and_indexed(hint: str, plain: str) -> None:
    field = schema_of(declare({"x": hint})).by_wire["x"]
    assert field.base == hint_of(plain)
    assert field.scalar
    assert field.unique or field.indexed or field.pinned
    assert field.nullable == ("None" in hint)


def test_every_marker_is_kept_however_deep_it_is_nested() -> None:
    hint = "Pinned[Unique[Indexed[Immutable[Hidden[Audited[Owner[str]]]]]]]"
    model = declare({"x": f"Annotated[{hint}, Permission(read='R'), Meta(min_length=1)]"})
    field = schema_of(model).by_wire["x"]
    found = {marker for marker in Marker if getattr(field, marker.name.lower())}
    assert found == set(Marker) - {Marker.CREATED, Marker.UPDATED, Marker.PRIMARY_KEY}
    assert field.permission == Permission(read="R")


def test_a_ref_to_what_is_no_name_is_refused() -> None:
    with pytest.raises(TypeError, match="write the name of a model's class"):
        hint_of("Ref[7]")
