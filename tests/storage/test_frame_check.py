"""Damaged segments, archived and sealed: every damaged record is told, by its own offset."""

import os
from typing import NamedTuple

from lithair.core.frame import FRAME_HEAD_BYTES, frame_is_intact
from lithair.core.record import record_length
from lithair.storage.segment import FrameScan, read_segment
from tests.storage.interrupted import ARCHIVE, Compacted, paths, seen
from tests.storage.samples import DIRECTORY
from tests.support.simulated_files import SimulatedFiles

BODY_AT = 40  # of a record
LENGTH_AT = 4
COUNT_AT = FRAME_HEAD_BYTES - 4  # of a frame


class Frame(NamedTuple):
    offset: int
    records: list[int]  # offsets


class Sealed:
    """One segment that others follow."""

    def __init__(self, disk: SimulatedFiles, path: str) -> None:
        self.disk, self.path = disk, path
        self.data = disk.names_cached[path].cached
        file = disk.open(path)
        segment = read_segment(file, *os.path.split(path))
        scan = FrameScan(segment, file, segment.end)
        self.frames: list[Frame] = []
        scan.run_through()
        at, self.start, self.end = segment.start, segment.start, scan.offset
        while at < scan.offset:
            stop = at + int.from_bytes(self.data[at + 8 : at + 12], "little")
            frame = Frame(at, [])
            at += FRAME_HEAD_BYTES
            while at < stop:
                frame.records.append(at)
                at += record_length(self.data, at)
            self.frames.append(frame)

    def damage(self, *offsets: int) -> list[int]:
        """Give where it is damaged after these bytes have changed."""
        data = bytearray(self.data)
        for offset in offsets:
            data[offset] ^= 0x10
        found = seen(self.disk.with_bytes(self.path, bytes(data))).damage
        assert {each.path for each in found} == {self.path}
        return [each.offset for each in found]


def some() -> list[Sealed]:
    """Give an archived segment, and one behind the snapshot; each has a frame of many records."""
    disk = Compacted(keep_history=True).disk.fork()
    assert seen(disk).is_sound
    return [
        max(
            (Sealed(disk, path) for path in paths(disk, ".raftlog", folder)[:-1]),
            key=lambda sealed: len(bulk_of(sealed).records),
        )
        for folder in (ARCHIVE, DIRECTORY)
    ]


def bulk_of(sealed: Sealed) -> Frame:
    """Give the longest frame that others follow."""
    return max(sealed.frames[:-2], key=lambda frame: len(frame.records))


def test_every_damaged_record_is_told_by_its_own_offset() -> None:
    for sealed in some():
        bulk = bulk_of(sealed)
        assert len(bulk.records) > 2
        first, last = sealed.frames[0].records[0], sealed.frames[-2].records[-1]
        hit = sorted({first, *bulk.records[:2], bulk.records[-1], last})
        assert sealed.damage(*(at + BODY_AT for at in hit)) == hit
        every = [at for frame in sealed.frames[:4] for at in frame.records]
        assert sealed.damage(*(at + BODY_AT for at in every)) == every


def test_a_damaged_head_is_told_and_what_follows_is_checked() -> None:
    for sealed in some():
        head, other = sealed.frames[1], sealed.frames[3]
        for at in range(FRAME_HEAD_BYTES):
            assert sealed.damage(head.offset + at) == [head.offset], at
        both = [head.offset, other.records[0]]
        assert sealed.damage(head.offset + COUNT_AT, other.records[0] + BODY_AT) == both
        assert sealed.damage(head.offset, head.records[0] + BODY_AT) == [
            head.offset,
            head.records[0],
        ]


def test_a_damaged_length_hides_what_is_behind_it_in_its_frame_only() -> None:
    for sealed in some():
        bulk = bulk_of(sealed)
        later = next(frame for frame in sealed.frames if frame.offset > bulk.offset)
        hit = bulk.records[0], later.records[0]
        changed = (bulk.records[0] + LENGTH_AT, bulk.records[1] + BODY_AT, hit[1] + BODY_AT)
        assert sealed.damage(*changed) == list(hit)


def test_a_flipped_bit_is_one_damaged_place() -> None:
    for sealed in some():
        for at in range(sealed.start, sealed.end, 3):
            [found] = sealed.damage(at)
            frame = [each for each in sealed.frames if each.offset <= at][-1]
            records = [each for each in frame.records if each <= at]
            assert found == (records[-1] if records else frame.offset)


def test_frames_that_lack_in_the_middle_are_told_where_the_chain_breaks() -> None:
    for sealed in some():
        begin, end = sealed.frames[1].offset, sealed.frames[2].offset
        data = sealed.data[:begin] + sealed.data[end:]
        assert frame_is_intact(data, begin)
        found = seen(sealed.disk.with_bytes(sealed.path, data)).damage
        assert [(each.path, each.offset) for each in found] == [(sealed.path, begin)]


def test_damage_is_found_also_before_a_segment_that_can_not_be_read() -> None:
    """Where its frames have to end is not known then."""
    for sealed in some():
        folder = os.path.dirname(sealed.path)
        names = paths(sealed.disk, ".raftlog", folder)
        other = names[names.index(sealed.path) + 1]
        sealed.disk = sealed.disk.with_bytes(other, b"?" * 400)
        record = sealed.frames[1].records[0]
        data = bytearray(sealed.data)
        data[record + BODY_AT] ^= 1
        found = seen(sealed.disk.with_bytes(sealed.path, bytes(data))).damage
        assert {(each.path, each.offset) for each in found} == {(other, 0), (sealed.path, record)}
