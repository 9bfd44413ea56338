"""Compaction: the snapshot before and the sealed segments after it become a new snapshot.

Law: it reads what is sealed and writes one new file, which appears whole or not at all; nothing
else of the directory is changed, so it may run in any process, beside the one that owns the log,
and be ended at any moment. Each record that is taken over was checked by its own checksum, each
segment by the chain. In memory there are keys and places, never more bodies than `CHUNK_BYTES_MAX`.
"""

import os
from array import array
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from lithair.core.compaction import CompactionPlan
from lithair.core.event import ERASED, Event, EventKind
from lithair.core.record import decode_record, encode_record, payload_in
from lithair.core.snapshot import ItemBlock, SnapshotHeader
from lithair.core.upgrade import Upgrade, upgraded
from lithair.errors import DamagedLog, LithairError, StorageFull
from lithair.storage.archive import ARCHIVE_NAME
from lithair.storage.files import Files, is_no_room
from lithair.storage.merge_room import Sample, check_room, snapshot_bytes
from lithair.storage.merge_sources import Sources
from lithair.storage.merge_table import (
    FILE_SHIFT,
    OFFSET_MASK,
    Memory,
    MergeTable,
    RememberedEvent,
    Rows,
)
from lithair.storage.recovery import sealed_end
from lithair.storage.segment import (
    FrameScan,
    Segment,
    first_seq_of,
    read_bytes,
    read_segment,
    segment_names,
)
from lithair.storage.snapshot import Snapshot, snapshot_names
from lithair.storage.snapshot_writer import UNFINISHED_SUFFIX, SnapshotWriter

CHUNK_ROWS_MAX: Final = 4096  # read in the order of the disk, written in the order of creation
CHUNK_BYTES_MAX: Final = 4 << 20

# (bytes done, of so many); called after each MiB or block at the latest, with the same again too.
Progress = Callable[[int, int], None]
Places = dict[int, tuple[int, int]]  # seq -> where its record lies in the new snapshot, its length

__all__ = ["CompactionPlan", "PresentForm", "compact", "remove_leftovers"]


class PresentForm(NamedTuple):
    """What the present declaration says: whose records, of which form, which fields are kept."""

    model_name: str
    fingerprint: bytes
    description: bytes
    kept: tuple[str, ...]
    cell: Callable[[bytes], bytes]  # an item's JSON -> that of its kept fields
    upgrade_for: Callable[[bytes, bytes], Upgrade | None]  # raises SchemaChanged


def compact(
    files: Files, directory: str, plan: CompactionPlan, form: PresentForm, progress: Progress
) -> str:
    """Write the snapshot that `plan` asks for; gives its name.

    Raises DamagedLog, UnknownFormat, SchemaChanged, StorageFull, LithairError: nothing is changed.
    """
    try:
        return Merge(files, directory, plan, form, progress).run()
    except OSError as error:
        kind = StorageFull if is_no_room(error) else LithairError
        raise kind(f"{directory}: the log can't be compacted: {error}") from error


def remove_leftovers(files: Files, directory: str) -> None:
    """Remove what a compaction that was ended has left; none may be running. Raises OSError."""
    for name in files.names(directory):
        if name.endswith(UNFINISHED_SUFFIX):
            files.remove(os.path.join(directory, name))


