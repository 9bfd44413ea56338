"""What the comparison found: tables, numbers for bench/results.json."""

from collections.abc import Sequence
from typing import NamedTuple

from bench import figures
from bench.report import median, table

OURS = "Lithair"


class Work(NamedTuple):
    """One kind of request."""

    key: str
    title: str
    script: str  # its name in versus.lua
    is_gated: bool = False
    connections: int = 64
    worth: int = 1  # what one request counts for


class Look(NamedTuple):
    """Some seconds of one work on one side."""

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float  # of all its processes, for each
    errors: str
    requests: int


class Sizes(NamedTuple):
    """Memory of a side's processes, and its start."""

    empty_bytes: int
    ready_s: float  # with all notes, to the first answer
    opened_bytes: int


class Comparison(NamedTuple):
    """All that was measured."""

    where: str
    what: dict[str, tuple[str, str]]  # by side: what it is, what it says it syncs
    skipped: dict[str, str]
    sizes: dict[str, Sizes]
    syncs: dict[str, float | None]
    works: Sequence[Work]
    looks: dict[str, dict[str, list[Look]]]  # by work, by side


class Ratio(NamedTuple):
    """Ours against another's: median, least and most of the rounds."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"**{self.median:.1f}** ({self.least:.1f} to {self.most:.1f})"


def ratio(ours: Sequence[Look], theirs: Sequence[Look]) -> Ratio:
    """Compare looks of the same rounds."""
    found = [one.per_s / other.per_s for one, other in zip(ours, theirs, strict=True)]
    return Ratio(median(found), min(found), max(found))


def rate(looks: Sequence[Look]) -> float:
    return median([one.per_s for one in looks])


def cost(looks: Sequence[Look]) -> float:
    return median([one.cpu_us for one in looks])


def line(work: Work, looks: dict[str, list[Look]]) -> str:
    """Tell at once what a work came to."""
    told = ", ".join(f"{side} {rate(found):,.0f}/s" for side, found in looks.items())
    return f"versus: {work.title}: {told}"


def note(compared: Comparison) -> None:
    """Note it for bench/results.json."""
    figures.note(
        where=compared.where,
        sides={
            side: {
                "what": what,
                "syncs": syncs,
                "syncs_per_create": compared.syncs[side],
                **compared.sizes[side]._asdict(),
            }
            for side, (what, syncs) in compared.what.items()
        },
        skipped=compared.skipped,
        works={work.key: _work_figures(compared, work) for work in compared.works},
    )


def _work_figures(compared: Comparison, work: Work) -> figures.Figures:
    looks = compared.looks[work.key]
    return {
        "title": work.title,
        "connections": work.connections,
        "sides": {
            side: {
                "per_s": [round(one.per_s, 1) for one in found],
                "p99_ms": [one.p99_ms for one in found],
                "cpu_us": [round(one.cpu_us, 1) for one in found],
            }
            for side, found in looks.items()
        },
        "ratios": {
            side: [round(each, 3) for each in ratio(looks[OURS], found)]
            for side, found in looks.items()
            if side != OURS
        },
    }


def section(compared: Comparison) -> str:
    """Write the section of RESULTS.md."""
    rounds = len(compared.looks[compared.works[0].key][OURS])
    return (
        "## Beside others\n\n"
        + _table_of_sides(compared)
        + "\n"
        + _table_of_rates(compared)
        + f"\nIn brackets the least and the most of {rounds} rounds, in turns; a ratio compares two"
        " looks of the same round. 64 connections, lists 16, bulk"
        " writes 8; one thread of wrk on the same"
        " cores, whose share of them is everybody's loss, and most of all that of the fastest.\n\n"
        + _table_of_costs(compared)
        + "\n"
        + _table_of_sizes(compared)
        + ("\n![Ratios](versus.svg)\n" if len(compared.what) > 1 else "")
        + _errors(compared)
        + f"\n`python -m bench.versus`: {compared.where}, "
    )


def _table_of_sides(compared: Comparison) -> str:
    rows = [(side, *told, _counted(compared.syncs[side])) for side, told in compared.what.items()]
    rows += [(side, f"skipped: {why}", "", "") for side, why in compared.skipped.items()]
    return table(("", "what", "syncs", "syncs of 1,000 POSTs, counted by strace"), rows)


def _counted(syncs: float | None) -> str:
    return "strace is missing" if syncs is None else f"{syncs * 1000:,.0f}"


def _table_of_rates(compared: Comparison) -> str:
    others = [side for side in compared.what if side != OURS]
    head = ["", OURS]
    for side in others:
        head += [side, "Lithair makes, of its"]
    rows: list[list[str]] = []
    for work in compared.works:
        looks = compared.looks[work.key]
        cells = [work.title, f"{rate(looks[OURS]):,.0f}/s"]
        for side in others:
            cells += [f"{rate(looks[side]):,.0f}/s", str(ratio(looks[OURS], looks[side]))]
        rows.append(cells)
    return table(head, rows)


def _table_of_costs(compared: Comparison) -> str:
    rows: list[list[str]] = []
    for work in compared.works:
        looks = compared.looks[work.key]
        cells = [work.title]
        for side in compared.what:
            p99_ms = median([one.p99_ms for one in looks[side]])
            cells.append(f"{cost(looks[side]):,.0f} µs, {p99_ms:,.1f} ms")
        rows.append(cells)
    return table(("processor for each, p99", *compared.what), rows)


def _table_of_sizes(compared: Comparison) -> str:
    def megabytes(count: int) -> str:
        return f"{count / 1e6:,.0f} MB"

    sizes = compared.sizes
    rows = [
        ("memory, empty", *(megabytes(one.empty_bytes) for one in sizes.values())),
        ("memory, opened with 100,000 notes", *(megabytes(s.opened_bytes) for s in sizes.values())),
        ("opening them, to the first answer", *(f"{one.ready_s:.2f} s" for one in sizes.values())),
    ]
    return table(("all its processes (PSS)", *sizes), rows)


def _errors(compared: Comparison) -> str:
    told = [
        f"{work.title}, {side}: {one.errors}"
        for work in compared.works
        for side, looks in compared.looks[work.key].items()
        for one in looks
        if one.errors
    ]
    return f"\nErrors: {'; '.join(told)}.\n" if told else ""
