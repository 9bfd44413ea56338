"""Counts what a side syncs: strace (Debian's package) looks at it while wrk sends it writes."""

import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.sides.side import family
from bench.versus_report import Look

CALLS = "fsync,fdatasync,msync,sync_file_range"
ATTACH_MAX_S = 20


def syncs_per_create(
    pids: Sequence[int], first: Callable[[], Look], second: Callable[[], Look]
) -> float | None:
    """Give the syncs for each acknowledged write of the second load; None without strace."""
    if shutil.which("strace") is None:
        return None
    attached = [option for process in family(pids) for option in ("-p", str(process.pid))]
    with tempfile.TemporaryDirectory() as directory:
        told = Path(directory) / "syncs"
        command = ["strace", "-f", "-qq", "-e", f"trace={CALLS}", "-o", str(told), *attached]
        tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            first()  # strace attaches meanwhile
            before = _count(told)
            seen = second()
            after = _count(told)
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(ATTACH_MAX_S)
    return (after - before) / max(seen.requests, 1)


def _count(told: Path) -> int:
    """Count the calls that have begun."""
    text = told.read_text(encoding="utf-8", errors="replace")
    return len(re.findall(r"^\d+ +(?!<)\w+\(", text, re.MULTILINE))
