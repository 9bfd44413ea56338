"""What a log is refused for, and that the sentence names file, place and remedy."""

import os
import subprocess
import sys
from pathlib import Path
from zlib import crc32

import pytest

from lithair.core.event import Event, Position
from lithair.core.frame import (
    SegmentHeader,
    decode_header,
    encode_frame,
    encode_header,
    frame_offsets,
)
from lithair.core.record import FIXED
from lithair.errors import (
    DamagedLog,
    LithairError,
    LockedByOther,
    SchemaChanged,
    StorageFull,
    UnknownFormat,
)
from lithair.storage.event_log import EventLog, LogOptions, LogStamp
from lithair.storage.files import OsFiles
from lithair.storage.segment import segment_name
from lithair.storage.verify import verify
from tests.storage.samples import ALWAYS, DIRECTORY, NOW_MS, STAMP, Writer, opened, replayed
from tests.support.simulated_files import Failure, SimulatedFiles


def several_segments() -> tuple[SimulatedFiles, list[str]]:
    disk = SimulatedFiles()
    log, found = opened(disk)
    Writer(log, found, 1).write_all(60)
    log.close()
    paths = sorted(path for path in disk.names_cached if path.endswith(".raftlog"))
    assert len(paths) > 4
    return disk, paths


def refusal(disk: SimulatedFiles, kind: type[LithairError]) -> str:
    with pytest.raises(kind) as refused:
        opened(disk.fork())
    return str(refused.value)


def test_a_missing_segment_is_named() -> None:
    for missing in range(3):
        disk, paths = several_segments()
        del disk.names_cached[paths[missing]]
        sentence = refusal(disk, DamagedLog)
        assert "missing" in sentence
        assert "lithair verify /data/emails" in sentence
        assert not verify(disk, DIRECTORY, lambda _done, _all: None).is_sound
        if missing:
            assert paths[missing - 1] in sentence
            assert f"offset {len(disk.names_cached[paths[missing - 1]].cached)}" in sentence


def test_a_renamed_segment_is_refused_with_its_right_name() -> None:
    disk, paths = several_segments()
    for new in ("00000000000000000002.raftlog", "00000000000000009999.raftlog"):
        renamed = disk.fork()
        renamed.names_cached[f"{DIRECTORY}/{new}"] = renamed.names_cached.pop(paths[1])
        sentence = refusal(renamed, DamagedLog)
        assert os.path.basename(paths[1]) in sentence
        assert new in sentence


def test_a_segment_of_another_log_is_refused() -> None:
    """The same events, written a millisecond later: only the chain tells them apart."""
    disk, paths = several_segments()
    other = SimulatedFiles()
    log = EventLog.open(other, DIRECTORY, STAMP, ALWAYS, NOW_MS + 1)
    Writer(log, replayed(log), 1).write_all(60)
    log.close()
    assert set(paths) <= set(other.names_cached)
    for path in paths[1:-1]:
        swapped = disk.with_bytes(path, other.names_cached[path].cached)
        assert "does not continue" in refusal(swapped, DamagedLog)
        assert not verify(swapped, DIRECTORY, lambda _done, _all: None).is_sound


@pytest.mark.parametrize("content", [b"", b"hello", bytes(300), b"\x89LTLOG\r\n\x01"])
def test_a_foreign_file_with_a_segment_name_is_refused(content: bytes) -> None:
    disk, paths = several_segments()
    path = f"{DIRECTORY}/{segment_name(10**6)}"
    for each in (path, paths[0], paths[-1]):
        sentence = refusal(disk.with_bytes(each, content), DamagedLog)
        assert f"{each}: damaged at offset 0" in sentence


def test_a_file_that_is_named_almost_like_a_segment_is_refused() -> None:
    disk, _ = several_segments()
    for name in ("copy of 00000000000000000001.raftlog", "1.raftlog", "0" * 20 + ".raftlog"):
        assert name in refusal(disk.with_bytes(f"{DIRECTORY}/{name}", b"x"), DamagedLog)


def test_other_files_in_the_directory_do_not_matter() -> None:
    disk, _ = several_segments()
    opened(disk.with_bytes(f"{DIRECTORY}/notes.txt", b"x"))


def test_an_unknown_format_version_is_refused_with_both_numbers() -> None:
    disk, paths = several_segments()
    data = disk.names_cached[paths[1]].cached
    newer = data[:8] + (7).to_bytes(4, "little") + b"\0\0\0\0" + data[16:]
    sentence = refusal(disk.with_bytes(paths[1], newer), UnknownFormat)
    assert paths[1] in sentence
    assert "format version 7" in sentence
    assert "reads 1" in sentence


