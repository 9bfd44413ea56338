"""What was asked of Lithair's speed, what was measured, and whether that is met.

Reads bench/results.json, so it tells of the last run of each benchmark; the dates stand beside.
"""

from typing import Any, NamedTuple

from bench import figures
from bench.report import table

POCKETBASE, FASTAPI = "PocketBase", "FastAPI + SQLite"


class Bound(NamedTuple):
    """One number: where it lies, what it may be at most or has to be at least."""

    place: tuple[str | int, ...]
    limit: float
    unit: str
    is_least: bool = False

    def shown(self, value: float) -> str:
        digits = 0 if self.limit >= 100 else 1
        return f"{value:,.{digits}f} {self.unit}"

    def is_met(self, value: float) -> bool:
        return value >= self.limit if self.is_least else value <= self.limit


class Row(NamedTuple):
    work: str
    bounds: tuple[Bound, ...]


def times(work: str, side: str, limit: float) -> Bound:
    """Ask for so many times what another does."""
    return Bound(("versus", "works", work, "ratios", side, 0), limit, f"x {side}", is_least=True)


ROWS = (
    Row(
        "GET by id, 64 connections, session-gated",
        (times("gated", POCKETBASE, 6), times("gated", FASTAPI, 7)),
    ),
    Row(
        "POST, every acknowledgement synced, 64 connections",
        (times("create", POCKETBASE, 4), times("create", FASTAPI, 9)),
    ),
    Row("mixed 80/15/5 create/read/update", (times("mixed", POCKETBASE, 4),)),
    Row(
        "list of 20, filtered and sorted on indexed fields, 1,000 of 100,000 match, with the total",
        (times("page", POCKETBASE, 8),),
    ),
    Row(
        "an evicted item by id",
        (
            Bound(("retention", "evicted_of_many"), 2, "x a hot one, of 1,000,000"),
            Bound(("retention", "evicted_of_few"), 2, "x, of 10,000"),
        ),
    ),
    Row(
        "stream, 1,000 readers of one model, as fast as it goes",
        (Bound(("streams", "deliveries_per_s"), 100_000, "deliveries/s", is_least=True),),
    ),
    Row(
        "stream, 1,000 readers, 50 writes/s",
        (Bound(("streams", "late_p99_ms"), 50, "ms from commit to receipt, p99"),),
    ),
    Row(
        "opening 1,000,000 items from a snapshot, one index",
        (
            Bound(("scale", "snapshot_1000000_s"), 3, "s, 300 bytes hot"),
            Bound(("retention", "snapshot_s"), 3, "s, 1 KB evicted"),
        ),
    ),
    Row(
        "RAM per hot item, text ids",
        (Bound(("opening", "bytes_above_payload"), 320, "bytes above its payload"),),
    ),
    Row(
        "RAM for 1,000,000 evicted items with two short pinned fields",
        (
            Bound(("retention", "rss_mb"), 450, "MB"),
            Bound(("retention", "index_mb"), 200, "MB more per sorted index"),
        ),
    ),
    Row(
        "reads and writes while a 1 GB log is compacted",
        (
            Bound(("compaction", "reads"), 2, "x the p99 of reads without"),
            Bound(("compaction", "writes"), 2, "x of writes"),
        ),
    ),
)


def measure() -> str:
    """Give the section for RESULTS.md."""
    found = figures.kept()
    rows = [_row(row, found) for row in ROWS]
    met = sum(cells[-1] == "yes" for cells in rows)
    return (
        "## What was asked\n\n"
        + table(("work", "asked", "measured", "by", "met"), rows)
        + f"\n{met} of {len(rows)} met. `make bench` measures all of them in one run; the ratios to"
        " others are medians.\n"
    )


def _row(row: Row, found: figures.Figures) -> tuple[str, ...]:
    values = [_value(bound, found) for bound in row.bounds]
    if any(value is None for value in values):
        met = "not measured"
    else:
        kept = [b.is_met(v) for b, v in zip(row.bounds, values, strict=True) if v is not None]
        met = "yes" if all(kept) else "**no**"
    sources = dict.fromkeys(str(bound.place[0]) for bound in row.bounds)
    by = [f"{one}, {found[one]['measured']}" if one in found else one for one in sources]
    asked = [
        f"at {'least' if one.is_least else 'most'} {one.limit:,g} {one.unit}" for one in row.bounds
    ]
    shown = [
        "?" if value is None else bound.shown(value)
        for bound, value in zip(row.bounds, values, strict=True)
    ]
    return (row.work, "; ".join(asked), "; ".join(shown), "; ".join(by), met)


def _value(bound: Bound, found: figures.Figures) -> float | None:
    value: Any = found
    for step in bound.place:
        try:
            value = value[step]
        except (KeyError, IndexError):
            return None
    return float(value)


if __name__ == "__main__":
    print(measure())
