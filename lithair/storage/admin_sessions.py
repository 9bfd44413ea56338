"""Admin sessions: which cookies of administrators are good, as files of the run directory.

Owns `admin-sessions/<hash>` there: one file for each cookie, named by the hash of its token, with
the time in it from which on it is worth nothing (milliseconds since 1970). Law: every gateway looks
there each time, so one that was ended is refused by all of them at once; none outlives the server,
whose start and end remove them all.
"""

import contextlib
import os
from typing import Final

from lithair.errors import LithairError

FOLDER: Final = "admin-sessions"
SESSIONS_MAX: Final = 64  # a few people with a few browsers; past it the oldest ends
NUMBER_BYTES_MAX: Final = 20


def keep_admin_session(run_dir: str, token_hash: str, dies_ms: int, now_ms: int) -> None:
    """Keep one, and remove those that are over; LithairError when there is no room for it."""
    folder = os.path.join(run_dir, FOLDER)
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        _make_room(run_dir, now_ms)
        path = os.path.join(folder, token_hash)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, b"%d" % dies_ms)
        finally:
            os.close(fd)
    except OSError as error:
        raise LithairError(f"{folder} can't be written: {error.strerror}", status=507) from error


def admin_session_end(run_dir: str, token_hash: str) -> int | None:
    """Tell from when on one is worth nothing; None when there is no such session."""
    path = os.path.join(run_dir, FOLDER, token_hash)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        text = os.read(fd, NUMBER_BYTES_MAX)
    finally:
        os.close(fd)
    return int(text) if text.isdigit() else None


def end_admin_session(run_dir: str, token_hash: str) -> bool:
    """End one; tells whether it was there."""
    try:
        os.unlink(os.path.join(run_dir, FOLDER, token_hash))
    except OSError:
        return False
    return True


def end_admin_sessions(run_dir: str) -> None:
    """End them all."""
    folder = os.path.join(run_dir, FOLDER)
    for name in _names(folder):
        end_admin_session(run_dir, name)
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def _make_room(run_dir: str, now_ms: int) -> None:
    dying = sorted(
        (admin_session_end(run_dir, name) or 0, name)
        for name in _names(os.path.join(run_dir, FOLDER))
    )
    for place, (dies_ms, name) in enumerate(dying):
        if dies_ms <= now_ms or len(dying) - place >= SESSIONS_MAX:
            end_admin_session(run_dir, name)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
