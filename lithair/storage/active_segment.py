"""The segment that is appended to.

Law: it is on the disk, with its name, before the first frame goes into it; a frame is written whole
behind the last one, or not at all. After a failed sync it is of no more use: the page cache may
call bytes clean that never reached the disk.

The file may be filled with zeros ahead: a sync of bytes that lie where the disk has some already
needs no journal of the file system, and takes two thirds of the time. Zeros behind the last frame
are nothing: room for them is never a reason to refuse a write, and `trim` takes them off before
anything follows the segment.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from lithair.core.event import Event, Position
from lithair.core.frame import (
    INDEX_EVERY_BYTES,
    EncodedFrame,
    SegmentHeader,
    decode_header,
    encode_closing,
    encode_frame,
    encode_header,
)
from lithair.errors import StorageFull, SyncFailed
from lithair.storage.files import File, Files, is_no_room, place_file, write_whole
from lithair.storage.segment import Segment, segment_name

AHEAD_BYTES_MAX: Final = 64 << 10  # five batches of 30 writes; more holds one sync up
AHEAD_SHARE: Final = 4  # a quarter of what the file has, so that small logs stay small
_ZEROS: Final = memoryview(bytes(AHEAD_BYTES_MAX))


class LogStamp(NamedTuple):
    """What each segment says of the records in it: whose they are, and of which schema.

    `fingerprint` is 16 bytes, `description` the schema as JSON.
    """

    model_name: str
    fingerprint: bytes
    description: bytes


class ActiveSegment:
    """A segment and its writable file, which links the next frame to `last_crc`."""

    def __init__(self, segment: Segment, file: File, last_crc: int) -> None:
        self.segment = segment
        self.file = file
        self.last_crc = last_crc
        self._file_end = segment.end  # past the zeros, if there are any
        self._has_room = True  # for zeros, as far as is known

    @classmethod
    def place(cls, files: Files, segment: Segment, data: bytes, last_crc: int) -> "ActiveSegment":
        """Write a segment's file, whole and synced; raises OSError."""
        file = place_file(
            files,
            segment.directory,
            segment_name(segment.first_seq),
            lambda file: write_whole(file, data, 0),
        )
        return cls(segment, file, last_crc)

    @classmethod
    def begin(
        cls, files: Files, directory: str, stamp: LogStamp, last_seq: int, link: tuple[int, int]
    ) -> "ActiveSegment":
        """Write an empty segment for what follows `last_seq`; raises OSError.

        `link` is the crc that it continues from, and the time in ms.
        """
        prev_crc, now_ms = link
        data = encode_header(
            SegmentHeader(
                model_name=stamp.model_name,
                first_seq=last_seq + 1,
                synced_seq=last_seq,
                created_ms=now_ms,
                prev_crc=prev_crc,
                fingerprint=stamp.fingerprint,
                description=stamp.description,
            )
        )
        decoded = decode_header(data)
        return cls.place(files, Segment(directory, decoded, len(data)), data, decoded.crc)

    @property
    def is_empty(self) -> bool:
        return self.segment.end == self.segment.start

    def write(self, events: Sequence[Event], synced_seq: int) -> EncodedFrame:
        """Write the frame of `events` to the operating system; nobody sees it before `publish`.

        Raises StorageFull when the file is as before, SyncFailed when that is not known.
        """
        segment = self.segment
        at = Position(segment.first_seq, segment.end)
        frame = encode_frame(events, self.last_crc, synced_seq, at)
        self._write(frame.data)
        return frame

    def publish(self, frame: EncodedFrame, first_seq: int) -> None:
        """Let readers see the frame that was written last."""
        segment = self.segment
        if not segment.marks or segment.end - segment.marks[-1][1] >= INDEX_EVERY_BYTES:
            segment.marks.append((first_seq, segment.end))
        segment.end += len(frame.data)
        segment.size = segment.end
        self.last_crc = frame.crc

    def write_closing(self, last_seq: int) -> None:
        """Write the frame that says that nothing follows; as `write`."""
        self._write(encode_closing(self.last_crc, last_seq))

    def _write(self, data: bytes) -> None:
        """Write behind the last frame; when that fails, undo what was written of it."""
        path, end = self.segment.path, self.segment.end
        try:
            write_whole(self.file, data, end)
        except OSError as error:
            self._undo(error, end)
            raise StorageFull(f"{path}: no room for {len(data)} bytes; nothing was done") from error
        self._file_end = max(self._file_end, end + len(data))

    def _undo(self, error: OSError, end: int) -> None:
        """Cut the file after a write that failed; raises SyncFailed unless there was no room."""
        path = self.segment.path
        try:
            self.file.cut(end)
        except OSError as second:
            raise SyncFailed(f"{path}: {error}, which can't be undone: {second}") from error
        if not is_no_room(error):
            raise SyncFailed(f"{path}: a write failed: {error}") from error
        self._file_end = end

    def fill_ahead(self, frame: EncodedFrame) -> None:
        """Write zeros behind the frame that was written last, if it has used up those before.

        Where they don't fit the file goes on without. Raises SyncFailed.
        """
        end = self.segment.end + len(frame.data)
        if end < self._file_end or not self._has_room:
            return
        zeros = _ZEROS[: end // AHEAD_SHARE]
        try:
            write_whole(self.file, zeros, end)
        except OSError as error:
            self._undo(error, end)
            self._has_room = False
        else:
            self._file_end = end + len(zeros)

    def trim(self) -> None:
        """Take the zeros off, and return when that is on stable storage.

        Raises StorageFull when there is no room even for that: nothing has happened; SyncFailed.
        """
        end = self.segment.end
        if self._file_end == end:
            return
        try:
            self.file.cut(end)
        except OSError as error:
            if is_no_room(error):  # file systems that copy what they change
                raise StorageFull(f"{self.segment.path}: no room to cut zeros off") from error
            raise SyncFailed(f"{self.segment.path}: zeros can't be cut off: {error}") from error
        self._file_end = end
        self.sync()

    def sync(self) -> None:
        """Return when all that was written is on stable storage; raises SyncFailed."""
        try:
            self.file.sync()
        except OSError as error:
            raise SyncFailed(
                f"{self.segment.path}: a sync failed: {error}. The log has to be opened again, to"
                " go on from what is on the disk"
            ) from error