class Merge:
    """One compaction under way."""

    def __init__(
        self,
        files: Files,
        directory: str,
        plan: CompactionPlan,
        form: PresentForm,
        progress: Progress,
    ) -> None:
        self._files = files
        self._directory = directory
        self._plan = plan
        self._form = form
        self._progress = progress
        self._sources = Sources(files)
        self._done = self._total = 0

    def run(self) -> str:
        """Read everything, then write everything, if there is room for it."""
        plan, files, directory = self._plan, self._files, self._directory
        before = present_snapshot(files, directory, plan.cut)
        cut = before.header.cut if before else 0
        segments = sealed_segments(files, directory, cut, plan.cut, self._live)
        self._check_link(before, segments[0])
        self._total = 2 * sum(segment.size for segment in segments)
        memory = Memory(plan.cut, plan.now_ms)
        table = MergeTable(memory, keeps_graves=plan.keep_history, purged=plan.purge)
        try:
            self._take_snapshot(table, before)
            self._take_segments(table, segments)
            remembered = table.remembered()
            self._check_room(table, remembered)
            if plan.keep_history:
                files.make_directory(os.path.join(directory, ARCHIVE_NAME))
            return self._write(table, remembered, segments[-1].header.prev_crc)
        finally:
            if before:
                before.close()
            self._sources.close()

    def _check_link(self, before: Snapshot | None, first: Segment) -> None:
        prev_crc = before.header.prev_crc if before else 0
        if first.header.prev_crc != prev_crc:
            raise first.damaged(0, "this segment does not continue what was before it")

    # Reading

    def _take_snapshot(self, table: MergeTable, before: Snapshot | None) -> None:
        if before is None:
            self._sources.add("", None)
            return
        header = before.header
        assert before.size_bytes <= OFFSET_MASK, "the places in it would not fit"
        upgrade = self._form.upgrade_for(header.fingerprint, header.description)
        self._sources.add(before.path, upgrade)
        self._total += before.size_bytes
        table.time_ms = header.time_ms
        for items in before.items():
            table.take_items(items)
            self._live()
        table.end_snapshot(header.cut)
        for remembered in before.remembered():
            table.take_remembered(remembered)
            self._live()
        for graves in before.graves():
            table.take_graves(graves)
            self._live()

    def _take_segments(self, table: MergeTable, segments: list[Segment]) -> None:
        """Go through all segments but the last, which only says how the one before it ends."""
        for segment, following in pairwise(segments):
            header = segment.header
            upgrade = self._form.upgrade_for(header.fingerprint, header.description)
            self._sources.add(segment.path, upgrade)
            base = table.begin_segment(segment.first_seq)
            file = self._sources.file(base >> FILE_SHIFT)
            scan = FrameScan(segment, file, segment.size, following.first_seq)
            for buffer, end in scan.runs():
                table.take_frames(buffer, end, base + scan.offset - end)
                self._advance(end)
            rest = read_bytes(segment, file, segment.size - scan.offset, scan.offset)
            sealed_end(segment, scan, rest, following.header)

    def _advance(self, count: int) -> None:
        self._done += count
        self._progress(min(self._done, self._total), self._total)

    def _live(self) -> None:
        """Say that something was done, which nobody counts."""
        self._advance(0)

    # Writing

    def _check_room(self, table: MergeTable, remembered: list[RememberedEvent]) -> None:
        """Refuse a snapshot that would fill the disk; raises StorageFull."""
        rows = next(table.items(CHUNK_ROWS_MAX, CHUNK_BYTES_MAX), None)
        sample = Sample()
        if rows is not None:
            block, records = self._present_items(rows)
            sample = Sample(
                sum(map(len, records)) / sum(rows.lengths),
                sum(map(len, block.cells)) / len(records),
            )
        needed = snapshot_bytes(table.volume(remembered), sample, self._form.description)
        check_room(self._files, self._directory, needed)

    def _write(self, table: MergeTable, remembered: list[RememberedEvent], prev_crc: int) -> str:
        plan, form = self._plan, self._form
        header = SnapshotHeader(
            model_name=form.model_name,
            cut=plan.cut,
            time_ms=table.time_ms,
            prev_crc=prev_crc,
            created_ms=plan.now_ms,
            fingerprint=form.fingerprint,
            description=form.description,
            kept=form.kept,
        )
        writer = SnapshotWriter(self._files, self._directory, header, self._live)
        try:
            self._write_items(writer, table, remembered)
            for key, home in table.graves():
                writer.add_grave(key, home)
            return writer.finish()
        except BaseException:
            writer.give_up()
            raise

    def _write_items(
        self, writer: SnapshotWriter, table: MergeTable, remembered: list[RememberedEvent]
    ) -> None:
        """Write the items, then the remembered events, which may refer to an item's record."""
        wanted = {event.seq for event in remembered}
        places: Places = {}
        for rows in table.items(CHUNK_ROWS_MAX, CHUNK_BYTES_MAX):
            block, records = self._present_items(rows)
            written = writer.add_items(block, records)
            if wanted.intersection(rows.seqs):
                for seq, place, record in zip(rows.seqs, written, records, strict=True):
                    if seq in wanted:
                        places[seq] = (place, len(record))
            self._advance(sum(rows.lengths))
        self._write_remembered(writer, table, remembered, places)
        self._progress(self._total, self._total)

    def _present_items(self, rows: Rows) -> tuple[ItemBlock, list[bytes]]:
        """Give items and their records in the present form."""
        records, times = self._sources.records(rows.wheres, rows.lengths, rows.seqs)
        for at, upgrade in self._sources.upgrades(rows.wheres):
            event = decode_record(records[at], 0)
            event.payload = upgraded(upgrade, event)
            records[at] = encode_record(event, event.prev)
            self._live()
        cell = self._form.cell
        block = ItemBlock(
            keys=rows.keys,
            seqs=array("Q", rows.seqs),
            times=array("q", times),
            segments=array("Q", rows.segments),
            offsets=array("I", rows.offsets),
            places=array("Q"),
            lengths=array("I"),
            cells=[cell(payload_in(record, 0)) for record in records] if self._form.kept else [],
        )
        return block, records

    def _write_remembered(
        self,
        writer: SnapshotWriter,
        table: MergeTable,
        remembered: list[RememberedEvent],
        places: Places,
    ) -> None:
        """Write what is remembered; an event that is its item's last one refers to that record.

        Of a command that wrote a purged item nothing is: half of an answer would be a wrong one.
        """
        lost = self._commands_of_purged(table, remembered, places)
        for events in chunks(remembered):
            self._live()
            others = iter(self._events([event for event in events if event.seq not in places]))
            for known in events:
                place, length = places.get(known.seq, (0, 0))
                event = _without_item(known) if place else next(others)
                if (known.command_id or known.seq) not in lost:
                    writer.add_remembered(event, place, length)

    def _commands_of_purged(
        self, table: MergeTable, remembered: list[RememberedEvent], places: Places
    ) -> set[bytes | int]:
        """Give the ids of the commands that wrote purged items; the seqs of those without one."""
        lost: set[bytes | int] = set()
        purged_up_to = table.purged_up_to
        if not purged_up_to:
            return lost
        for events in chunks([event for event in remembered if event.seq not in places]):
            for event in self._events(events):
                if event.kind == ERASED or event.seq <= purged_up_to.get(event.key, 0):
                    lost.add(event.command_id or event.seq)
        return lost

    def _events(self, remembered: list[RememberedEvent]) -> list[Event]:
        """Read remembered events, in the present form."""
        wheres = [event.where for event in remembered]
        lengths = [event.length for event in remembered]
        records, _ = self._sources.records(wheres, lengths, [event.seq for event in remembered])
        events = [decode_record(record, 0) for record in records]
        for at, upgrade in self._sources.upgrades(wheres):
            if events[at].kind != ERASED:
                events[at].payload = upgraded(upgrade, events[at])
                self._live()
        return events


