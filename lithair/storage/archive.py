"""The archive: the folder for segments that a snapshot has made superfluous, where they are kept.

Law: a segment in it is as it was in the log, under the same name. It is linked here before it leaves
the log, so a crash between the two leaves it in both places, never in none.
"""

import contextlib
import os
from collections.abc import Iterable
from typing import Final

from lithair.core.event import Event, Position
from lithair.errors import Dropped
from lithair.storage.files import Files
from lithair.storage.segment import Segment, read_segment, segment_names
from lithair.storage.segment_table import SegmentTable

ARCHIVE: Final = "archive"


class Archive:
    """The archived segments of one log; read by any thread."""

    def __init__(self, files: Files, directory: str, table: SegmentTable) -> None:
        self.directory = directory
        self._files = files
        self._table = table

    @classmethod
    def find(cls, files: Files, directory: str) -> "Archive | None":
        """Read the headers of what a log's directory has archived; None when there is no folder.

        Raises DamagedLog, UnknownFormat.
        """
        folder = os.path.join(directory, ARCHIVE)
        try:
            names = segment_names(files, folder)
        except FileNotFoundError:
            return None
        table = SegmentTable(files, folder)
        for name in names:
            file = files.open(os.path.join(folder, name))
            table.add(read_segment(file, folder, name), file)
        return cls(files, folder, table)

    @classmethod
    def make(cls, files: Files, directory: str) -> "Archive":
        """Make the folder, or find it; raises OSError."""
        found = cls.find(files, directory)
        if found is not None:
            return found
        folder = os.path.join(directory, ARCHIVE)
        files.make_directory(folder)
        return cls(files, folder, SegmentTable(files, folder))

    def take(self, segments: Iterable[Segment]) -> None:
        """Have these segments here as well, durably; raises OSError."""
        for segment in segments:
            name = os.path.basename(segment.path)
            with contextlib.suppress(FileExistsError):  # from a time that was interrupted
                self._files.link(segment.path, os.path.join(self.directory, name))
        self._files.sync_directory(self.directory)
        for segment in segments:
            name = os.path.basename(segment.path)
            if not self.holds(segment.first_seq):
                file = self._files.open(os.path.join(self.directory, name))
                self._table.add(read_segment(file, self.directory, name), file)

    def holds(self, first_seq: int) -> bool:
        return any(segment.first_seq == first_seq for segment in self._table.segments)

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(segment.path for segment in self._table.segments)

    @property
    def size_bytes(self) -> int:
        return self._table.size_bytes()

    @property
    def begins(self) -> int:
        """The first event of the first segment; 0 when there is none."""
        return self._table.segments[0].first_seq if self._table.segments else 0

    def read(self, position: Position, length: int) -> Event:
        """Read one record; raises Dropped when its segment is not here, and DamagedLog."""
        if not self.holds(position.segment):
            raise Dropped(f"no segment begins with event {position.segment}")
        return self._table.read(position, length)

    def close(self) -> None:
        self._table.close()
