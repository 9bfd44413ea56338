"""All of a snapshot checked: each byte by its checksum, and whether its parts say the same.

Law: every record, block and page that is not as it was written is reported once, with its own
offset. Behind a damaged record it goes on where the index says that the next one begins; where
that is damaged too, where the record's own length leads to a whole one. Else the rest of that
section is not checked. Reads only.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from lithair.core.lookup import PAGE_BYTES, PAGE_ENTRIES, Entry, lookup_hash
from lithair.core.record import RECORD_BYTES_MIN
from lithair.core.snapshot import Block, ItemBlock, Part, RememberedBlock, identities_in
from lithair.errors import DamagedLog
from lithair.storage.snapshot import Snapshot

LENGTH_AT: Final = 4  # of a record: behind its crc
LENGTH_BYTES: Final = 4

Report = Callable[[DamagedLog], None]
Row = tuple[int, int, int, str]  # place, length, seq, key


def raise_damage(damage: DamagedLog) -> None:
    """Report by raising: the first damage ends a check."""
    raise damage


class SnapshotCheck:
    """One check of an open snapshot; `report` is told of each damage, and may raise it.

    Needs some 200 bytes of memory an item.
    """

    def __init__(self, snapshot: Snapshot, report: Report) -> None:
        self._snapshot = snapshot
        self._report = report
        self._reported: set[int] = set()  # offsets
        self._entries: list[Entry] = []  # of the lookup, as they have to be
        self._is_index_whole = True

    def run(self) -> Iterator[int]:
        """Check all of it; yields how many bytes were. Raises UnknownFormat."""
        for part in self._snapshot.parts:
            block = self._block(part)
            yield part.block_len
            if isinstance(block, ItemBlock):
                hashes = map(lookup_hash, block.keys)
                self._entries += zip(hashes, block.places, strict=True)
                rows = zip(block.places, block.lengths, block.seqs, block.keys, strict=True)
                yield from self._check_items(part, list(rows))
            elif isinstance(block, RememberedBlock):
                yield from self._check_remembered(part, block)
            else:
                yield from self._check_unindexed(part)
        self._entries.sort()
        for number in range(self._snapshot.page_count):
            self._check_page(number)
            yield PAGE_BYTES

    def _add(self, damage: DamagedLog) -> None:
        if damage.offset not in self._reported:
            self._reported.add(damage.offset)
            self._report(damage)

    def _block(self, part: Part) -> Block | None:
        try:
            return self._snapshot.block(part)
        except DamagedLog as damage:
            self._add(damage)
            self._is_index_whole = False
            return None

    def _check_items(self, part: Part, rows: Sequence[Row]) -> Iterator[int]:
        """Check that the rows of a block are those of the records before it."""
        number, at = 0, part.records_at
        try:
            for begin, run in self._snapshot.runs(part):
                for offset, length, seq, key in identities_in(run):
                    at = begin + offset
                    if number == len(rows) or rows[number] != (at, length, seq, key):
                        what = f"event {seq} is not in the index as it is here"
                        raise self._snapshot.damaged(at, what)
                    number, at = number + 1, at + length
                yield len(run)
        except DamagedLog as damage:
            yield from self._check_each(part, rows[number:], at, damage)
            return
        if number < len(rows):
            what = f"event {rows[number][2]} has no record"
            self._add(self._snapshot.damaged(part.block_at, what))

    def _check_each(
        self, part: Part, rows: Sequence[Row], at: int, first: DamagedLog
    ) -> Iterator[int]:
        """Check what the index says of the records from `at` on, each by itself.

        `first` is what was found in the run that they begin with: maybe that of another record,
        when it is the disk that could not read it.
        """
        before = len(self._reported)
        for place, length, seq, key in rows:
            if place != at:
                self._add(self._snapshot.damaged(at, f"event {seq} does not lie here"))
            try:
                event = self._snapshot.read(place, length)
                if (event.seq, event.key) != (seq, key):
                    what = f"event {event.seq} is not in the index as it is here"
                    raise self._snapshot.damaged(place, what)
            except DamagedLog as damage:
                self._add(damage)
            at = place + length
            yield length
        if at != part.block_at or len(self._reported) == before:
            self._add(first)

    def _check_remembered(self, part: Part, block: RememberedBlock) -> Iterator[int]:
        """Check that each row's record is there, in this section or among the items."""
        before = len(self._reported)
        unread: DamagedLog | None = None
        try:
            yield from map(len, (run for _, run in self._snapshot.runs(part)))
        except DamagedLog as damage:
            unread = damage
        for seq, place, length in zip(block.seqs, block.places, block.lengths, strict=True):
            try:
                if self._snapshot.read(place, length).seq != seq:
                    raise self._snapshot.damaged(place, f"event {seq} does not lie here")
            except DamagedLog as damage:
                self._add(damage)
        if unread is not None and len(self._reported) == before:
            self._add(unread)

    def _check_unindexed(self, part: Part) -> Iterator[int]:
        """Check records whose places nothing else says."""
        at = part.records_at
        while 0 < at < part.block_at:
            try:
                for begin, run in self._snapshot.runs(part, at):
                    at = begin + len(run)
                    yield len(run)
            except DamagedLog as damage:
                self._add(damage)
                at = self._behind(part, damage.offset)

    def _behind(self, part: Part, at: int) -> int:
        """Give where the record behind a damaged one begins; 0 when that can't be told."""
        head = self._snapshot.bytes_at(LENGTH_BYTES, at + LENGTH_AT)
        length = int.from_bytes(head, "little")
        behind = at + length
        if length < RECORD_BYTES_MIN or behind > part.block_at:
            return 0
        try:
            if behind < part.block_at:
                self._snapshot.read(behind)
        except DamagedLog:
            return 0
        return behind

    def _check_page(self, number: int) -> None:
        """Check a page by its checksum, and against the index where that is whole."""
        begin = number * PAGE_ENTRIES
        try:
            entries = self._snapshot.page(number)
            if self._is_index_whole and entries != self._entries[begin : begin + PAGE_ENTRIES]:
                what = "the lookup names other items than the index"
                raise self._snapshot.damaged(self._snapshot.page_at(number), what)
        except DamagedLog as damage:
            self._add(damage)
