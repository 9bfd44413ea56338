"""Logs that are compacted: a model process's steps by hand, and what an opened log then holds."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from lithair.core.event import Event, EventKind, Position
from lithair.core.frame import records_in
from lithair.core.idempotency import COMMANDS_MAX, CommandMemory, Keyed, KeyMemory
from lithair.core.record import payload_of
from lithair.core.upgrade import Upgrade
from lithair.storage.compaction import CompactionPlan, PresentForm, compact
from lithair.storage.event_log import EventLog, LogOptions, LogStamp
from lithair.storage.files import Files
from tests.storage.samples import ALWAYS, DIRECTORY, NOW_MS, STAMP, Fact, Replayed, Writer, fact_of

_turns = itertools.count()

SEQ: Final = 0  # of a fact
TIME_MS: Final = 1
KIND: Final = 2
KEY: Final = 4
PAYLOAD: Final = 5
COMMAND_ID: Final = 6
KEY_HASH: Final = 7
BODY_HASH: Final = 8


def nothing_done(_done: int, _total: int) -> None:
    pass


def no_upgrade(_fingerprint: bytes, _description: bytes) -> Upgrade | None:
    return None


def subject_of(payload: bytes) -> bytes:
    return b"[%b]" % payload[len(b'{"subject":') : -1]


FORM = PresentForm(*STAMP, (), subject_of, no_upgrade)
KEEPING_FORM = FORM._replace(kept=("subject",))


def opened_log(
    files: Files, options: LogOptions = ALWAYS, stamp: LogStamp = STAMP
) -> tuple[EventLog, "Held"]:
    """Open a log, compacted or not, and take in all it holds."""
    log = EventLog.open(files, DIRECTORY, stamp, options, NOW_MS)
    try:
        held = Held(log)
        held.take_snapshot()
        held.take_frames()
    except BaseException:
        log.close()
        raise
    return log, held


def writer_of(log: EventLog, held: "Held", facts: list[Fact], seed: int) -> Writer:
    """Give what goes on writing a log that was compacted; `facts` are all that it ever held."""
    writer = Writer(log, Replayed(), seed)
    writer.facts = list(facts)
    writer.last = dict(held.last)
    writer.alive = {key: fact[PAYLOAD] for key, fact in held.items.items()}
    return writer


def compact_log(
    files: Files,
    log: EventLog,
    *,
    keep_history: bool = False,
    between: Callable[[str], None] = lambda _step: None,
    form: PresentForm = FORM,
) -> str:
    """Do what a model process does, step by step; `between` is called with each one's name.

    Gives the snapshot's name, or nothing where nothing was new.
    """
    cut = log.seal()
    if cut == log.cut:
        return ""
    between("sealed")
    plan = CompactionPlan(cut, NOW_MS, keep_history or log.has_archive)
    name = compact(files, DIRECTORY, plan, form, nothing_done)
    between("merged")
    log.stage(name)
    between("staged")
    paths = log.install(keep_history=plan.keep_history)
    between("installed")
    for path in paths:
        files.remove(path)
    files.sync_directory(DIRECTORY)
    between("removed")
    return name


@dataclass
class Held:
    """What is known after opening: live items in creation order, and what is remembered."""

    log: EventLog
    items: dict[str, Fact] = field(default_factory=dict[str, Fact])
    last: dict[str, Position] = field(default_factory=dict[str, Position])
    commands: CommandMemory = field(default_factory=CommandMemory)
    keys: KeyMemory = field(default_factory=KeyMemory)
    seq: int = 0

    def take_snapshot(self) -> None:
        snapshot = self.log.snapshot
        if snapshot is None:
            return
        for block in snapshot.items():
            homes = map(Position, block.segments, block.offsets)
            rows = zip(block.keys, block.seqs, homes, block.places, block.lengths, strict=True)
            for key, seq, home, place, length in rows:
                event = self.log.read_item(home, place, length)
                assert (event.key, event.seq) == (key, seq)
                fingerprint = snapshot.header.fingerprint
                record = self.log.read_at_hand(place, *home, length, fingerprint)
                assert record is not None
                if not event.author:
                    assert payload_of(record, seq, key) == event.payload
                found = snapshot.find(key)
                assert found is not None
                assert fact_of(found) == fact_of(event)
                self.items[key] = fact_of(event)
                self.last[key] = home
        for known in snapshot.remembered():
            hashes = (known.key_hashes, known.body_hashes)
            for row in zip(known.seqs, known.times, known.command_ids, *hashes, strict=True):
                self.remember(*row)
        for graves in snapshot.graves():
            homes = map(Position, graves.segments, graves.offsets)
            self.last.update(zip(graves.keys, homes, strict=True))
        self.seq = snapshot.header.cut

    def take_frames(self) -> None:
        for run in self.log.replay():
            for record in records_in(run.buffer, run.start, run.end):
                self.take(record[2:9] + record[11:])
                self.last[record[6]] = Position(run.segment, run.base_offset + record[0])

    def take(self, fact: Fact) -> None:
        """Take in one more event."""
        assert fact[SEQ] == self.seq + 1
        self.seq = fact[SEQ]
        if fact[KIND] == EventKind.DELETE:
            del self.items[fact[KEY]]
        else:
            self.items[fact[KEY]] = fact
        self.remember(fact[SEQ], fact[TIME_MS], fact[COMMAND_ID], fact[KEY_HASH], fact[BODY_HASH])

    def remember(
        self, seq: int, time_ms: int, command_id: bytes, key_hash: bytes, body_hash: bytes
    ) -> None:
        if seq > self.log.last_seq - COMMANDS_MAX:
            self.commands.add(command_id, seq)
        if key_hash:
            self.keys.add(key_hash, Keyed(body_hash, seq, time_ms))


def expected(log: EventLog, facts: list[Fact]) -> Held:
    """Give what a log has to hold after these events, by a replay of all of them."""
    held = Held(log)
    for fact in facts:
        held.take(fact)
    return held


def check_held(held: Held, facts: list[Fact], one_in: int = 1) -> None:
    """Fail unless a log holds the state after `facts`, in order, and every remembered answer.

    Of the answers one in so many is read, each time others.
    """
    right = expected(held.log, facts)
    assert held.seq == right.seq
    assert list(held.items.items()) == list(right.items.items())
    assert held.commands._seqs == right.commands._seqs
    assert held.keys._answers == right.keys._answers
    by_command: dict[bytes, list[Fact]] = {}
    for fact in facts:
        by_command.setdefault(fact[COMMAND_ID] or b"event %d" % fact[SEQ], []).append(fact)
    seqs = {*right.commands._seqs.values(), *(k.seq for k in right.keys._answers.values())}
    for seq in sorted(seqs)[next(_turns) % one_in :: one_in]:
        fact = facts[seq - 1]
        answered = list(map(fact_of, held.log.command_events(seq)))
        assert answered == by_command[fact[COMMAND_ID] or b"event %d" % seq]


def history(held: Held, key: str) -> list[Fact]:
    """Walk back from an item's last record, a deleted item's too."""
    found: list[Fact] = []
    position: Position | None = held.last[key]
    while position is not None:
        event: Event = held.log.read(position)
        assert event.key == key
        found.append(fact_of(event))
        position = event.prev
    return found[::-1]


def check_history(held: Held, facts: list[Fact]) -> None:
    """Fail unless every event of every item that ever was is found."""
    by_key: dict[str, list[Fact]] = {}
    for fact in facts:
        by_key.setdefault(fact[KEY], []).append(fact)
    for key, right in by_key.items():
        assert history(held, key) == right, key
