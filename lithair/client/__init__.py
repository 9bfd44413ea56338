"""Handles: a model from background workers, scripts and other processes of the machine.

with connect() as lithair:
    emails = lithair.model(Email)
"""

from types import TracebackType
from typing import TypeVar, overload

from lithair.client.answers import Compacted, Event, HistoryEntry, Page, Purged, Stats
from lithair.client.calls import PartialItem
from lithair.client.connection import TIMEOUT_S, Connection, RunDir
from lithair.client.handle import Handle
from lithair.client.subscription import Subscription

__all__ = [
    "Client",
    "Compacted",
    "Event",
    "Handle",
    "HistoryEntry",
    "Page",
    "Purged",
    "Stats",
    "Subscription",
    "connect",
]

T = TypeVar("T")


class Client:
    """A connection to one server."""

    def __init__(self, run_dir: RunDir = None, timeout: float = TIMEOUT_S) -> None:
        self._connection = Connection(run_dir, timeout)

    @property
    def run_dir(self) -> str:
        return self._connection.run_dir

    @overload
    def model(self, model: type[T]) -> Handle[T]: ...

    @overload
    def model(self, model: str) -> Handle[PartialItem]: ...

    def model(self, model: type[T] | str) -> Handle[T] | Handle[PartialItem]:
        """Return a handle of a model: by its class with its instances, by its name with dicts."""
        if isinstance(model, str):
            return Handle[PartialItem](model, connection=self._connection)
        return Handle(model, connection=self._connection)

    def close(self) -> None:
        """Close it; calls that still wait are refused."""
        self._connection.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def connect(run_dir: RunDir = None, timeout: float = TIMEOUT_S) -> Client:
    """Connect to the server of a run directory: the argument, LT_RUN_DIR, or ./.lithair.

    `timeout` (seconds) is that of each call. The server may come up later.
    """
    return Client(run_dir, timeout)
