"""The event log of one model: append, sync, read, replay.

Law: a batch is one frame, one write, one sync; it is committed whole or it has not happened. What
was acknowledged is never rewritten in place; a file whose sync failed is never synced again.

One life: `open` locks the directory and decides what the files hold; `replay` goes through all of
it and refuses damage, before a segment was changed; at its end the log is made ready to be appended
to, or stays read-only when the disk is full. Positions never change, not even then: frames that
have to be carried into a new segment have from the start the positions that they get there.

A compaction: `seal` begins a new segment, so that all before it can be merged; `stage` opens the
snapshot that came of it beside the present one, so that places in both can be read; `install` makes
it the snapshot, and gives the files that nobody needs any more.

Threads: `replay`, `append`, `sync`, `retry_writable`, `seal`, `stage`, `install` and `close` belong
to one thread at a time, the writer's. The others and the attributes may be used by any thread
meanwhile. They look only at bytes below what the writer has published, in this order: file, then
segment, then its `end`, then `last_seq`; each is one assignment to a dict, list or attribute, which
CPython makes whole. What was published is not changed, and removed only by `install`: whoever held
a file of it goes on reading.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

from lithair.core.event import Event, Position
from lithair.core.record import ReadAtHand
from lithair.errors import DamagedLog, LithairError, StorageFull, SyncFailed
from lithair.storage.active_segment import ActiveSegment, LogStamp
from lithair.storage.files import Files, Lock, is_no_room
from lithair.storage.lock import hold_directory
from lithair.storage.log_files import LogFiles
from lithair.storage.log_past import LogPast
from lithair.storage.opening import Opening, ReplayedFrames
from lithair.storage.segment import EventPage, segment_name
from lithair.storage.snapshot import Snapshot

SEGMENT_BYTES_MAX: Final = 2 << 30  # offsets are u32, and the longest frame must fit behind it

DAMAGED_MAX: Final = 100_000  # records that are remembered as damaged; past it none is added

Durability = Literal["always", "interval", "os"]

log = logging.getLogger(__name__)

__all__ = [
    "Appended",
    "Durability",
    "EventLog",
    "LogOptions",
    "LogStamp",
    "Placed",
    "ReplayedFrames",
]


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a log is kept.

    A segment that has reached `segment_bytes_max` is not appended to any more. `durability` says
    when an append returns: synced (`always`), or accepted by the operating system; `interval` and
    `os` differ only in whether the caller calls `sync`. With `always`, a segment that has
    reached `ahead_from_bytes` is filled with zeros ahead; a smaller one is as long as its records.
    """

    segment_bytes_max: int = 64 << 20
    durability: Durability = "always"
    lock_wait_s: float = 3.0
    ahead_from_bytes: int = 16 << 10


class Placed(msgspec.Struct, frozen=True, gc=False):
    """Where a record lies, and how long it is: all that `read` needs."""

    position: Position
    length: int


class Appended(msgspec.Struct):
    """What became of a batch: where each of its events lies."""

    placed: list[Placed]


