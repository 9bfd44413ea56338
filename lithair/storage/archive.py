"""The archive: the folder where segments go that a snapshot has made superfluous, to be read on.

Law: a segment in it is as it was in the log, under the same name, moved there whole; it is in one
of the two folders at any moment. No file of it is kept open, so one that was exchanged there (a
purge does that) is read as it is now. Whoever removes segments takes their past away, no more.
"""

import logging
import os
import threading
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from lithair.core.event import Event, Position
from lithair.errors import Dropped
from lithair.storage.files import TEMPORARY_SUFFIX, Files
from lithair.storage.segment import (
    EventPage,
    RecordWalk,
    Segment,
    described_in,
    first_seq_of,
    read_record,
    read_segment,
    segment_name,
)

ARCHIVE_NAME: Final = "archive"
HEADERS_MAX: Final = 256  # kept in memory: a few KiB each

log = logging.getLogger(__name__)


def archive_path(directory: str) -> str:
    """Give the archive's folder in a model's directory."""
    return os.path.join(directory, ARCHIVE_NAME)


class Archive:
    """The archived segments of one log. `take` is for the log's writer, the rest for any thread."""

    def __init__(self, files: Files, directory: str) -> None:
        self.path = archive_path(directory)
        self.first_seqs: tuple[int, ...] = ()
        self._files = files
        self._directory = directory
        self._headers: dict[int, Segment] = {}
        self._learning = threading.Lock()  # around `_headers` and the marks in them
        self._gap_before = 0  # the segment before this one ends too early, as a reader has found

    @classmethod
    def find(cls, files: Files, directory: str) -> "Archive | None":
        """Look what a model's directory has archived; None when there is no folder."""
        archive = cls(files, directory)
        try:
            names = files.names(archive.path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        archive.first_seqs = tuple(filter(None, map(first_seq_of, names)))
        return archive

    @classmethod
    def make(cls, files: Files, directory: str) -> "Archive":
        """Find it, or make its folder; raises OSError."""
        files.make_directory(archive_path(directory))
        return cls.find(files, directory) or cls(files, directory)

    @property
    def begins(self) -> int:
        """The event from which on it has all of them up to the cut, 0 when it has none.

        As far as is known: that a segment is missing in between is found out by reading over it.
        """
        rest = [seq for seq in self.first_seqs if seq >= self._gap_before]
        return rest[0] if rest else 0

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(self._path_of(seq) for seq in self.first_seqs)

    def _path_of(self, first_seq: int) -> str:
        return os.path.join(self.path, segment_name(first_seq))

    def remove_leftovers(self) -> None:
        """Remove files that never appeared whole; nobody may be writing one. Raises OSError."""
        for name in self._files.names(self.path):
            if name.endswith(TEMPORARY_SUFFIX):
                self._files.remove(os.path.join(self.path, name))

    def take(self, first_seqs: Sequence[int]) -> None:
        """Move segments of the log here, the newest first: what is here has no gap then.

        What can't be moved is logged and stays where it is, until the next opening. A reader finds
        each of them at any moment: by its place in the log, and if it is not there any more, here.
        """
        known = set(self.first_seqs)
        for first_seq in sorted(first_seqs, reverse=True):
            self.first_seqs = tuple(sorted({*self.first_seqs, first_seq}))
            old = os.path.join(self._directory, segment_name(first_seq))
            try:
                self._files.rename(old, self._path_of(first_seq))
            except OSError as error:
                log.warning("%s could not be archived; the next start tries again: %s", old, error)
                self.first_seqs = tuple(sorted({*self.first_seqs} - ({first_seq} - known)))
                break
        self._files.sync_directory(self.path)
        self._files.sync_directory(self._directory)

    def description_of(self, fingerprint: bytes) -> bytes | None:
        """Give the schema of records that were read here lately, by their fingerprint."""
        with self._learning:
            return described_in(self._headers.values(), fingerprint)

    def read(self, position: Position, length: int) -> Event:
        """Read one record. Raises Dropped when its segment is not here, and DamagedLog."""
        segment = self._segment(position.segment)
        file = self._files.open(segment.path)
        try:
            return read_record(segment, file, position.offset, length)
        finally:
            file.close()

    def _segment(self, first_seq: int) -> Segment:
        """Give what a segment's header says; raises Dropped, DamagedLog."""
        with self._learning:
            segment = self._headers.get(first_seq)
            if segment is not None:
                return segment
            try:
                file = self._files.open(self._path_of(first_seq))
            except FileNotFoundError:
                raise Dropped(f"no segment begins with event {first_seq}") from None
            segment = read_segment(file, self.path, segment_name(first_seq))
            file.close()
            if len(self._headers) >= HEADERS_MAX:
                del self._headers[next(iter(self._headers))]
            self._headers[first_seq] = segment
            return segment

    def fill(self, page: EventPage, last: int) -> None:
        """Add the events after the page's last one, up to `last`, as far as they fit.

        Raises Dropped when the next one is not here, and DamagedLog.
        """
        while page.after < last and not page.is_full:
            seqs = self.first_seqs
            at = bisect_right(seqs, page.after + 1)
            if at == 0 or page.after + 1 < self.begins:
                raise self._dropped(page.after + 1, self.begins)
            ends = seqs[at] - 1 if at < len(seqs) else last
            self._fill_from(self._segment(seqs[at - 1]), page, min(ends, last))
            if page.after < min(ends, last) and not page.is_full:
                self._gap_before = max(self._gap_before, ends + 1)
                raise self._dropped(page.after + 1, self.begins)

    def _dropped(self, seq: int, begins: int) -> Dropped:
        return Dropped(f"event {seq} was dropped", oldest=max(begins - 1, 0))

    def _fill_from(self, segment: Segment, page: EventPage, last: int) -> None:
        try:
            file = self._files.open(segment.path)
        except FileNotFoundError:
            return  # a gap, as the caller sees
        with self._learning:
            walk = RecordWalk.to_page(segment, file, page.after + 1)
        try:
            if walk.seek(page.after + 1):
                page.fill(walk, last)
        finally:
            file.close()
        with self._learning:
            segment.learn(walk)
