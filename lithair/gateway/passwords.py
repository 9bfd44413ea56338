"""Passwords: hashed and compared with Argon2id (RFC 9106), beside the event loop.

Owns the parameters and how many are worked on at once. Law: a password is kept by its hash alone,
and nothing here ever writes one anywhere. A comparison costs the same whether or not there is
something to compare with. Imports nothing of HTTP: commands hash passwords, too.
"""

import asyncio
import base64
import os
import secrets
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from lithair.accounts import is_too_long
from lithair.gateway.answers import RETRY_AFTER_S, Problem

# Memory and passes of RFC 9106's second recommendation (64 MiB, 3), which it makes where memory is
# scarce; one lane instead of four, so that a login takes about 0.1 s of one core, and leaves the
# others to who is logged in. The more memory, the less a graphics card helps who has stolen hashes.
TIME_COST: Final = 3
MEMORY_KIB: Final = 64 << 10
LANES: Final = 1
SALT_BYTES: Final = 16
HASH_BYTES: Final = 32

# Half of the cores of a gateway may be busy with passwords, and 64 MiB each.
THREADS_MAX: Final = 4
NICENESS: Final = 10  # a tenth of the share of an event loop that wants the same core
# Some ten seconds of one thread's work: who waits longer has given up and tries again.
WAITING_MAX: Final = 100
TOO_BUSY: Final = "Too many passwords are being checked; try again"

T = TypeVar("T")

_hasher: Final = PasswordHasher(TIME_COST, MEMORY_KIB, LANES, HASH_BYTES, SALT_BYTES, type=Type.ID)


def hash_password(password: str) -> str:
    """Hash a password; takes about 0.1 s."""
    return _hasher.hash(_bytes_of(password))


def is_password(password_hash: str, password: str) -> bool:
    """Compare a password with a hash; takes about 0.1 s, right or wrong.

    What is too long to be anybody's password is not looked at: to compose it (NFKC) takes a time
    that grows with the square of a run of accents, and holds up every thread of the process.
    """
    is_possible = not is_too_long(password)
    try:
        _hasher.verify(password_hash, _bytes_of(password if is_possible else ""))
    except (VerificationError, InvalidHashError):
        return False
    return is_possible


def is_outdated(password_hash: str) -> bool:
    """Tell whether a hash was made with other parameters than are used now."""
    return _hasher.check_needs_rehash(password_hash)


def nobodys_hash() -> str:
    """Make what looks like a hash and belongs to no password; comparing costs what it always does.

    Nothing is computed for it: 256 random bits are as good as any.
    """
    salt, digest = (
        base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode()
        for size in (SALT_BYTES, HASH_BYTES)
    )
    return f"$argon2id$v=19$m={MEMORY_KIB},t={TIME_COST},p={LANES}${salt}${digest}"


def _bytes_of(password: str) -> bytes:
    """Give the bytes of a password: the same however a keyboard composes accents (NFKC)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


class PasswordThreads:
    """Works on a few passwords at once, in threads that step back for everything else."""

    def __init__(self) -> None:
        threads = max(1, min(THREADS_MAX, (os.cpu_count() or 1) // 2))
        self._executor = ThreadPoolExecutor(threads, "passwords", _step_back)
        self._waiting = 0
        self._nobodys_hash = nobodys_hash()

    async def compare(self, password_hash: str | None, password: str) -> bool:
        """Compare a password with a hash, or with nobody's, which takes as long and is wrong.

        Raises `Problem` 503 when too many wait already.
        """
        given = self._nobodys_hash if password_hash is None else password_hash
        return await self._do(lambda: is_password(given, password)) and password_hash is not None

    async def hash(self, password: str) -> str:
        """Hash a new password. Raises `Problem` 503 when too many wait already."""
        return await self._do(lambda: hash_password(password))

    def close(self) -> None:
        """Start nothing more; what is being worked on ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _do(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_MAX:
            raise Problem(503, TOO_BUSY, (("Retry-After", str(RETRY_AFTER_S)),))
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._waiting -= 1


def _step_back() -> None:
    """Let the kernel prefer whatever else there is to do; on Linux niceness is a thread's own."""
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
    except OSError:  # the hosting forbids it: then passwords share the core evenly
        pass
