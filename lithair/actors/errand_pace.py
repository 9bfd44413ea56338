"""The pace of an errand: how it leaves the processor and the disk to those who serve.

Law: what nobody waits for goes on while the processor has nothing else to do, and rests in between;
it ends all the same. Where the processor never has nothing to do, such work is begun once more, at
a low priority: that has its share of any processor.
"""

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, NamedTuple, TypeVar

import psutil

NICENESS: Final = 10
# The last place among those that the disk's queue takes in turn. Not the idle class: what others
# sync waits for the same journal, and this would wait there until the disk has nothing to do.
IO_PLACE: Final = 7
REST_S_MAX: Final = 0.1  # after a stretch without a report a short rest does as well
REST_SHARE: Final = 3  # of rest, for one of work
STARVED_S: Final = 3.0  # of work, rests not counted: what it holds meanwhile, others wait for
STARVED_SHARE: Final = 1 / 64  # of a processor: less is what idle work gets beside busy processes

Report = Callable[[int, int], None]
T = TypeVar("T")

log = logging.getLogger(__name__)


class Starved(Exception):
    """Work that waits for an idle processor has waited for almost nothing else."""


def give_way() -> None:
    """Give this process a low priority for processor and disk."""
    with suppress(OSError):
        os.nice(NICENESS)
    with suppress(OSError, psutil.Error):
        psutil.Process().ionice(psutil.IOPRIO_CLASS_BE, IO_PLACE)


class Clocks(NamedTuple):
    """What a pace goes by; seconds."""

    now: Callable[[], float] = time.monotonic
    used: Callable[[], float] = time.thread_time  # of the processor, by this thread
    rest: Callable[[float], None] = time.sleep


DEFAULT: Final = Clocks()


class Pace:
    """Called after each piece of work: passes its report on, and rests.

    Raises Starved when the processor is waited for too long, if this is said to be `idle` work.
    """

    def __init__(self, report: Report, clocks: Clocks, *, is_idle: bool) -> None:
        self._report = report
        self._clocks = clocks
        self._is_idle = is_idle
        self._begun_s = clocks.now()
        self._worked_s = 0.0  # since the last look at `used`
        self._used_s = clocks.used()

    def __call__(self, done: int, total: int) -> None:
        clocks = self._clocks
        self._report(done, total)
        worked_s = clocks.now() - self._begun_s
        self._worked_s += worked_s
        if self._is_idle and self._worked_s >= STARVED_S:
            used_s = clocks.used()
            if used_s - self._used_s < self._worked_s * STARVED_SHARE:
                raise Starved
            self._worked_s, self._used_s = 0.0, used_s
        clocks.rest(min(REST_S_MAX, REST_SHARE * worked_s))
        self._begun_s = clocks.now()


def at_leisure(work: Callable[[Report], T], report: Report, clocks: Clocks = DEFAULT) -> T:
    """Do what nobody waits for; `work` calls what it is given often, and may be begun twice.

    A low priority alone does not give the other processes a core at once when they wake up, nor
    keep this one from the disk's queue (bench/compaction.py). The idle class of the scheduler can't
    be left again without a privilege: it is that of a thread, which ends with the work.
    """

    def idly() -> T:
        return work(Pace(report, clocks, is_idle=_wait_for_idle_processor()))

    try:
        with ThreadPoolExecutor(1, "errand") as threads:
            return threads.submit(idly).result()
    except Starved:
        log.info("no processor is ever idle: begun once more, at a low priority")
        return work(Pace(report, clocks, is_idle=False))


def _wait_for_idle_processor() -> bool:
    """Have this thread run when nobody else wants to; False where that can't be had."""
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except OSError:
        return False
    return True
