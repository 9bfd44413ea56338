"""Whatever a crash leaves: recovery gives what was acknowledged, and no part of a batch.

A script of several hundred batches is run once on the simulated disk; before each of its storage
calls the disk is kept, with what was acknowledged by then. Each kept disk is then opened as a
killed process leaves it, and as a power loss leaves it with every prefix of the unsynced bytes.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from lithair.storage.event_log import LogOptions
from tests.fault.tally import Tally
from tests.storage.samples import (
    ALWAYS,
    DIRECTORY,
    INTERVAL,
    STAMP,
    WIDER_STAMP,
    Fact,
    Writer,
    opened,
)
from tests.support.simulated_files import SimulatedFiles

BATCHES = 320
SEEDS = {"always": 1, "interval": 2}
EVERY_BYTE_OF = 32  # one batch in so many is cut at each byte, the others at every 31st
UNSYNCED_BYTES_MAX = 450  # of them, most batches are shorter
tally = Tally()  # 30,000 states when last counted


class Shot(NamedTuple):
    """The disk before a storage call, and what may be there after a crash at that moment."""

    disk: SimulatedFiles
    verb: str
    synced: int  # committed whatever happens
    acknowledged: int  # committed unless the power fails
    in_flight: int  # the last seq that was handed to the log


class Script:
    """A run of the script: the shots, all facts in order, and the seqs where batches end."""

    def __init__(self, options: LogOptions, batches: int = BATCHES) -> None:
        self.options = options
        self.shots: list[Shot] = []
        self.ends = {0}
        self.disk = SimulatedFiles()
        log, found = opened(self.disk, options)
        self.writer = Writer(log, found, SEEDS[options.durability])
        in_flight = 0

        def keep(verb: str, _path: str) -> None:
            self.shots.append(Shot(self.disk.fork(), verb, log.synced_seq, log.last_seq, in_flight))

        self.disk.watch = keep
        for batch in range(batches):
            events = self.writer.batch()
            in_flight = events[-1].seq
            self.ends.add(in_flight)
            self.writer.append(events)
            if options.durability == "interval" and batch % 7 == 6:
                log.sync()
        keep("end", "")
        log.close()
        keep("closed", "")
        self.disk.watch = None

    @property
    def facts(self) -> list[Fact]:
        return self.writer.facts

    def check(self, disk: SimulatedFiles, least: int, most: int) -> int:
        """Open `disk`; fail unless it holds whole batches, from `least` to `most` events."""
        tally.add()
        log, found = opened(disk, self.options)
        seq = log.last_seq
        assert least <= seq <= most, f"{seq} events, where {least} to {most} are right"
        assert seq in self.ends, f"{seq} events: a part of a batch"
        assert found.facts == self.facts[:seq]
        return seq


@pytest.fixture(scope="module", params=[ALWAYS, INTERVAL], ids=["always", "interval"])
def script(request: pytest.FixtureRequest) -> Script:
    options: LogOptions = request.param
    return Script(options)


def test_the_script_has_all_kinds_of_operations(script: Script) -> None:
    kinds = {fact[2] for fact in script.facts}
    assert kinds == {1, 2, 3}
    assert any(fact[7] for fact in script.facts), "keyed writes"
    assert sum(shot.verb == "rename" for shot in script.shots) > 20, "rolls"
    assert len(script.facts) > 300


@tally.at_least(700)
def test_a_kill_at_any_storage_call_loses_nothing(script: Script) -> None:
    for shot in script.shots:
        script.check(shot.disk.fork(), shot.acknowledged, shot.in_flight)


def cuts(shot: Shot, number: int) -> Iterator[int]:
    """Give the prefixes of the unsynced bytes to try; shorter ones than here came up before."""
    pending = shot.disk.pending_bytes()
    step = 1 if number % EVERY_BYTE_OF == 0 else 31
    yield from range(max(0, pending - UNSYNCED_BYTES_MAX) + number % step, pending, step)
    yield pending


@tally.at_least(4_500)
def test_a_power_loss_at_any_storage_call_loses_only_what_was_unsynced(script: Script) -> None:
    for number, shot in enumerate(script.shots):
        for kept in cuts(shot, number):
            for names in range(len(shot.disk.name_changes) + 1):
                disk = shot.disk.after_power_loss(kept, names)
                script.check(disk, shot.synced, shot.in_flight)


@tally.at_least(4_000)
def test_a_log_cut_at_any_byte_of_its_last_three_records_is_a_shorter_log(script: Script) -> None:
    closings = [shot for shot in script.shots if shot.verb in ("end", "closed")]
    quiet = [shot for shot in script.shots if shot.verb == "write"][:: BATCHES // 6]
    for shot in quiet + closings:
        seq = shot.acknowledged
        names = shot.disk.names(DIRECTORY)
        path = f"{DIRECTORY}/{[name for name in names if name.endswith('.raftlog')][-1]}"
        data = shot.disk.names_cached[path].cached
        first = int(path[-28:-8])
        places = script.writer.places
        for cut in range(places[max(first, seq - 2) - 1][0].offset, len(data)):
            whole = sum(
                position.segment == first and position.offset + length <= cut
                for position, length in places[:seq]
            )
            expected = max(end for end in script.ends if end < first + whole)
            script.check(shot.disk.with_bytes(path, data[:cut]), expected, expected)


def recovery_shots(disk: SimulatedFiles, script: Script, wider: bool) -> list[SimulatedFiles]:
    """Recover `disk`, and give it as it was before each storage call of that, and after."""
    shots: list[SimulatedFiles] = []
    disk.watch = lambda _verb, _path: shots.append(disk.fork())
    opened(disk, script.options, WIDER_STAMP if wider else STAMP)
    disk.watch = None
    return [*shots, disk.fork()]


@tally.at_least(2_400)
def test_a_crash_during_recovery_takes_nothing_either(script: Script) -> None:
    busy = [shot for shot in script.shots if shot.disk.pending_bytes() > 60][::16]
    for number, shot in enumerate(busy):
        pending = shot.disk.pending_bytes()
        for disk in (shot.disk.fork(), shot.disk.after_power_loss(pending * 2 // 3)):
            least = script.check(disk.fork(), shot.synced, shot.in_flight)
            for again in recovery_shots(disk, script, wider=number % 2 == 0):
                script.check(again.fork(), least, least)
                for kept in {0, again.pending_bytes() // 2, again.pending_bytes()}:
                    for names in range(len(again.name_changes) + 1):
                        lost = again.after_power_loss(kept, names)
                        script.check(lost, shot.synced, shot.in_flight)
