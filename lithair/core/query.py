r"""Queries: what a list or a count asks for, read from the pairs of a query string.

    filter  := name "=" test        several are ANDed, also on one field
    test    := value | "=" value | "!" value | (">" | "<" | ">=" | "<=") value
             | "~" text | "[" value ("," value)* "]"       a comma in a value is written "\,"
    other   := "sort=" ["-"] name ("," ...)* | "skip=" n | "take=" n | "after=" id | "fields=" names
             | "as_of=" (seq | time)                       see `as_of`

Law: what can't be understood is refused with the parameter's name, never passed over; a field the
caller may not read does not exist for it.
"""

import operator
import re
import sys
import typing
from collections.abc import Callable, Iterable, Sequence

import msgspec

from lithair.core.as_of import AsOf, parse_as_of
from lithair.core.problem import Refusal
from lithair.core.schema import Schema
from lithair.core.shape import Path, find_path
from lithair.core.values import Sortable, itself, parse_text
from lithair.errors import FieldError

FILTERS_MAX = 64  # a query with more is a mistake or an attack; each costs a test per item
SORT_FIELDS_MAX = 8  # each is a pass over all that match, in one go
SKIP_MAX = 1 << 53
NULL = "null"
TEST_BYTES = 320  # of a test that is kept, with what it is done by
OPERAND_BYTES = 128  # of a value to compare with, beside the value
OPTIONS = ("sort", "skip", "take", "after", "fields", "as_of")
COUNT_OPTIONS = ("as_of",)
ITEM_OPTIONS = ("fields", "as_of")

Test = Callable[[Sortable | None], bool]

