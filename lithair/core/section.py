"""Sections: the items that share a value of an indexed field, and which were written lately.

Law: a write is told to the section of all items, and to each section that its item was in before
or is in now. So what follows from the items of a section alone is true as long as its count of
`writes` stands still. Sections that nobody uses are not there, and cost a write nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from lithair.core.event import Slot
from lithair.core.values import Sortable

RECENT_MAX: Final = 64  # writes of a part that are remembered; past them one has to begin anew
RECENT_WHOLE_MAX: Final = 256  # the same of all items, which take longer to begin anew
SECTION_BYTES: Final = 1024  # of a part, with what is remembered

Columns = Mapping[str, Sequence[Sortable | None]]  # values by slot, by field


class Section:
    """Items with one value of the field `wire`; all items when that is empty."""

    def __init__(self, wire: str = "", value: Sortable | None = None) -> None:
        self.wire = wire
        self.value = value
        self.writes = 0  # so far
        self.uses = 0
        self._recent: list[Slot] = []
        self._recent_max = RECENT_MAX if wire else RECENT_WHOLE_MAX

    def written(self, slot: Slot) -> None:
        """Take in that an item was written that is or was in the section."""
        self.writes += 1
        recent = self._recent
        if len(recent) >= self._recent_max:
            del recent[: self._recent_max // 2]
        recent.append(slot)

    def since(self, count: int) -> Sequence[Slot] | None:
        """Give what was written after the first `count` writes; None when that is not known."""
        new = self.writes - count
        recent = self._recent
        return recent[len(recent) - new :] if new <= len(recent) else None

    def lose_track(self) -> None:
        """Have nobody find out what was written since: slots have other numbers now."""
        self.writes += 1
        self._recent.clear()


class Sections:
    """The sections of one model that are in use."""

    def __init__(self) -> None:
        self.whole = Section()
        self._parts: dict[str, dict[Sortable, Section]] = {}

    def __bool__(self) -> bool:
        return bool(self.whole.uses or self._parts)

    def __iter__(self) -> Iterator[Section]:
        if self.whole.uses:
            yield self.whole
        for parts in self._parts.values():
            yield from parts.values()

    def take(self, wire: str, value: Sortable) -> Section:
        """Give the section of a value of an indexed field; to be released."""
        parts = self._parts.setdefault(wire, {})
        section = parts.get(value)
        if section is None:
            section = parts[value] = Section(wire, value)
        section.uses += 1
        return section

    def take_whole(self) -> Section:
        """Give the section of all items; to be released."""
        self.whole.uses += 1
        return self.whole

    def release(self, section: Section) -> None:
        section.uses -= 1
        if section.uses or section is self.whole:
            return
        assert section.value is not None, "only the whole has no value"
        parts = self._parts[section.wire]
        del parts[section.value]
        if not parts:
            del self._parts[section.wire]

    def of(self, columns: Columns, slot: Slot) -> list[Section]:
        """Give the sections that an item is in by its values in the columns, but for the whole."""
        return [
            section
            for wire, parts in self._parts.items()
            if (value := columns[wire][slot]) is not None
            and (section := parts.get(value)) is not None
        ]

    def written(self, slot: Slot, before: list[Section], after: list[Section]) -> None:
        """Take in a write; the sections are those of its item before and after it."""
        if self.whole.uses:
            self.whole.written(slot)
        for section in before:
            section.written(slot)
        for section in after:
            if section not in before:
                section.written(slot)

    def lose_track(self) -> None:
        """Take in that slots have moved."""
        for section in self:
            section.lose_track()
