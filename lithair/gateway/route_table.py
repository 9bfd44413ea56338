"""The paths beside the models': which handler a method and a path belong to.

Owns the look-up of user routes and user handlers. Law: the most special path that has the method
answers; one whose segments match but which has not the method is passed over.
"""

from collections.abc import Iterable
from typing import Final, Generic, TypeVar

import msgspec

from lithair.declaration.paths import segments_of, speciality
from lithair.gateway.targets import decode_segment

H = TypeVar("H")

EVERY_METHOD: Final = frozenset[str]()


class Place(msgspec.Struct, Generic[H], frozen=True):
    """A path, its methods (none: whatever the handler itself has) and its handler."""

    path: str
    methods: frozenset[str]
    handler: H

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each segment in braces, "" for a literal one."""
        return tuple(
            segment[1:-1] if segment.startswith("{") else "" for segment in self.path[1:].split("/")
        )


class Found(msgspec.Struct, Generic[H], frozen=True):
    """A handler, the values of the path's named segments, and the place's own path."""

    handler: H
    segments: dict[str, str]
    path: str = ""


class NoMethod(msgspec.Struct, frozen=True):
    """There is such a path, with these methods only."""

    methods: frozenset[str]


class RouteTable(Generic[H]):
    """Every place, by its number of segments, special ones first."""

    def __init__(self, places: Iterable[Place[H]]) -> None:
        self._rows: dict[int, list[tuple[tuple[str | None, ...], Place[H]]]] = {}
        for place in sorted(places, key=lambda place: speciality(place.path)):
            segments = segments_of(place.path)
            self._rows.setdefault(len(segments), []).append((segments, place))

    def find(self, method: str, path: str) -> Found[H] | NoMethod | None:
        """Find what answers a method on a raw path; TargetError when the path can't be decoded."""
        if not path.startswith("/"):
            return None
        parts = [decode_segment(part) for part in path[1:].split("/")]
        methods: set[str] = set()
        for segments, place in self._rows.get(len(parts), ()):
            if not _matches(segments, parts):
                continue
            if not place.methods or method in place.methods:
                named = zip(place.names, parts, strict=True)
                segments_found = {name: part for name, part in named if name}
                return Found(place.handler, segments_found, place.path)
            methods |= place.methods
        return NoMethod(frozenset(methods)) if methods else None


def _matches(segments: tuple[str | None, ...], parts: list[str]) -> bool:
    return all(
        part == segment if segment is not None else part != ""
        for segment, part in zip(segments, parts, strict=True)
    )
