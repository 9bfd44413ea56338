"""What a gateway counts of the requests that it answers, and tells its supervisor.

Law: counting is a few additions to plain lists, whatever was asked; the heartbeat thread may read
while the event loop counts.

    told := {"connections": number, "statuses": {text: number}, "latencies": {method: histogram},
             "streams": {model: {"readers", "events", "lagged": number}}}

A latency is the time from a request's whole head to the first byte of its answer.
"""

from typing import Final

import msgspec

from lithair.core.histogram import Counted, Histogram
from lithair.gateway.routes import METHOD_ORDER

STATUS_MAX: Final = 599
OTHER: Final = "other"  # clients may make up methods, and each would be a series of its own


class StreamFigures(msgspec.Struct, frozen=True):
    """The streams of one model in one gateway."""

    readers: int = 0
    events: int = 0  # given to readers, one for each of them
    lagged: int = 0  # readers who fell behind too far


class GatewayFigures(msgspec.Struct, frozen=True):
    """What one gateway told last."""

    connections: int = 0
    statuses: dict[str, int] = {}
    latencies: dict[str, Counted] = {}
    streams: dict[str, StreamFigures] = {}


class RequestFigures:
    """Counts a gateway's answers by status, and their latencies by method."""

    __slots__ = ("_latencies", "_statuses")

    def __init__(self) -> None:
        self._statuses = [0] * (STATUS_MAX + 1)  # at 0 those of users' handlers that are none
        self._latencies = {method: Histogram() for method in (*METHOD_ORDER, OTHER)}

    def answered(self, method: str, status: int, seconds: float) -> None:
        self._statuses[status if 0 <= status <= STATUS_MAX else 0] += 1
        histogram = self._latencies.get(method)
        if histogram is None:
            histogram = self._latencies[OTHER]
        histogram.add(seconds)

    def told(self, connections: int, streams: dict[str, StreamFigures]) -> dict[str, object]:
        """Give what was counted up to now, as plain maps and lists."""
        listed = enumerate(self._statuses)
        statuses = {str(status or OTHER): count for status, count in listed if count}
        counted = {method: latency.counted() for method, latency in self._latencies.items()}
        latencies = {method: one for method, one in counted.items() if any(one.counts)}
        told: dict[str, object] = msgspec.to_builtins(
            GatewayFigures(connections, statuses, latencies, streams)
        )
        return told
