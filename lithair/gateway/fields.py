"""Header fields that cost a dict look-up each, in place of Tornado's four calls.

Law: Tornado's HTTPHeaders in every respect; only the way to a field is shorter where its name is
spelled as usual, which ours always are.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from tornado.httputil import HTTPHeaders

NAMES_MAX: Final = 1024  # distinct field names whose usual spelling is remembered
NAME_BYTES_MAX: Final = 64  # longer ones are nobody's we know, and are not kept


class UsualFields(HTTPHeaders):
    """Fields of a request, or of an answer of ours."""

    def __init__(self, fields: dict[str, list[str]] | None = None) -> None:
        # Not Tornado's own, which goes through `update`; `fields` are spelled as usual.
        self._as_list: dict[str, list[str]] = {} if fields is None else fields
        self._combined_cache: dict[str, str] = {}

    def names(self) -> Iterable[str]:
        """Give the fields' names, spelled as usual."""
        return self._as_list.keys()

    def copied(self) -> "UsualFields":
        """Give the same fields once more; a change of the one is none of the other."""
        return UsualFields({name: list(values) for name, values in self._as_list.items()})

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """Give a field's value, several ones of that name joined by commas."""
        values = self._as_list.get(key)
        if values is None:
            values = self._as_list.get(usual(key))
            if values is None:
                return default
        return values[0] if len(values) == 1 else ",".join(values)

    def get_list(self, name: str) -> list[str]:
        """Give all values of a field."""
        values = self._as_list.get(name)
        return self._as_list.get(usual(name), []) if values is None else values

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._as_list or usual(name) in self._as_list)

    def __setitem__(self, name: str, value: str) -> None:
        name = usual(name)
        self._as_list[name] = [value]
        self._combined_cache[name] = value


class NoFields(HTTPHeaders):
    """The fields of a request whose head has not come: none, whatever is put in."""

    def __setitem__(self, name: str, value: str) -> None:
        pass


def _spelled(name: str) -> str:
    return "-".join([part.capitalize() for part in name.split("-")])


_remembered = lru_cache(NAMES_MAX)(_spelled)


def usual(name: str) -> str:
    """Spell a field's name as usual."""
    return _remembered(name) if len(name) <= NAME_BYTES_MAX else _spelled(name)
