"""Processes that a test leaves behind: found by the run directory in their own words, and ended."""

import contextlib
from collections.abc import Generator

import psutil

from tests.support.waiting import wait_until

GONE_TIMEOUT_S = 5.0  # a stopped server's children have this long to be gone


def descendants() -> set[psutil.Process]:
    """Give all living processes below this one; a zombie that awaits its parent is not living."""
    living: set[psutil.Process] = set()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                living.add(process)
    return living


@contextlib.contextmanager
def no_process_left() -> Generator[None]:
    """Fail when processes that were started inside are still there some seconds after it."""
    before = descendants()
    yield
    try:
        wait_until(lambda: not (descendants() - before), "children to be gone", GONE_TIMEOUT_S)
    except AssertionError:
        left = descendants() - before
        said = [_words(process) for process in left]
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        raise AssertionError("processes left behind: " + "; ".join(said)) from None


def _words(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())}"
    except psutil.NoSuchProcess:
        return f"{process.pid} (gone meanwhile)"
