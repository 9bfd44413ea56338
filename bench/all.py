"""Runs every benchmark and writes bench/RESULTS.md: `make bench`, about twenty minutes.

Some need 3 GB of disk below the project, and 1 GB of memory.
"""

from pathlib import Path

from bench import (
    compaction,
    event_log,
    gated,
    http_load,
    logins,
    opening,
    reads_beside_syncs,
    retention,
    session_end,
    streams,
)

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
HEAD = """# Results

Written by `make bench`. Only what was measured, on the machine named under each table; ratios hold,
absolute numbers move with the machine and with what else runs on it.

"""


def main() -> None:
    sections: list[str] = []
    benchmarks = (
        http_load,
        reads_beside_syncs,
        opening,
        retention,
        compaction,
        event_log,
        logins,
        gated,
        session_end,
        streams,
    )
    for benchmark in benchmarks:
        section = benchmark.measure()
        print(section, flush=True)
        sections.append(section)
    RESULTS.write_text(HEAD + "\n".join(sections), encoding="utf-8")


if __name__ == "__main__":
    main()