_RANGES: dict[str, Callable[[Sortable, Sortable], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


class Filter(msgspec.Struct, frozen=True):
    """One test of one field: `operator` is = ! > < >= <= ~ or [; None in `operands` is null."""

    path: Path
    operator: str
    operands: tuple[Sortable | None, ...]
    matches: Test


class Query(msgspec.Struct, frozen=True):
    """A list, count or get as asked for; `fields` None is the whole item, `as_of` None is now.

    `own` narrows it to what is there at all for who asks.
    """

    filters: tuple[Filter, ...] = ()
    sort: tuple[tuple[Path, bool], ...] = ()  # (field, is descending)
    skip: int = 0
    take: int = 0
    after: str | None = None
    fields: frozenset[str] | None = None
    as_of: AsOf | None = None
    own: Filter | None = None

    @property
    def tests(self) -> tuple[Filter, ...]:
        """Give all that an item has to pass."""
        return self.filters if self.own is None else (*self.filters, self.own)


def bytes_of_tests(tests: Sequence[Filter]) -> int:
    """Say what it costs to keep tests and the values that they compare with, about."""
    return TEST_BYTES * len(tests) + sum(
        OPERAND_BYTES + 2 * sys.getsizeof(operand) for test in tests for operand in test.operands
    )


def refuse(parameter: str, message: str) -> Refusal:
    return Refusal(400, "The query is not understood", [FieldError(parameter, message)])


class QueryReader:
    """Reads queries about one model; `unreadable` are the wire names hidden from the caller.

    `own` is what makes an item exist for it.
    """

    def __init__(
        self,
        schema: Schema,
        unreadable: frozenset[str],
        take_max: int,
        own: Filter | None = None,
    ) -> None:
        self.schema = schema
        self.unreadable = unreadable
        self.take_max = take_max
        self.own = own
        self._fields_known: dict[str, Path] = {}  # whole fields that were asked about

    def read(self, pairs: Iterable[Sequence[str]], *, for_count: bool = False) -> Query:
        """Read the pairs of a list's or a count's query; raises `Refusal` 400."""
        filters: list[Filter] = []
        options: dict[str, str] = {}
        for name, text in pairs:
            if name in OPTIONS:
                if for_count and name not in COUNT_OPTIONS:
                    raise refuse(name, "a count takes filters and as_of only")
                _add_option(options, name, text)
            else:
                filters.append(self._filter(name, text))
        _check_count(filters)
        return Query(
            filters=tuple(filters),
            sort=self._sort(options["sort"]) if options.get("sort") else (),
            skip=_number("skip", options.get("skip", "0")),
            take=0 if for_count else self._take(options.get("take")),
            after=options.get("after"),
            fields=self._fields(options["fields"]) if "fields" in options else None,
            as_of=_as_of(options["as_of"]) if "as_of" in options else None,
            own=self.own,
        )

    def read_item(self, pairs: Iterable[Sequence[str]]) -> Query:
        """Read the pairs of a get's query; raises `Refusal` 400."""
        options: dict[str, str] = {}
        for name, text in pairs:
            if name not in ITEM_OPTIONS:
                raise refuse(name, "one item takes fields and as_of only")
            _add_option(options, name, text)
        return Query(
            fields=self._fields(options["fields"]) if "fields" in options else None,
            as_of=_as_of(options["as_of"]) if "as_of" in options else None,
        )

    def read_changes(self, pairs: Iterable[Sequence[str]]) -> tuple[Filter, ...]:
        """Read the filters of a stream or a subscription; raises `Refusal` 400."""
        filters: list[Filter] = []
        for name, text in pairs:
            if name in OPTIONS:
                raise refuse(name, "changes can be filtered, and nothing else")
            filters.append(self._filter(name, text))
        _check_count(filters)
        return tuple(filters)

    def _path(self, parameter: str, text: str) -> Path:
        path = self._fields_known.get(text) or find_path(self.schema, text, self.unreadable)
        if path is not None and path.is_field:
            self._fields_known[text] = path
        if path is None:
            known = ", ".join(f.wire for f in self.schema.fields if f.wire not in self.unreadable)
            raise refuse(parameter, f"there is no field {text!r}; the fields are {known}")
        return path

    def _sort(self, text: str) -> tuple[tuple[Path, bool], ...]:
        parts: list[tuple[Path, bool]] = []
        names = text.split(",")
        if len({name.removeprefix("-") for name in names}) < len(names):
            raise refuse("sort", "names a field twice")
        if len(names) > SORT_FIELDS_MAX:
            raise refuse("sort", f"names more than {SORT_FIELDS_MAX} fields")
        for part in names:
            path = self._path("sort", part.removeprefix("-"))
            if _is_list(path) or _is_object(path):
                raise refuse("sort", f"{path.text!r} holds lists or objects, which have no order")
            parts.append((path, part.startswith("-")))
        return tuple(parts)

    def _take(self, text: str | None) -> int:
        return self.take_max if text is None else min(_number("take", text), self.take_max)

    def _fields(self, text: str) -> frozenset[str]:
        names = text.split(",") if text else []
        for name in names:
            if self._path("fields", name).steps:
                raise refuse("fields", f"{name!r}: name whole fields only")
        return frozenset(names)

    def _filter(self, name: str, text: str) -> Filter:
        path = self._path(name, name)
        sign, rest = _split_operator(text)
        if sign == "~":
            return _contains(path, rest)
        if sign == "[":
            texts = [t.replace("\\,", ",") for t in re.split(r"(?<!\\),", rest)]
            operands = tuple(None if t == NULL else _operand(path, t) for t in texts)
            is_plain = not _is_list(path) and not _is_object(path)  # those can't be in a set
            allowed = frozenset(operands) if is_plain else operands
            return Filter(path, sign, operands, lambda value: value in allowed)
        if sign in _RANGES:
            return _range(path, sign, _operand(path, rest))
        is_text = sign == "=="
        operand = None if rest == NULL and not is_text else _operand(path, rest)
        if sign == "!":
            return Filter(path, "!", (operand,), lambda value: value != operand)
        return Filter(path, "=", (operand,), lambda value: value == operand)


def _check_count(filters: Sequence[Filter]) -> None:
    if len(filters) > FILTERS_MAX:
        raise refuse(filters[FILTERS_MAX].path.text, f"more than {FILTERS_MAX} filters")


def _add_option(options: dict[str, str], name: str, text: str) -> None:
    if name in options:
        raise refuse(name, "is given twice")
    options[name] = text


def _as_of(text: str) -> AsOf:
    try:
        return parse_as_of(text)
    except ValueError as error:
        raise refuse("as_of", f"{text!r} {error}") from None


def _split_operator(text: str) -> tuple[str, str]:
    if text[:2] in (">=", "<="):
        return text[:2], text[2:]
    if text[:1] in (">", "<", "~", "!"):
        return text[:1], text[1:]
    if text[:1] == "=":
        return "==", text[1:]
    if text[:1] == "[" and text[-1:] == "]":
        return "[", text[1:-1]
    return "=", text


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 16 or int(text) > SKIP_MAX:
        raise refuse(name, f"{text!r} is not a whole number from 0 up")
    return int(text)


def _is_list(path: Path) -> bool:
    return (typing.get_origin(path.base) or path.base) in (list, tuple, set, frozenset)


def _is_object(path: Path) -> bool:
    origin = typing.get_origin(path.base) or path.base
    return origin is dict or (isinstance(origin, type) and issubclass(origin, msgspec.Struct))


def _operand(path: Path, text: str) -> Sortable:
    if _is_list(path) or _is_object(path):
        raise refuse(path.text, "holds lists or objects: only null, !null and ~text can be asked")
    try:
        value = parse_text(text, path.base)
    except ValueError as error:
        raise refuse(path.text, f"{text!r} is not a value of this field: {error}") from None
    return path.sort(value)


def _range(path: Path, sign: str, bound: Sortable) -> Filter:
    compare = _RANGES[sign]
    return Filter(path, sign, (bound,), lambda value: value is not None and compare(value, bound))


def _contains(path: Path, text: str) -> Filter:
    part = text.casefold()
    operands = (itself(part),)
    if path.base is str:
        return Filter(
            path, "~", operands, lambda v: v is not None and part in typing.cast(str, v).casefold()
        )
    if _is_list(path) and typing.get_args(path.base)[:1] == (str,):

        def in_any(value: Sortable | None) -> bool:
            return value is not None and any(
                part in element.casefold() for element in typing.cast(list[str], value)
            )

        return Filter(path, "~", operands, in_any)
    raise refuse(path.text, "~ looks for text, and this field does not hold text")
