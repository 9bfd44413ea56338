"""Graves: where the last record of each deleted item lies, so that its history can be found.

Law: a look-up may name another item's record (ids are kept as 64-bit hashes, 100 bytes a grave
instead of 250); whoever reads the record compares the id in it.
"""

from lithair.core.event import Position


class Graves:
    """Deleted items' last positions; emptied by what drops their records."""

    def __init__(self) -> None:
        self._places: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._places)

    def dig(self, key: str, position: Position) -> None:
        self._places[hash(key)] = position.segment << 32 | position.offset

    def find(self, key: str) -> Position | None:
        place = self._places.get(hash(key))
        return None if place is None else Position(place >> 32, place & 0xFFFF_FFFF)

    def forget_up_to(self, seq: int) -> None:
        """Forget those whose record lies in a segment that begins with `seq` or before it."""
        places = self._places.items()
        self._places = {key: place for key, place in places if place >> 32 > seq}

    def remove(self, key: str) -> None:
        self._places.pop(hash(key), None)
