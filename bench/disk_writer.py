"""Another program that writes: 4 MiB at a time into a large file, synced each time, without end.

python -m bench.disk_writer FILE
"""

import os
import sys

CHUNK = os.urandom(4 << 20)
FILE_BYTES_MAX = 1 << 30  # begun again at its start when it is this large


def write_for_ever(path: str) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    written = 0
    while True:
        written += os.pwrite(descriptor, CHUNK, written)
        os.fsync(descriptor)
        if written >= FILE_BYTES_MAX:
            os.ftruncate(descriptor, 0)
            written = 0


if __name__ == "__main__":
    write_for_ever(sys.argv[1])
