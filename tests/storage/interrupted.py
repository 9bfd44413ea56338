"""Logs whose second compaction ends with its process, at any of its steps."""

import os

import pytest

from lithair.errors import DamagedLog
from lithair.storage.event_log import EventLog
from lithair.storage.verify import Verified, verify
from tests.storage.compacting import (
    check_held,
    compact_log,
    opened_log,
    writer_of,
)
from tests.storage.samples import DIRECTORY, Fact, Writer
from tests.support.simulated_files import SimulatedFiles

ARCHIVE = f"{DIRECTORY}/archive"


class Interrupted(Exception):
    """The process ends here."""


class Compacted:
    """A log that was compacted twice and written to before, between and after."""

    def __init__(self, *, keep_history: bool = False, until: str = "removed") -> None:
        """The second compaction goes `until` a step, and the process ends there."""
        self.disk = SimulatedFiles()
        self.log, held = opened_log(self.disk)
        self.writer: Writer = writer_of(self.log, held, [], 5)
        self.writer.write_all(60)
        compact_log(self.disk, self.log, keep_history=keep_history)
        self.writer.write_all(50)

        def stop(step: str) -> None:
            if step == until:
                self.writer.write_all(20)
                raise Interrupted

        with pytest.raises(Interrupted):
            compact_log(self.disk, self.log, keep_history=keep_history, between=stop)

    @property
    def facts(self) -> list[Fact]:
        return self.writer.facts

    def check(self, disk: SimulatedFiles | None = None) -> EventLog:
        log, held = opened_log(disk or self.disk.fork())
        check_held(held, self.facts)
        return log


def paths(disk: SimulatedFiles, suffix: str, directory: str = DIRECTORY) -> list[str]:
    return [os.path.join(directory, n) for n in disk.names(directory) if n.endswith(suffix)]


def seen(disk: SimulatedFiles) -> Verified:
    return verify(disk, DIRECTORY, lambda _done, _all: None)


def refusal(disk: SimulatedFiles) -> DamagedLog:
    before = {name: inode.cached for name, inode in disk.names_cached.items()}
    with pytest.raises(DamagedLog) as refused:
        opened_log(disk)
    assert {name: inode.cached for name, inode in disk.names_cached.items()} == before
    return refused.value
