"""Run directory: where the sockets of one running server are; reaching it is the credential.

Owns the directory's making, its lock and the removal of stale sockets. Law: mode 0700 and ours, or
refused; one server at a time; what was found there from a server that is gone is not trusted.

    run directory := "lock" (flock'ed, holds the pid) control-socket model-sockets
                     "admin-token" (0600; while a server runs that was not given one)
                     "admin-sessions" (see `admin_sessions`)
                     *".spool" (see `spool`; left only by a process that was killed)
"""

import fcntl
import os
import secrets
import stat
import time
from typing import Final

from lithair.errors import LithairError, LockedByOther
from lithair.storage.admin_sessions import end_admin_sessions
from lithair.storage.files import OsFiles
from lithair.storage.spool import remove_left

LOCK_WAIT_S: Final = 1.0  # a server that was killed gives its lock back within milliseconds
RETRY_S: Final = 0.05
LOCK_NAME: Final = "lock"
TOKEN_NAME: Final = "admin-token"
TOKEN_BYTES: Final = 24  # of randomness
TOKEN_LENGTH_MAX: Final = 4096


class RunDir:
    """A run directory that this process holds."""

    def __init__(self, path: str, lock_fd: int) -> None:
        self.path = path
        self._lock_fd = lock_fd

    @classmethod
    def open(cls, path: str) -> "RunDir":
        """Make, check and lock a run directory, and clear away stale sockets.

        LockedByOther when another server uses it; LithairError when it can't be used safely.
        """
        try:
            _make(path)
            lock_fd = _lock(path)
        except OSError as error:
            raise LithairError(
                f"run directory {path} can't be used: {error.strerror}. Choose another with"
                " LT_RUN_DIR or --run-dir."
            ) from error
        _remove_sockets(path)
        remove_left(OsFiles(), path)
        _remove_token(path)
        end_admin_sessions(path)
        return cls(path, lock_fd)

    def make_admin_token(self) -> None:
        """Make a token that opens /_admin while this server runs, and keep it where we are.

        LithairError when there is no room for it.
        """
        path = os.path.join(self.path, TOKEN_NAME)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, f"{secrets.token_urlsafe(TOKEN_BYTES)}\n".encode())
            finally:
                os.close(fd)
        except OSError as error:
            raise LithairError(f"{path} can't be written: {error.strerror}") from error

    def close(self) -> None:
        """Remove the token, what it was exchanged for and the sockets; give the lock back."""
        _remove_token(self.path)
        end_admin_sessions(self.path)
        _remove_sockets(self.path)
        os.close(self._lock_fd)


def read_admin_token(path: str) -> str | None:
    """Read the token that the server of this run directory has made; None when there is none."""
    try:
        fd = os.open(os.path.join(path, TOKEN_NAME), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return os.read(fd, TOKEN_LENGTH_MAX).decode("ascii", "replace").strip() or None
    finally:
        os.close(fd)


def _make(path: str) -> None:
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    status = os.stat(path)
    if not stat.S_ISDIR(status.st_mode):
        raise LithairError(f"run directory {path} is not a directory: choose another")
    if status.st_uid != os.geteuid():
        raise LithairError(f"run directory {path} belongs to another user: choose another")
    if stat.S_IMODE(status.st_mode) & 0o077:
        if os.listdir(path):
            mode = stat.S_IMODE(status.st_mode)
            raise LithairError(
                f"run directory {path} can be entered by others (mode {mode:04o}) and is not empty:"
                f" choose a directory of its own, or run: chmod 700 {path}"
            )
        os.chmod(path, 0o700)


def _lock(path: str) -> int:
    lock_fd = os.open(os.path.join(path, LOCK_NAME), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    deadline = time.monotonic() + LOCK_WAIT_S
    while not _try_lock(lock_fd):
        if time.monotonic() < deadline:
            time.sleep(RETRY_S)
            continue
        holder = os.pread(lock_fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(lock_fd)
        raise LockedByOther(
            f"run directory {path} is in use by another server (process {holder}): stop that one,"
            " or choose another with LT_RUN_DIR or --run-dir"
        )
    os.ftruncate(lock_fd, 0)
    os.pwrite(lock_fd, f"{os.getpid()}\n".encode(), 0)
    return lock_fd


def _try_lock(lock_fd: int) -> bool:
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_sockets(path: str) -> None:
    with os.scandir(path) as entries:
        stale = [entry.path for entry in entries if stat.S_ISSOCK(_mode(entry))]
    for socket_path in stale:
        try:
            os.unlink(socket_path)
        except FileNotFoundError:
            pass


def _remove_token(path: str) -> None:
    try:
        os.unlink(os.path.join(path, TOKEN_NAME))
    except FileNotFoundError:
        pass


def _mode(entry: "os.DirEntry[str]") -> int:
    return entry.stat(follow_symlinks=False).st_mode