class EventLog:
    """A model's log. Made by `open`; see the module for its life and its threads."""

    def __init__(self, files: Files, lock: Lock, opening: Opening, options: LogOptions) -> None:
        assert options.segment_bytes_max <= SEGMENT_BYTES_MAX, "offsets would not fit in 32 bits"
        self.directory = opening.table.directory
        self.last_seq = opening.last_seq
        self.synced_seq = opening.synced_seq
        self.damaged: set[tuple[str, int]] = set()  # records that failed their check when read
        self.is_read_only = False  # the disk was full when the log was opened, and is still
        self._files = files
        self._lock = lock
        self._options = options
        self._opening = opening
        self._table = opening.table
        self._active: ActiveSegment | None = None  # None until the log is ready
        self._past = LogPast(files, opening.table, opening.snapshot, opening.archive)
        self._failure = ""  # why nothing can be written any more

    @classmethod
    def open(
        cls, files: Files, directory: str, stamp: LogStamp, options: LogOptions, now_ms: int
    ) -> "EventLog":
        """Lock `directory`, making it if need be, and decide what its log holds.

        Blocks up to `options.lock_wait_s`. Raises LockedByOther, DamagedLog (of the last segment
        or of a header; `replay` finds the rest), UnknownFormat, SchemaChanged (another model's
        log), StorageFull (not even a directory fits), LithairError (what else the system says).
        """
        try:
            files.make_directory(directory)
            lock = hold_directory(files, directory, options.lock_wait_s)
        except OSError as error:
            kind = StorageFull if is_no_room(error) else LithairError
            raise kind(f"{directory}: this can't be a data directory: {error}") from error
        try:
            return cls(files, lock, Opening(files, directory, stamp, now_ms), options)
        except OSError as error:
            lock.release()
            raise LithairError(f"{directory}: the log can't be opened: {error}") from error
        except BaseException:
            lock.release()
            raise

    @property
    def size_bytes(self) -> int:
        """The bytes of the snapshot and of all segments after it; of the archive, nothing."""
        return self._table.size_bytes() + (self.snapshot.size_bytes if self.snapshot else 0)

    @property
    def snapshot(self) -> Snapshot | None:
        """The state that the log begins with; its places have the parity 0 when it was opened."""
        return self._past.snapshot

    @property
    def cut(self) -> int:
        """The last event that the snapshot includes; 0 without one."""
        return self._past.cut

    @property
    def has_archive(self) -> bool:
        """Tell whether segments that a snapshot supersedes are kept."""
        return self._past.archive is not None

    @property
    def oldest(self) -> tuple[int, int]:
        """The oldest point whose state can still be told: a seq, and its time in ms."""
        return self._past.oldest

    def replay(self) -> Iterator[ReplayedFrames]:
        """Yield all frames in order, checked, then make the log ready to be appended to.

        Once, and to its end, before anything is served. Raises DamagedLog, and SyncFailed when the
        new segment can't be written; a full disk leaves the log read-only.
        """
        assert self._active is None, "a log is replayed once, before it is written"
        yield from self._opening.frames()
        self.retry_writable()

    def retry_writable(self) -> bool:
        """Make the log ready to be appended to; False while the disk is too full for that.

        Nothing when it is ready already. Raises SyncFailed.
        """
        self._check_usable()
        if self._active is not None:
            return True
        try:
            self._active = self._opening.finish()
        except OSError as error:
            if not is_no_room(error):
                raise self._failed(f"the log can't be made ready: {error}") from error
            if not self.is_read_only:
                log.warning("%s: the disk is full; the log is read-only", self.directory)
            self.is_read_only = True
            return False
        self.synced_seq = self.last_seq
        self.is_read_only = False
        return True

    def _check_usable(self) -> None:
        if self._failure:
            raise SyncFailed(self._failure)

    def _failed(self, why: str) -> SyncFailed:
        told = f"{self.directory}: nothing more is written to this log: {why}"
        self._failure = self._failure or told
        return SyncFailed(self._failure)

    def append(self, events: Sequence[Event]) -> Appended:
        """Write events as one frame and, with durability `always`, sync it.

        Their seqs must follow `last_seq`. Raises StorageFull: nothing has happened, the next append
        may succeed. Raises SyncFailed: whether it has happened is known when the log is opened
        again; this one is of no more use.
        """
        first_seq, last_seq = events[0].seq, events[-1].seq
        assert first_seq == self.last_seq + 1, f"event {first_seq} after {self.last_seq}"
        if not self.retry_writable():
            raise StorageFull(f"{self.directory}: the disk is full, the log is read-only")
        try:
            active = self._rolled(events[0].time_ms)
            frame = active.write(events, self.synced_seq)
            if self._options.durability == "always":
                if active.segment.end >= self._options.ahead_from_bytes:
                    active.fill_ahead(frame)
                active.sync()
                self.synced_seq = last_seq
        except SyncFailed as error:
            raise self._failed(str(error)) from error
        active.publish(frame, first_seq)
        self.last_seq = last_seq
        segment = active.segment.first_seq
        return Appended([Placed(Position(segment, at), length) for at, length in frame.records])

    @property
    def begins_segment(self) -> bool:
        """Say whether the next append begins a segment, which takes several syncs."""
        active = self._active
        return active is None or self._is_full(active)

    def _is_full(self, active: ActiveSegment) -> bool:
        return active.segment.end >= self._options.segment_bytes_max and not active.is_empty

    def _rolled(self, now_ms: int) -> ActiveSegment:
        """Give the segment to append to: a new one when the last has reached its size."""
        active = self._active
        assert active is not None, "the log was made ready"
        return self._roll(active, now_ms) if self._is_full(active) else active

    def _roll(self, active: ActiveSegment, now_ms: int) -> ActiveSegment:
        """Sync and trim the last segment, and begin another behind it."""
        self.sync()
        self._trim(active)
        try:
            active = ActiveSegment.begin(
                self._files,
                self.directory,
                self._opening.stamp,
                self.last_seq,
                (active.last_crc, now_ms),
            )
        except OSError as error:
            # The next opening goes on from one that has its name already: nothing may follow here.
            name = segment_name(self.last_seq + 1)
            is_placed = name in self._files.names(self.directory)
            if is_no_room(error) and not is_placed:
                raise StorageFull(f"{self.directory}: no room for a new segment") from error
            raise self._failed(f"no new segment can be made: {error}") from error
        self._table.add(active.segment, active.file)
        self._active = active
        return active

    def _trim(self, active: ActiveSegment) -> None:
        """See that nothing but records lies in what is not appended to any more."""
        try:
            active.trim()
        except SyncFailed as error:
            raise self._failed(str(error)) from error

    def seal(self) -> int:
        """See that everything so far lies in segments that are not written again.

        Gives the last event in them. Raises StorageFull, SyncFailed.
        """
        if not self.retry_writable():
            raise StorageFull(f"{self.directory}: the disk is full, the log is read-only")
        active = self._active
        assert active is not None, "the log was made ready"
        if not active.is_empty:
            self._roll(active, active.segment.header.created_ms)
        return self.last_seq

    def last_sealed(self, seq: int) -> int:
        """Give the last event up to `seq` that ends a segment which is not written again, or 0."""
        ends = [segment.first_seq - 1 for segment in self._table.segments[1:]]
        return max((end for end in ends if end <= seq), default=0)

    def stage(self, name: str) -> int:
        """Open a snapshot that a compaction has made; gives the parity of the places in it.

        Raises DamagedLog, UnknownFormat, LithairError.
        """
        return self._past.stage(name)

    def install(self, *, keep_history: bool) -> list[str]:
        """Make the staged snapshot the log's; gives the paths of files to be removed.

        Segments up to its cut leave the log: for the archive when there is one or `keep_history`
        is true, else they are among those paths. No item's place may be in the snapshot before.
        A crash, or files that stay, cost nothing: the next opening does the rest. Raises
        LithairError when there can't be an archive: nothing has changed.
        """
        return self._past.install(keep_history=keep_history)

    def sync(self) -> None:
        """Return when all that was appended is on stable storage; raise SyncFailed."""
        self._check_usable()
        if self._active is None or self.synced_seq >= self.last_seq:
            return
        try:
            self._active.sync()
        except SyncFailed as error:
            raise self._failed(str(error)) from error
        self.synced_seq = self.last_seq

    def close(self) -> None:
        """Sync, say in the log that it was closed, and let go of the directory.

        After a failed sync nothing is written any more. Raises SyncFailed.
        """
        try:
            if self._active is not None and not self._failure:
                self.sync()
                self._write_closing(self._active)
        finally:
            self._active = None
            self._failure = self._failure or f"{self.directory}: the log was closed"
            self._table.close()
            self._lock.release()

    def _write_closing(self, active: ActiveSegment) -> None:
        if active.is_empty:
            return  # an empty segment's header says it all
        try:
            self._trim(active)
            active.write_closing(self.last_seq)
        except StorageFull:
            return  # the next opening carries the last frame over, as after a crash
        active.sync()

    def view(self) -> LogFiles:
        """Give what lies where at this moment; not before the log was replayed. Any thread."""
        return self._past.view()

    def read(self, position: Position, length: int = 0) -> Event:
        """Read and check one record, with one positioned read when its length is given.

        Raises Dropped when its segment is neither in the log nor in the archive, and DamagedLog.
        """
        try:
            return self._past.read(position, length)
        except DamagedLog as error:
            self._note(error)
            raise

    def _note(self, error: DamagedLog) -> None:
        if len(self.damaged) < DAMAGED_MAX:
            self.damaged.add((error.path, error.offset))

    def read_item(self, position: Position, place: int, length: int) -> Event:
        """Read an item's last record: at `place` in a snapshot, or at home.

        Raises DamagedLog; and Dropped when it lay in what was superseded since.
        """
        if not place:
            return self.read(position, length)
        try:
            return self._past.read_place(place, length)
        except DamagedLog as error:
            self._note(error)
            raise

    @property
    def read_at_hand(self) -> ReadAtHand:
        """What reads an item's last record, unchecked, where that needs no waiting."""
        return self._past.read_at_hand

    def description_of(self, fingerprint: bytes) -> bytes | None:
        """Give the schema that a record which was just read was written under. Any thread."""
        return self._past.description_of(fingerprint)

    def events_since(self, seq: int, max_events: int, max_bytes: int) -> list[Event]:
        """Give the events after `seq` in order, each checked; one at least when there is one.

        Stops after `max_events`, or once the records reach `max_bytes`. Raises DamagedLog, and
        Dropped when the first of them is neither in the log nor in the archive.
        """
        return self._past.events_since(EventPage(seq, max_events, max_bytes), self.last_seq)

    def command_events(self, seq: int) -> list[Event]:
        """Give the events of the commit that holds `seq` which came from the same command.

        None of them when a compaction has dropped them: they are not remembered any more.
        """
        return self._past.command_events(seq)
