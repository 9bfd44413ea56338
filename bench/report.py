"""What a measurement prints: a table row, and with what and where it was measured."""

import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import psutil

Row = Sequence[str]


def table(head: Row, rows: Sequence[Row]) -> str:
    """Write a Markdown table."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


def machine() -> str:
    """Say on what hardware and software this runs, and when."""
    cores = len(os.sched_getaffinity(0))
    memory = psutil.virtual_memory().total / (1 << 30)
    return (
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, {_processor()}, {cores} cores"
        f" (shared with the load generator), {memory:.0f} GiB, Linux {platform.release()},"
        f" Python {platform.python_version()}, load average before"
        f" {os.getloadavg()[0]:.1f}"
    )


def load_after() -> str:
    """Say how busy the machine was at the end: beside others' work, ratios are worth little."""
    return f"load average after {os.getloadavg()[0]:.1f}"


Number = TypeVar("Number", int, float)


def median(values: Sequence[Number]) -> Number:
    """Give the middle of an odd number of rounds."""
    return sorted(values)[len(values) // 2]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
