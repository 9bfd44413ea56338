"""What was measured, as numbers: bench/results.json, and pictures of it.

Owns that file. A benchmark notes its figures while it runs; `python -m bench.all` puts them in the
place of those it noted before. What was asked of them, bench/asked.py reads from there.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.sides.installed import Missing, peers_python

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
DRAW_MAX_S = 120

Figures = dict[str, Any]  # names to numbers, or to more of the same; JSON


_noted: Figures = {}


def note(**figures: object) -> None:
    """Note figures of the benchmark that runs."""
    _noted.update(figures)


def kept() -> Figures:
    """Give the figures of all benchmarks by their names."""
    if not RESULTS.exists():
        return {}
    found: Figures = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def keep(benchmark: str) -> None:
    """Put what was noted in the place of the benchmark's figures before."""
    if not _noted:
        return
    found = kept()
    measured = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    found[benchmark] = {"measured": measured, **_noted}
    _noted.clear()
    text = json.dumps(dict(sorted(found.items())), indent=1, ensure_ascii=False)
    RESULTS.write_text(text + "\n", encoding="utf-8")


def draw(benchmark: str) -> None:
    """Draw bench/NAME.svg, with the interpreter that has matplotlib."""
    python = peers_python()
    if isinstance(python, Missing):
        print(f"No picture of {benchmark}: {python.why}", file=sys.stderr)
        return
    command = [str(python), str(HERE / "peers" / "draw.py"), benchmark, str(RESULTS)]
    subprocess.run(command, timeout=DRAW_MAX_S, check=False)
