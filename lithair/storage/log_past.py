"""What a log holds of the events before its first segment: a snapshot, and maybe an archive.

    nothing -> stage -> install -> stage -> install ...    each with another snapshot

Law: a snapshot that is staged changes nothing but that places in it can be read. When it is
installed, what it supersedes leaves the log, and whoever holds a file of that reads on. Segments
are superseded as wholes: the log goes on behind the cut with a segment of its own, which links to
what the snapshot's header says.

Readers in any thread find a segment at any moment of an installation: in the log or in the archive.
"""

import os
from typing import Final

from lithair.core.as_of import BEGINNING
from lithair.core.event import Event, Position
from lithair.errors import Dropped, LithairError, StorageFull
from lithair.storage.archive import Archive
from lithair.storage.files import Files, is_no_room
from lithair.storage.log_files import LogFiles
from lithair.storage.segment import EventPage
from lithair.storage.segment_table import SegmentTable
from lithair.storage.snapshot import Snapshot, check_link, snapshot_names

PARITY_BIT: Final = 63  # of a place: which of two snapshots it is in
PLACE_OFFSET: Final = (1 << PARITY_BIT) - 1


class LogPast:
    """Beside a table of segments; `stage` and `install` are the writer's."""

    def __init__(
        self, files: Files, table: SegmentTable, snapshot: Snapshot | None, archive: Archive | None
    ) -> None:
        self.snapshot = snapshot
        self.staged: Snapshot | None = None
        self.archive = archive
        self._files = files
        self._table = table
        # By the parity of the places in them; the one that the log was opened with has even ones.
        self._snapshots: list[Snapshot | None] = [snapshot, None]
        self._parity = 0
        self._oldest: tuple[int, int] | None = None  # while segments are moved to the archive

    @property
    def cut(self) -> int:
        return self.snapshot.header.cut if self.snapshot else 0

    @property
    def oldest(self) -> tuple[int, int]:
        """The oldest point whose state can still be told: a seq, and its time in ms."""
        return self._oldest or self._oldest_point()

    def _oldest_point(self) -> tuple[int, int]:
        snapshot, archive = self.snapshot, self.archive
        if snapshot is None or (archive is not None and archive.begins == 1):
            return BEGINNING
        return snapshot.header.cut, snapshot.header.time_ms

    # Compaction

    def stage(self, name: str) -> int:
        """Open a snapshot beside the present one; gives the parity of the places in it.

        Raises DamagedLog when it is not this log's, UnknownFormat, LithairError.
        """
        directory = self._table.directory
        try:
            staged = Snapshot.open(self._files, directory, name)
        except OSError as error:
            raise LithairError(f"{directory}: {name} can't be opened: {error}") from error
        following = [seg for seg in self._table.segments if seg.first_seq > staged.header.cut]
        if staged.header.cut < self.cut or not following:
            raise staged.damaged(0, f"a cut at event {staged.header.cut} is none of this log's")
        check_link(staged, following[0])
        parity = 1 - self._parity
        self._snapshots[parity] = self.staged = staged
        return parity << PARITY_BIT

    def install(self, *, keep_history: bool) -> list[str]:
        """Make the staged snapshot the present one; gives the paths of what it supersedes.

        Segments are moved to the archive, if there is one or `keep_history` asks for it, and are
        not among those paths. Places in the snapshot before can't be read any more. Raises
        LithairError when there can't be an archive: nothing has changed.
        """
        staged, directory = self.staged, self._table.directory
        assert staged is not None, "nothing was staged"
        archive = self.archive
        try:
            if keep_history and archive is None:
                archive = Archive.make(self._files, directory)
            names = snapshot_names(self._files, directory)
        except OSError as error:
            kind = StorageFull if is_no_room(error) else LithairError
            raise kind(f"{directory}: history can't be archived: {error}") from error
        superseded = [seg for seg in self._table.segments if seg.first_seq <= staged.header.cut]
        paths = [os.path.join(directory, name) for name in names]
        paths.remove(staged.path)  # it may have been put in the place of one of the same cut
        self._oldest = self._oldest_point()  # nothing gets out of reach while it is moved
        self.archive = archive
        self.snapshot, self.staged = staged, None
        self._snapshots[self._parity] = None
        self._parity = 1 - self._parity
        if archive is None:
            paths += [segment.path for segment in superseded]
        else:
            archive.take([segment.first_seq for segment in superseded])
        self._table.forget({segment.first_seq for segment in superseded})
        self._oldest = None
        return paths

    # Reading

    def view(self) -> LogFiles:
        """Give what lies where at one moment; none of it lies before the snapshot's cut."""
        while True:  # again, if a compaction is installed just now
            was_settled = self._oldest is None
            snapshot, archive = self.snapshot, self.archive
            found = self._table.view()
            archived = archive.paths if archive else None
            is_settled = was_settled and self._oldest is None
            if snapshot is not self.snapshot:
                continue
            cut = snapshot.header.cut if snapshot else 0
            return found._replace(
                sealed=tuple(segment for segment in found.sealed if segment.first_seq > cut),
                snapshot=snapshot.path if snapshot else "",
                archive=archived,
                is_settled=is_settled,
            )

    def read(self, position: Position, length: int) -> Event:
        """Read one record of a segment, the log's or archived; raises Dropped, DamagedLog."""
        try:
            return self._table.read(position, length)
        except Dropped:
            if self.archive is None:
                raise self.dropped(f"event {position.segment} and some after it") from None
        try:
            return self.archive.read(position, length)
        except Dropped:
            raise self.dropped(f"event {position.segment} and some after it") from None

    def description_of(self, fingerprint: bytes) -> bytes | None:
        """Give the schema that a record which was just read was written under."""
        found = self._table.description_of(fingerprint)
        return found if found or self.archive is None else self.archive.description_of(fingerprint)

    def dropped(self, what: str) -> Dropped:
        """Say that something is not there any more, and which is the oldest point that is."""
        seq, time_ms = self.oldest
        message = f"{what}: dropped by a compaction; the oldest point that is there is event {seq}"
        return Dropped(message, oldest=seq, oldest_ms=time_ms)

    def read_place(self, place: int, length: int) -> Event:
        """Read the record at a place in one of the two snapshots; raises Dropped, DamagedLog."""
        snapshot = self._snapshots[place >> PARITY_BIT]
        if snapshot is None:
            raise self.dropped("the snapshot that this place is in")
        return snapshot.read(place & PLACE_OFFSET, length)

    def read_at_hand(
        self, place: int, segment: int, offset: int, length: int, fingerprint: bytes
    ) -> bytes | bytearray | None:
        """Read a record, unchecked, at its place or where that is 0 at home; None: not so."""
        if not place:
            return self._table.read_at_hand(segment, offset, length, fingerprint)
        snapshot = self._snapshots[place >> PARITY_BIT]
        if snapshot is None:
            return None
        return snapshot.read_at_hand(place & PLACE_OFFSET, length, fingerprint)

    def events_since(self, page: EventPage, last_seq: int) -> list[Event]:
        """Fill a page with events up to `last_seq`; raises Dropped for its first, DamagedLog."""
        while page.after < last_seq and not page.is_full:
            cut = self.cut
            try:
                if page.after >= cut:
                    self._table.fill(page, last_seq)
                elif self.archive is not None:
                    self.archive.fill(page, cut)
                else:
                    raise Dropped(f"event {page.after + 1} was dropped", oldest=cut)
            except Dropped as error:
                if page.events:
                    break
                if cut == self.cut:  # else: it was compacted just now
                    raise self._dropped_events(page.after, error.oldest or cut) from None
        return page.events

    def _dropped_events(self, after: int, oldest: int) -> Dropped:
        message = f"the events after {after} were dropped by a compaction; ask from {oldest} on"
        snapshot = self.snapshot
        is_cut = snapshot is not None and oldest == snapshot.header.cut
        time_ms = snapshot.header.time_ms if snapshot is not None and is_cut else None
        return Dropped(message, oldest=oldest, oldest_ms=time_ms)

    def command_events(self, seq: int) -> list[Event]:
        """Give the events of the command that `seq` came from; none when it was forgotten."""
        snapshot = self.snapshot
        if snapshot is not None and seq <= snapshot.header.cut:
            return snapshot.command_events(seq) or []
        return self._table.command_events(seq)
