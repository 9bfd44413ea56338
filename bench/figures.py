"""What was measured, as numbers: bench/results.json, and pictures of it.

Owns that file: a benchmark's figures are replaced as a whole when it runs again. What was asked of
them (bench/asked.py) is read from there.
"""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
DRAW_MAX_S = 120

Figures = dict[str, Any]  # names to numbers, or to more of the same; JSON


def kept() -> Figures:
    """Give the figures of all benchmarks by their names."""
    if not RESULTS.exists():
        return {}
    found: Figures = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def keep(benchmark: str, figures: Figures) -> None:
    """Put a benchmark's figures in the place of those before."""
    found = kept()
    measured = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    found[benchmark] = {"measured": measured, **figures}
    text = json.dumps(dict(sorted(found.items())), indent=1, ensure_ascii=False)
    RESULTS.write_text(text + "\n", encoding="utf-8")


def draw(python: Path, benchmark: str) -> bool:
    """Draw bench/NAME.svg with the interpreter that has matplotlib; tells whether it could."""
    command = [str(python), str(HERE / "peers" / "draw.py"), benchmark, str(RESULTS)]
    try:
        done = subprocess.run(command, timeout=DRAW_MAX_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
