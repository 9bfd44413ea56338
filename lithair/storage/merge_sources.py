"""The files that a compaction takes records from, and how they are read from there.

Law: records are read in the order of the disk, many with one call, and each is checked by its own
checksum and against the seq that is expected, or DamagedLog says where it is not so. How many
bytes are held is the caller's decision.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from typing import Final
from zlib import crc32

from lithair.core.upgrade import Upgrade
from lithair.errors import DamagedLog
from lithair.storage.files import Files, Readable
from lithair.storage.merge_table import FILE_SHIFT, OFFSET_MASK

GAP_BYTES_MAX: Final = 16 << 10  # reading over so much is quicker than a call of its own
OPEN_FILES_MAX: Final = 128  # the usual limit is 1024 a process

_HEAD: Final = struct.Struct("<IIQq")  # of a record: crc len seq time_ms


class Sources:
    """Files by their numbers in the merge table; a bounded count of them is open."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._paths: list[str] = []
        self._upgrades: list[Upgrade | None] = []
        self._open: dict[int, Readable] = {}

    def add(self, path: str, upgrade: Upgrade | None) -> None:
        """Add a file, whose records `upgrade` brings to the present form; None: they have it."""
        self._paths.append(path)
        self._upgrades.append(upgrade)

    def file(self, number: int) -> Readable:
        file = self._open.get(number)
        if file is None:
            if len(self._open) >= OPEN_FILES_MAX:
                del self._open[next(iter(self._open))]  # closed when nobody reads it any more
            file = self._open[number] = self._files.open(self._paths[number])
        return file

    def close(self) -> None:
        self._open = {}

    def upgrades(self, wheres: Sequence[int]) -> Iterator[tuple[int, Upgrade]]:
        """Yield the index of each record that has not the present form, and what gives it that."""
        if not any(self._upgrades):
            return
        for at, where in enumerate(wheres):
            upgrade = self._upgrades[where >> FILE_SHIFT]
            if upgrade is not None:
                yield at, upgrade

    def records(
        self, wheres: Sequence[int], lengths: Sequence[int], seqs: Sequence[int]
    ) -> tuple[list[bytes], list[int]]:
        """Read records; gives their bytes and their times, in the order asked. Raises DamagedLog.

        A hot loop, with local names: bench/merge.py.
        """
        order = sorted(range(len(wheres)), key=wheres.__getitem__)
        records, times = [b""] * len(order), [0] * len(order)
        unpack, gap_bytes = _HEAD.unpack_from, GAP_BYTES_MAX
        begin = 0
        while begin < len(order):
            # A run of records that lie so close together that they are read at once.
            first = wheres[order[begin]]
            end, reach = begin, first
            while end < len(order) and 0 <= wheres[order[end]] - reach <= gap_bytes:
                reach = wheres[order[end]] + lengths[order[end]]
                end += 1
            buffer = self._read(first, reach - first)
            view, held = memoryview(buffer), len(buffer)
            for at in order[begin:end]:
                offset, length = wheres[at] - first, lengths[at]
                stop = offset + length
                if stop > held:
                    raise self.damaged(wheres[at], f"a record of {length} bytes does not fit here")
                crc, claimed, seq, times[at] = unpack(buffer, offset)
                if claimed != length or seq != seqs[at] or crc32(view[offset + 4 : stop]) != crc:
                    raise self.damaged(wheres[at], f"event {seqs[at]} is not as it was written")
                records[at] = buffer[offset:stop]
            begin = end
        return records, times

    def damaged(self, where: int, what: str) -> DamagedLog:
        path = self._paths[where >> FILE_SHIFT]
        return DamagedLog(path, where & OFFSET_MASK, what, os.path.dirname(path))

    def _read(self, where: int, length: int) -> bytes:
        try:
            return self.file(where >> FILE_SHIFT).read(length, where & OFFSET_MASK)
        except OSError as error:
            raise self.damaged(where, f"the disk can't read it: {error}") from error
