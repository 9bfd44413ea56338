"""A log that crashes again and again, in any way, keeps what it acknowledged all along."""

import random

import pytest

from lithair.errors import StorageFull, SyncFailed
from lithair.storage.event_log import LogOptions
from lithair.storage.verify import verify
from tests.storage.samples import DIRECTORY, STAMP, WIDER_STAMP, Fact, Writer, fact_of, opened
from tests.support.simulated_files import Failure, SimulatedFiles

LIVES = 25
PLENTY = 1 << 40


class Life:
    """One life of a log: opened, written for a while, and ended somehow."""

    def __init__(self, disk: SimulatedFiles, rng: random.Random) -> None:
        self.disk = disk
        self.rng = rng
        options = LogOptions(
            segment_bytes_max=rng.choice((300, 2000, 9000)),
            durability=rng.choice(("always", "always", "interval", "os")),
            lock_wait_s=0,
        )
        stamp = rng.choice((STAMP, STAMP, WIDER_STAMP))
        self.log, found = opened(disk, options, stamp)
        self.writer = Writer(self.log, found, rng.randrange(1 << 30))
        self.committed = self.log.synced_seq

    def write(self) -> None:
        """Write some batches; the disk may fill up, take bytes singly, or fail a sync."""
        for _ in range(self.rng.randrange(12)):
            self.disk.write_bytes_max = self.rng.choice((17, PLENTY))
            draw = self.rng.random()
            if draw < 0.05:
                self.disk.capacity_bytes = self.disk.used_bytes() + self.rng.randrange(200)
            elif draw < 0.07:
                self.disk.failures = [Failure(5, self.rng.choice(("sync", "write", "create")))]
            try:
                self.writer.append(self.writer.batch())
                if self.rng.random() < 0.2:
                    self.log.sync()
            except StorageFull:
                self.disk.capacity_bytes = PLENTY
            except SyncFailed:
                break
        self.committed = self.log.synced_seq

    def end(self) -> tuple[SimulatedFiles, int]:
        """End it; give the disk of the next life, and how many events must be there."""
        rng, disk = self.rng, self.disk
        how = rng.choice(("closed", "killed", "power", "power", "holes"))
        if how == "closed":
            try:
                self.log.close()
                self.committed = self.log.last_seq
            except SyncFailed:
                pass
            return disk.fork(), self.log.last_seq
        if how == "killed":
            return disk.fork(), self.log.last_seq
        pages = sorted(rng.sample(range(8), rng.randrange(4))) if how == "holes" else []
        kept = rng.choice((0, rng.randrange(1, 4000), 1 << 30))
        names = rng.randrange(len(disk.name_changes) + 1)
        return disk.after_power_loss(kept, names, pages), self.committed


@pytest.mark.parametrize("seed", range(30))
def test_no_life_loses_what_an_earlier_one_acknowledged(seed: int) -> None:
    rng = random.Random(seed)
    disk, least = SimulatedFiles(), 0
    facts: list[Fact] = []
    for _ in range(LIVES):
        life = Life(disk, rng)
        assert least <= life.log.last_seq
        assert life.writer.facts[:least] == facts[:least]
        life.write()
        for fact, place in zip(life.writer.facts, life.writer.places, strict=True):
            assert fact_of(life.log.read(*place)) == fact
        facts = life.writer.facts
        disk, least = life.end()
        assert verify(disk, DIRECTORY, lambda _done, _all: None).is_sound
