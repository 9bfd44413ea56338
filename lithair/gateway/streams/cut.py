"""A cut: the items that an audience sees, exactly as they were at one seq, kept for slow readers.

Owns the entries and which of them hold. Law: what `read` gives is, item for item, the state at
`seq`. An entry is either of a page of the list, with mark 0, or of an event, with its seq for a
mark; of the items that an event has changed while pages were gathered, only the entry of the last
event holds, and none where the item was gone by then.

    spool := block*
    block := index body          index: JSON [[id, mark, length]*] of the entries in the body
    body  := event*              `event: snapshot`, as it is sent

In RAM are where the blocks are and the marks of changed items.
"""

import asyncio
from typing import Final, NamedTuple

import msgspec

from lithair.storage.spool import RAM_BYTES_MAX, Spool

BLOCK_BYTES: Final = 64 << 10  # read at a time for a reader, whose socket takes about as much
OF_PAGE: Final = 0  # the mark of an entry that no event has made


class Entry(NamedTuple):
    """An item as it is told: its `event: snapshot`."""

    key: str
    mark: int
    event: bytes


class Block(NamedTuple):
    """Where some entries are; `page` is the number of the page that they are of, 0 for events."""

    offset: int
    index_bytes: int
    body_bytes: int
    page: int


_Index = list[tuple[str, int, int]]
_encode_index = msgspec.json.Encoder().encode
_decode_index = msgspec.json.Decoder(_Index).decode


class Cut:
    """Entries, added while it is gathered and read when it is complete."""

    def __init__(self, spool: Spool) -> None:
        self.seq = 0  # whose state this is, once it is complete
        self.marks: dict[str, int] = {}  # of changed items: the seq of their last event
        self._spool = spool
        self._blocks: list[Block] = []
        self._holders = 1
        self._turn = asyncio.Lock()  # of who adds: a block is written before the next one

    # While it is gathered

    async def add(self, entries: list[Entry], page: int) -> None:
        """Keep entries; raises OSError when there is no room for them."""
        for block in _portions(entries):
            index = _encode_index([(entry.key, entry.mark, len(entry.event)) for entry in block])
            body = b"".join([entry.event for entry in block])
            async with self._turn:
                offset = await self._append(index + body)
            self._blocks.append(Block(offset, len(index), len(body), page))

    def drop_pages(self, first: int) -> None:
        """Forget the entries of the pages from `first` on."""
        self._blocks = [block for block in self._blocks if block.page < first]

    async def _append(self, data: bytes) -> int:
        spool = self._spool
        if spool.size + len(data) <= RAM_BYTES_MAX:
            return spool.append(data)
        return await asyncio.to_thread(spool.append, data)  # a busy disk keeps nobody else waiting

    # When it is complete

    async def read(self, cursor: int) -> tuple[bytes, int | None]:
        """Give whole events, and the cursor to read on from; None at the end. Begin with 0."""
        while cursor < len(self._blocks):
            block = self._blocks[cursor]
            cursor += 1
            events = await self._events(block)
            if events:
                return events, cursor if cursor < len(self._blocks) else None
        return b"", None

    def hold(self) -> bool:
        """Count one more who reads it; False when nothing is left of it."""
        if not self._holders:
            return False
        self._holders += 1
        return True

    def release(self) -> None:
        """Count one less; with the last one, nothing is left of it."""
        assert self._holders, "a cut was released once too often"
        self._holders -= 1
        if not self._holders:
            self._spool.close()
            self._blocks = []

    async def _events(self, block: Block) -> bytes:
        """Give the entries of a block that hold."""
        if not self.marks:
            return await self._read(block.body_bytes, block.offset + block.index_bytes)
        data = await self._read(block.index_bytes + block.body_bytes, block.offset)
        start, parts, marks = block.index_bytes, list[bytes](), self.marks
        for key, mark, length in _decode_index(data[:start]):
            if marks.get(key, OF_PAGE) == mark:
                parts.append(data[start : start + length])
            start += length
        return b"".join(parts)

    async def _read(self, length: int, offset: int) -> bytes:
        spool = self._spool
        if spool.is_in_ram:
            return spool.read(length, offset)
        return await asyncio.to_thread(spool.read, length, offset)


def _portions(entries: list[Entry]) -> list[list[Entry]]:
    """Part entries into blocks of `BLOCK_BYTES`, or of one entry that is longer."""
    portions: list[list[Entry]] = []
    size = 0
    for entry in entries:
        if not portions or size + len(entry.event) > BLOCK_BYTES:
            portions.append([])
            size = 0
        portions[-1].append(entry)
        size += len(entry.event)
    return portions
