"""Runs wrk (https://github.com/wg/wrk, Debian's package) and reads what it prints."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class Measured(NamedTuple):
    per_s: float
    p50_ms: float
    p99_ms: float
    errors: str  # what wrk says of refused answers and broken connections, "" for none
    command: str
    requests: int  # answered in all


def run_wrk(
    url: str,
    script: str,
    connections: int = 64,
    seconds: int = 8,
    arguments: Sequence[object] = (),
    timeout_s: int = 2,  # for one answer; wrk counts what takes longer, as an error
) -> Measured:
    """Load `url` from one thread of wrk with a Lua script of this directory and its arguments."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed. On Debian: apt-get install wrk")
    options = f"-t1 -c{connections} -d{seconds}s --latency".split()
    if timeout_s != 2:
        options += ["--timeout", f"{timeout_s}s"]
    options.append("-s")
    tail = ["--", *map(str, arguments)] if arguments else []
    command = ["wrk", *options, str(HERE / script), url, *tail]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=seconds + timeout_s + 60
    )
    shown_url = re.sub(r":\d+/", ":PORT/", url)
    shown = shlex.join(["wrk", *options, f"bench/{script}", shown_url, *tail])
    return _read(done.stdout, shown)


def _read(text: str, command: str) -> Measured:
    per_s = re.search(r"Requests/sec:\s+([\d.]+)", text)
    requests = re.search(r"(\d+) requests in", text)
    if per_s is None or requests is None:
        raise ValueError(f"wrk printed no Requests/sec:\n{text}")
    errors = "; ".join(re.findall(r"(Non-2xx.*|Socket errors.*)", text))
    p50_ms, p99_ms = _percentile(text, 50), _percentile(text, 99)
    return Measured(float(per_s[1]), p50_ms, p99_ms, errors, command, int(requests[1]))


def _percentile(text: str, percent: int) -> float:
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)\s*$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"wrk printed no {percent}%:\n{text}")
    return float(found[1]) * UNITS_MS[found[2]]
