"""The lock of a data directory: one owner at a time.

Law: exclusion comes from a flock on `lock`, which ends with the process that holds it, never from
a socket or a pid; the pid in it is there for people to read.
"""

import os
import time
from typing import Final

from lithair.errors import LockedByOther
from lithair.storage.files import Files, Lock

LOCK_NAME: Final = "lock"
RETRY_S: Final = 0.02  # a restarted process waits for its predecessor to be gone


def hold_directory(files: Files, directory: str, wait_s: float) -> Lock:
    """Take the directory's lock, waiting up to `wait_s` for it; raise LockedByOther."""
    path = os.path.join(directory, LOCK_NAME)
    give_up_at = time.monotonic() + wait_s
    while (lock := files.try_lock(path, f"{os.getpid()}\n")) is None:
        if time.monotonic() >= give_up_at:
            holder = files.lock_holder(path) or "unknown"
            raise LockedByOther(
                f"{directory} is in use by another process (pid {holder});"
                f" waited {wait_s:g} s for it. Stop that process, or give this model a directory"
                " of its own"
            )
        time.sleep(RETRY_S)
    return lock
