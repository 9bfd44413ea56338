"""Runs the benchmarks and writes bench/RESULTS.md: `make bench`, about an hour.

    python -m bench.all                  all of them
    python -m bench.all streams gated    these; the sections of the others stay as they are

Most need 3 GB of disk below the project, and 1 GB of memory; `scale` takes what is there, up to
12 and 15 GB.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from bench import (
    asked,
    compaction,
    crowd,
    event_log,
    figures,
    gated,
    http_load,
    logins,
    opening,
    packages,
    reads_beside_syncs,
    retention,
    scale,
    session_end,
    streams,
    versus,
)

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
HEAD = """# Results

Written by `make bench`. Only what was measured, on the machine named under each table; ratios hold,
absolute numbers move with the machine and with what else runs on it.
"""
BENCHMARKS: dict[str, Callable[[], str]] = {
    "versus": versus.measure,
    "http_load": http_load.measure,
    "reads_beside_syncs": reads_beside_syncs.measure,
    "opening": opening.measure,
    "retention": retention.measure,
    "compaction": compaction.measure,
    "scale": scale.measure,
    "event_log": event_log.measure,
    "logins": logins.measure,
    "gated": gated.measure,
    "session_end": session_end.measure,
    "streams": streams.measure,
    "crowd": crowd.measure,
    "packages": packages.measure,
}
ASKED = "asked"  # of all that was measured; it is told at the end, and stands first
PICTURED = ("versus", "scale")
SECTION = re.compile(r"^<!-- (\w+) -->\n(.*?)(?=^<!-- |\Z)", re.DOTALL | re.MULTILINE)


def main() -> None:
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    for name in names:
        section = BENCHMARKS[name]()
        print(section, flush=True)
        keep(name, section)  # at once: a later one may fail
        figures.keep(name)
        if name in PICTURED:
            figures.draw(name)
    section = asked.measure()
    keep(ASKED, section)
    print(section)


def keep(name: str, section: str) -> None:
    """Put a section in the place of the one before."""
    sections: dict[str, str] = dict(SECTION.findall(RESULTS.read_text(encoding="utf-8")))
    sections[name] = section.strip() + "\n\n"
    order = (ASKED, *BENCHMARKS)
    kept = [f"<!-- {each} -->\n{sections[each]}" for each in order if each in sections]
    RESULTS.write_text(HEAD + "\n" + "".join(kept).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
