"""A process that is killed in the middle of its writes, on the real disk."""

import signal
import subprocess
import sys
from pathlib import Path

from lithair.storage.event_log import EventLog, LogOptions
from lithair.storage.files import OsFiles
from lithair.storage.verify import verify
from tests.storage.samples import NOW_MS, STAMP, replayed

WRITER = """
import sys
from lithair.storage.event_log import EventLog, LogOptions
from lithair.storage.files import OsFiles
from tests.storage.samples import NOW_MS, STAMP, Writer, replayed
options = LogOptions(segment_bytes_max=20_000, durability=sys.argv[2])
log = EventLog.open(OsFiles(), sys.argv[1], STAMP, options, NOW_MS)
writer = Writer(log, replayed(log), 1)
for seq in writer.write(1_000_000):
    print(seq, flush=True)
"""
ACKNOWLEDGED = 150  # lines to wait for before the kill


def test_a_killed_process_loses_no_acknowledged_write(tmp_path: Path) -> None:
    for life in range(4):
        durability = ("always", "os")[life % 2]
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), durability],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout
        for _ in range(ACKNOWLEDGED):
            assert writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        acknowledged = [int(line) for line in writer.stdout.read().split("\n")[:-1]]
        writer.wait()
        writer.stdout.close()
        assert verify(OsFiles(), str(tmp_path), lambda _done, _all: None).is_sound
        log = EventLog.open(OsFiles(), str(tmp_path), STAMP, LogOptions(lock_wait_s=0), NOW_MS)
        found = replayed(log)
        assert log.last_seq == len(found.facts) >= max(acknowledged, default=ACKNOWLEDGED)
        assert len(log.events_since(0, 1 << 30, 1 << 30)) == log.last_seq
        log.close()
