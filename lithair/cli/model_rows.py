"""Model rows: the figures of a server's models as `lithair stats` tells them.

Owns the asking and what is made of two looks at the same counters. Law: all models are asked at
once; one that does not answer in time is a row without figures, and holds nobody up.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Final, cast

import msgspec

from lithair.cli.compact import in_units
from lithair.cli.server import ask
from lithair.client.calls import Calls, PartialItem
from lithair.client.connection import Connection
from lithair.core.figures import ModelFigures
from lithair.core.histogram import LATENCY_BOUNDS_S
from lithair.errors import LithairError
from lithair.phase import SERVING
from lithair.wire.messages import Reply

ANSWER_S: Final = 2.0  # figures cost a model's process nothing; longer, and it hangs
QUANTILE: Final = 0.99
UNKNOWN: Final = "-"

_decode = msgspec.json.Decoder(ModelFigures).decode


class ModelRow(msgspec.Struct, frozen=True):
    """One model at one moment; `figures` None: it did not answer.

    The rates are per second since the look before; None at the first.
    """

    model: str
    class_name: str | None  # None: one of Lithair's own
    phase: str
    figures: ModelFigures | None = None
    commit_p99_s: float | None = None
    reads_per_s: float | None = None
    writes_per_s: float | None = None


class ModelFiguresReader:
    """Asks the models of one server, again and again."""

    def __init__(self, run_dir: str | None, *, with_internal: bool = False) -> None:
        self._run_dir = run_dir
        self._with_internal = with_internal
        self._connection = Connection(run_dir, ANSWER_S)
        self._before: dict[str, tuple[float, ModelFigures]] = {}

    def close(self) -> None:
        self._connection.close()

    def read(self) -> list[ModelRow]:
        """Give a row for each model; NotReachable when there is no server."""
        models = cast("list[dict[str, str]]", ask(self._run_dir, {"ask": "where"})["models"])
        shown = [model for model in models if model["class_name"] or self._with_internal]
        asked = [self._ask(model["name"]) if model["phase"] == SERVING else None for model in shown]
        return [self._row(model, future) for model, future in zip(shown, asked, strict=True)]

    def _ask(self, name: str) -> "Future[Reply]":
        return self._connection.start(name, Calls[PartialItem](name).stats())

    def _row(self, model: dict[str, str], future: "Future[Reply] | None") -> ModelRow:
        name, class_name, phase = model["name"], model["class_name"] or None, model["phase"]
        figures = None if future is None else self._figures(name, future)
        if figures is None:
            self._before.pop(name, None)
            return ModelRow(name, class_name, phase)
        now_s = time.monotonic()
        before = self._before.get(name)
        self._before[name] = (now_s, figures)
        reads = writes = None
        if before is not None and before[1].process.pid == figures.process.pid:
            passed_s = max(now_s - before[0], 0.001)
            reads = (figures.counters.reads - before[1].counters.reads) / passed_s
            writes = (figures.counters.writes - before[1].counters.writes) / passed_s
        p99 = quantile(figures.counters.commits.counts, QUANTILE)
        return ModelRow(name, class_name, phase, figures, p99, reads, writes)

    def _figures(self, name: str, future: "Future[Reply]") -> ModelFigures | None:
        try:
            reply = self._connection.reply(name, future)
        except LithairError:
            return None
        return _decode(reply.body) if reply.status == 200 else None


def quantile(counts: list[int], share: float) -> float | None:
    """Read a quantile off a histogram: the bound below which so many lie; None without any.

    What lasted longer than the last bound is told as that.
    """
    wanted = sum(counts) * share
    passed = 0
    for at, count in enumerate(counts):
        passed += count
        if passed and passed >= wanted:
            return LATENCY_BOUNDS_S[min(at, len(LATENCY_BOUNDS_S) - 1)]
    return None


HEADS: Final = (
    "model", "phase", "items", "hot", "RAM", "log", "events", "uncompacted", "reads", "writes",
    "commit p99", "CPU", "RSS", "restarts",
)  # fmt: skip
TEXTS: Final = 2  # so many columns, from the left, are words; the rest are numbers
# What is left out first where a terminal is too narrow for all of it.
LEAST_WANTED: Final = (
    "uncompacted", "events", "hot", "commit p99", "restarts", "CPU", "log", "RSS", "phase"
)  # fmt: skip
GAP: Final = 3  # between two columns, where a table is drawn


def columns_within(width: int, rows: Sequence[Sequence[str]]) -> list[int]:
    """Say which columns of HEADS are to be shown so that a table is no wider than this."""
    widths = [max(map(len, column)) for column in zip(HEADS, *rows, strict=True)]
    shown = list(range(len(HEADS)))
    for head in LEAST_WANTED:
        if sum(widths[at] + GAP for at in shown) <= width + GAP:
            break
        shown.remove(HEADS.index(head))
    return shown


def cells_of(row: ModelRow) -> list[str]:
    """Write a row for people, a cell for each of HEADS."""
    figures = row.figures
    if figures is None:
        return [row.model, row.phase, *[UNKNOWN] * (len(HEADS) - TEXTS)]
    phase = f"{row.phase}, {figures.damaged} damaged" if figures.damaged else row.phase
    p99 = row.commit_p99_s
    return [
        row.model,
        f"{phase}, compacting" if figures.compaction_running else phase,
        f"{figures.item_count:,}",
        f"{figures.hot_count:,}",
        in_units(figures.approx_ram_bytes),
        in_units(figures.raftlog_size_bytes),
        f"{figures.seq:,}",
        f"{figures.events_since_last_compaction:,}",
        _rate(row.reads_per_s, figures.counters.reads),
        _rate(row.writes_per_s, figures.counters.writes),
        UNKNOWN if p99 is None else f"≤ {p99 * 1000:g} ms",
        f"{figures.process.cpu_percent:.0f}%",
        in_units(figures.process.rss_bytes),
        str(figures.process.restarts),
    ]


def _rate(per_s: float | None, total: int) -> str:
    return f"{total:,}" if per_s is None else f"{per_s:,.0f}/s"
