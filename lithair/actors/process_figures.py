"""What processes cost: their processor time and their memory, as the operating system has them.

Law: nothing here waits for anything but /proc. A process that has ended costs nothing.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import psutil

CPU_WINDOW_S: Final = 1.0  # shorter than this a share of a core is mostly chance
READ_AGAIN_MS: Final = 250  # some 0.1 ms a process: asking often must not keep a supervisor busy


class Cost(NamedTuple):
    """Processor seconds since the process's start, and the memory that it holds now."""

    cpu_seconds: float
    rss_bytes: int


def cost_of(process: psutil.Process) -> Cost:
    """Read what a process costs; raises psutil.Error when it is gone."""
    with process.oneshot():
        times = process.cpu_times()
        return Cost(times.user + times.system, process.memory_info().rss)


class OwnCost:
    """What the present process costs, with its share of a core.

    The share is that of the time since it was last asked for, a second at least; the first one is
    that since the process's start.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._cpu_seconds = 0.0
        self._at_s = time.monotonic() - max(0.0, time.time() - self._process.create_time())
        self._percent = 0.0

    def read(self) -> tuple[float, int]:
        """Give percent of one core, and bytes."""
        cost, now_s = cost_of(self._process), time.monotonic()
        passed_s = now_s - self._at_s
        if passed_s >= CPU_WINDOW_S:
            self._percent = 100 * (cost.cpu_seconds - self._cpu_seconds) / passed_s
            self._at_s, self._cpu_seconds = now_s, cost.cpu_seconds
        return round(self._percent, 1), cost.rss_bytes


class FamilyCost:
    """What a supervisor's processes cost; read anew at most four times a second."""

    def __init__(self) -> None:
        self._costs: dict[int, Cost] = {}
        self._read_ms = -READ_AGAIN_MS

    def read(self, pids: Iterable[int], now_ms: int) -> dict[int, Cost]:
        """Give what each of these processes costs; those that have ended are left out."""
        if now_ms - self._read_ms >= READ_AGAIN_MS:
            self._read_ms = now_ms
            self._costs = dict(_costs_of(pids))
        return self._costs


def _costs_of(pids: Iterable[int]) -> Iterator[tuple[int, Cost]]:
    for pid in pids:
        try:
            yield pid, cost_of(psutil.Process(pid))
        except psutil.Error:
            continue
