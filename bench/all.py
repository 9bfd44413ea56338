"""Runs every benchmark and writes bench/RESULTS.md: `make bench`, some minutes."""

from pathlib import Path

from bench import event_log, http_load, opening, reads_beside_syncs

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
HEAD = """# Results

Written by `make bench`. Only what was measured, on the machine named under each table; ratios hold,
absolute numbers move with the machine and with what else runs on it.

"""


def main() -> None:
    sections: list[str] = []
    for benchmark in (http_load, reads_beside_syncs, opening, event_log):
        section = benchmark.measure()
        print(section, flush=True)
        sections.append(section)
    RESULTS.write_text(HEAD + "\n".join(sections), encoding="utf-8")


if __name__ == "__main__":
    main()