def test_an_event_of_an_unknown_kind_stops_the_log() -> None:
    for at, value, what in ((24, 9, "kind 9"), (25, 0x20, "flags 0x20")):
        header = encode_header(
            SegmentHeader("Email", 1, 0, NOW_MS, 0, STAMP.fingerprint, STAMP.description)
        )
        event = Event(1, NOW_MS, 1, "a", b"{}")
        frame = encode_frame([event], decode_header(header).crc, 0, Position(1, len(header)))
        changed = bytearray(frame.data)
        changed[36 + at] = value
        disk = SimulatedFiles()
        opened(disk)
        with_unknown = disk.with_bytes(
            f"{DIRECTORY}/{segment_name(1)}", header + rechecked(bytes(changed))
        )
        sentence = refusal(with_unknown, UnknownFormat)
        assert "event 1" in sentence
        assert what in sentence
        with pytest.raises(UnknownFormat):
            verify(with_unknown, DIRECTORY, lambda _done, _all: None)


def rechecked(frame: bytes) -> bytes:
    """Give a frame of one record with its checksums made right."""
    record = frame[40:]
    record = crc32(record).to_bytes(4, "little") + record
    assert len(record) >= FIXED.size
    checked = frame[8:36] + record
    return frame[:4] + crc32(checked).to_bytes(4, "little") + checked


def test_the_log_of_another_model_is_refused_with_both_names() -> None:
    disk, _ = several_segments()
    with pytest.raises(SchemaChanged, match="'Email', not to 'Invoice'"):
        opened(disk, stamp=LogStamp("Invoice", STAMP.fingerprint, STAMP.description))


def test_no_room_for_even_the_directory_is_a_full_disk() -> None:
    disk = SimulatedFiles()
    disk.failures.append(Failure(28, "make_directory"))
    with pytest.raises(StorageFull, match=DIRECTORY):
        opened(disk)


def test_a_second_owner_in_this_process_is_refused(tmp_path: Path) -> None:
    options = LogOptions(lock_wait_s=0.05)
    log = EventLog.open(OsFiles(), str(tmp_path), STAMP, options, NOW_MS)
    with pytest.raises(LockedByOther) as refused:
        EventLog.open(OsFiles(), str(tmp_path), STAMP, options, NOW_MS)
    assert str(tmp_path) in str(refused.value)
    assert f"pid {os.getpid()}" in str(refused.value)
    log.close()
    EventLog.open(OsFiles(), str(tmp_path), STAMP, options, NOW_MS).close()


HOLDER = """
import sys
from lithair.storage.event_log import EventLog, LogOptions, LogStamp
from lithair.storage.files import OsFiles
EventLog.open(OsFiles(), sys.argv[1], LogStamp("Email", bytes(16), b"{}"), LogOptions(), 1)
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_is_waited_for_and_its_death_frees_the_directory(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(LockedByOther, match=f"pid {holder.pid}"):
        EventLog.open(OsFiles(), str(tmp_path), STAMP, LogOptions(lock_wait_s=0), NOW_MS)
    holder.kill()  # not waited for: the log waits for its lock
    stamp = LogStamp("Email", bytes(16), b"{}")
    EventLog.open(OsFiles(), str(tmp_path), stamp, LogOptions(), NOW_MS).close()
    holder.wait()
    holder.stdout.close()
    assert holder.stdin
    holder.stdin.close()


def test_the_lock_is_released_when_the_log_is_refused() -> None:
    disk, paths = several_segments()
    damaged = disk.with_bytes(paths[-1], b"x")
    for _ in range(2):
        with pytest.raises(DamagedLog):
            opened(damaged, ALWAYS)
    assert not damaged.locks


def test_whole_frames_taken_out_doubled_or_exchanged_are_damage() -> None:
    """Each of them has a right checksum; only the chain and the seqs tell."""
    disk, paths = several_segments()
    other = SimulatedFiles()
    log = EventLog.open(other, DIRECTORY, STAMP, ALWAYS, NOW_MS + 1)
    Writer(log, replayed(log), 1).write_all(60)
    data, foreign = disk.names_cached[paths[0]].cached, other.names_cached[paths[0]].cached
    start = decode_header(data).length
    frames = list(frame_offsets(data, start, len(data)))
    for offset, head in frames[:-1]:
        end = offset + head.length
        for changed in (
            data[:offset] + data[end:],
            data[:end] + data[offset:],
            data[:offset] + foreign[offset:end] + data[end:],
            data[:start] + data[offset:end] + data[start:offset] + data[end:],
        ):
            if changed != data:
                sentence = refusal(disk.with_bytes(paths[0], changed), DamagedLog)
                assert paths[0] in sentence