def _without_item(known: RememberedEvent) -> Event:
    """Give what the index of a snapshot says of an event whose record is there already."""
    return Event(
        known.seq,
        known.time_ms,
        EventKind.UPDATE,
        "",
        b"",
        known.command_id,
        key_hash=known.key_hash,
        body_hash=known.body_hash,
    )


def present_snapshot(files: Files, directory: str, cut: int) -> Snapshot | None:
    """Open the snapshot that a compaction up to `cut` goes out from; None when there is none."""
    names = snapshot_names(files, directory)
    return Snapshot.open(files, directory, names[-1]) if names else None


def sealed_segments(
    files: Files, directory: str, after: int, cut: int, on_step: Callable[[], None]
) -> list[Segment]:
    """Give the segments that hold the events after `after` up to `cut`, and the one behind them."""
    names = [
        name
        for name in segment_names(files, directory)
        if after < (first_seq_of(name) or 0) <= cut + 1
    ]
    segments: list[Segment] = []
    for name in names:
        file = files.open(os.path.join(directory, name))
        segments.append(read_segment(file, directory, name))
        file.close()
        on_step()
    found = [segment.first_seq for segment in segments]
    if found[:1] != [after + 1] or found[-1:] != [cut + 1]:
        raise DamagedLog(
            directory,
            0,
            f"segments from event {after + 1} to {cut + 1} are needed, and there are {found}",
            directory,
        )
    return segments


def chunks(events: list[RememberedEvent]) -> Iterator[list[RememberedEvent]]:
    """Cut remembered events into lists whose records are in memory together."""
    chunk: list[RememberedEvent] = []
    size = 0
    for event in events:
        if chunk and (len(chunk) >= CHUNK_ROWS_MAX or size + event.length > CHUNK_BYTES_MAX):
            yield chunk
            chunk, size = [], 0
        chunk.append(event)
        size += event.length
    if chunk:
        yield chunk
