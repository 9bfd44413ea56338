"""Import writes: rows become commands in batches, and refusals are sorted out row by row.

    create   a row whose id is taken by an item with other values is bad
    upsert   it changes that item: the fields that it names (JSON Merge Patch)
    replace  it takes that item's place

Law: a batch is settled when each of its rows was committed, found there, or refused with a reason.
What is not a row's fault (no server, no room) ends the import instead. Two rows with one id never
share a batch, so that they are written in their order.
"""

import re
from concurrent.futures import Future
from typing import Any, Final, NamedTuple

import msgspec

from lithair.cli.import_book import Counts, ImportBook
from lithair.cli.row_formats import Row
from lithair.cli.same_values import SameValues
from lithair.cli.served import Served
from lithair.client.calls import Call
from lithair.client.raw import Raw
from lithair.core.decide import HookFailed
from lithair.errors import Conflict, Dropped, FieldError, LithairError, NotFound
from lithair.wire.messages import Reply
from lithair.wire.protocol import Verb

CREATE: Final = "create"
UPSERT: Final = "upsert"
REPLACE: Final = "replace"

BATCH_ROWS_MAX: Final = 1000
BATCH_BYTES_MAX: Final = 1 << 20  # a few ms of the model's process, which others wait for
IN_FLIGHT_MAX: Final = 128  # reads, or changes of single items, that are waited for together
PLACE: Final = re.compile(r"\[(\d+)\]\.?(.*)")
HOOK_FAILED: Final = str(HookFailed(Exception()))
INVALID: Final = 422
# Of a row, or of a batch of them; any other status says something of the server.
OF_ROWS: Final = frozenset((400, 409, 413, 422))

_encode: Final = msgspec.json.Encoder().encode


class Entry(NamedTuple):
    """A row that is to be written."""

    number: int
    row: Row
    key: str
    item: bytes
    is_named: bool  # its id was made by us, of this very input


class Refused(NamedTuple):
    """A row that is not written, and why."""

    number: int
    row: Row
    reason: str
    errors: tuple[FieldError, ...] = ()


class Batch:
    """Rows that are settled together."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.refused: list[Refused] = []
        self.keys: set[str] = set()
        self.size_bytes = 0
        self.last_row = 0
        self.chain = b""

    @property
    def is_full(self) -> bool:
        count = len(self.entries) + len(self.refused)
        return count >= BATCH_ROWS_MAX or self.size_bytes >= BATCH_BYTES_MAX

    def add(self, entry: Entry | Refused) -> None:
        if isinstance(entry, Refused):
            self.refused.append(entry)
            return
        self.entries.append(entry)
        self.keys.add(entry.key)
        self.size_bytes += len(entry.item)


class Sent(NamedTuple):
    """A batch under way, as one command."""

    batch: Batch
    call: Call[None]
    asked: "Future[Reply]"


class ImportWrites:
    """Writes batches, one at a time."""

    def __init__(self, served: Served, book: ImportBook, mode: str) -> None:
        self._served = served
        self._book = book
        self._mode = mode
        self._same = SameValues(served.described)
        self._counts = Counts()
        self._refused: list[Refused] = []
        self._seq = 0

    def send(self, batch: Batch) -> Sent | None:
        """Begin to write a batch, where that is one command; `settle` does the rest."""
        if self._mode != CREATE or not batch.entries:
            return None
        call = self._call(Verb.BULK, batch.entries)
        return Sent(batch, call, self._served.start(call))

    def settle(self, batch: Batch, sent: Sent | None) -> Counts:
        """Write what is left of a batch, and keep how far that is."""
        self._counts, self._refused = Counts(), list(batch.refused)
        if sent is not None:
            self._create(batch.entries, sent)
        elif batch.entries:
            self._put(batch.entries)
        self._refused.sort(key=lambda refused: refused.number)
        self._counts.bad = len(self._refused)
        if self._refused:
            self._book.refused.append(b"".join(map(_line, self._refused)))
        self._book.keep(batch.last_row, batch.chain, self._seq, self._counts)
        return self._counts

    # One batch, in one mode

    def _put(self, entries: list[Entry]) -> None:
        """Write rows of which some may be there."""
        taken = self._taken(entries)
        if self._mode == REPLACE:
            self._replace(entries, taken)
            return
        if self._mode == CREATE:
            left = self._compare([entry for entry in entries if entry.key in taken])
        else:
            left = self._change([entry for entry in entries if entry.key in taken])
        self._create([*left, *(entry for entry in entries if entry.key not in taken)])

    def _create(self, entries: list[Entry], sent: Sent | None = None) -> None:
        """Create items; those that turn out to be there are looked at one by one."""
        if not entries:
            return
        try:
            if sent is None:
                self._do(self._call(Verb.BULK, entries))
            else:
                self._take(sent.call, sent.asked)
        except LithairError as error:
            if isinstance(error, Conflict) and self._taken(entries):
                self._put(entries)
                return
            for part in self._sorted_out(entries, error):
                self._create(part)
            return
        self._counts.created += len(entries)

    def _replace(self, entries: list[Entry], taken: set[str]) -> None:
        if not entries:
            return
        try:
            self._do(self._call(Verb.UPSERT, entries))
        except LithairError as error:
            for part in self._sorted_out(entries, error):
                self._replace(part, taken)
            return
        were_there = sum(entry.key in taken for entry in entries)
        self._counts.changed += were_there
        self._counts.created += len(entries) - were_there

    def _change(self, entries: list[Entry]) -> list[Entry]:
        """Change items that are there, each by itself; gives the rows whose items have gone."""
        gone: list[Entry] = []
        for begin in range(0, len(entries), IN_FLIGHT_MAX):
            asked: list[tuple[Entry, Call[None], Future[Reply]]] = []
            for entry in entries[begin : begin + IN_FLIGHT_MAX]:
                command_id = self._book.command_id(b"%d" % entry.number, entry.item)
                call = self._served.calls.change(entry.key, entry.item, command_id)
                asked.append((entry, call, self._served.start(call)))
            for entry, call, reply in asked:
                try:
                    self._take(call, reply)
                    self._counts.changed += 1
                except NotFound:
                    gone.append(entry)
                except LithairError as error:
                    self._refuse_one(entry, error)
        return gone

    def _compare(self, entries: list[Entry]) -> list[Entry]:
        """Look at items that are there; gives the rows whose items have gone since."""
        ours = [entry for entry in entries if entry.is_named]  # an earlier try has made them
        self._counts.unchanged += len(ours)
        others = [entry for entry in entries if not entry.is_named]
        gone: list[Entry] = []
        for begin in range(0, len(others), IN_FLIGHT_MAX):
            asked: list[tuple[Entry, Call[Raw | None], Future[Reply]]] = []
            for entry in others[begin : begin + IN_FLIGHT_MAX]:
                call = self._served.calls.get(entry.key, None)
                asked.append((entry, call, self._served.start(call)))
            for entry, call, reply in asked:
                item = self._served.result(call, reply)
                if item is None:
                    gone.append(entry)
                else:
                    self._compare_one(entry, item)
        return gone

    def _compare_one(self, entry: Entry, item: Raw) -> None:
        other = self._same.differences(entry.item, bytes(item))
        if not other:
            self._counts.unchanged += 1
            return
        reason = (
            f"there is an item {entry.key!r} already, with other values of {', '.join(other)};"
            " --upsert changes it, --replace takes its place"
        )
        self._refused.append(Refused(entry.number, entry.row, reason))

    # Refusals

    def _sorted_out(self, entries: list[Entry], error: LithairError) -> list[list[Entry]]:
        """Take out the rows that an error is about; gives what is to be tried again, in parts.

        Raises the error when it is none of a row.
        """
        if not _is_of_rows(error):
            raise error
        faults: dict[int, list[FieldError]] = {}
        for fault in error.errors:
            match = PLACE.fullmatch(fault.field)
            if match is not None and int(match[1]) < len(entries):
                faults.setdefault(int(match[1]), []).append(FieldError(match[2], fault.message))
        if not faults:
            if len(entries) == 1:
                self._refused.append(Refused(entries[0].number, entries[0].row, str(error)))
                return []
            half = len(entries) // 2
            return [entries[:half], entries[half:]]
        for place, found in faults.items():
            entry = entries[place]
            reason = "; ".join(f"{e.field}: {e.message}" if e.field else e.message for e in found)
            self._refused.append(Refused(entry.number, entry.row, reason, tuple(found)))
        if error.status == INVALID:  # it names all of them
            return [[entry for place, entry in enumerate(entries) if place not in faults]]
        first = min(faults)
        return [entries[:first], entries[first + 1 :]]

    def _refuse_one(self, entry: Entry, error: LithairError) -> None:
        if not _is_of_rows(error):
            raise error
        self._refused.append(Refused(entry.number, entry.row, str(error), error.errors))

    # Calls

    def _taken(self, entries: list[Entry]) -> set[str]:
        """Ask which of these ids there are."""
        ids = [entry.key for entry in entries]
        found = self._served.ask(self._served.calls.exist(ids))
        return {key for key, is_there in zip(ids, found, strict=True) if is_there}

    def _call(self, verb: Verb, entries: list[Entry]) -> Call[None]:
        body = b"[%b]" % b",".join([entry.item for entry in entries])
        command_id = self._book.command_id(b"%d" % entries[0].number, body)
        return self._served.calls.put_all(verb, body, command_id)

    def _do(self, call: Call[None]) -> None:
        self._take(call, self._served.start(call))

    def _take(self, call: Call[Any], asked: "Future[Reply]") -> None:  # Any: no matter what
        try:
            self._served.result(call, asked)
        except Dropped:
            pass  # it was done before, and a compaction has merged its events since
        self._seq = max(self._seq, asked.result().seq)


def _is_of_rows(error: LithairError) -> bool:
    """Tell whether an error is about what a row says, hooks' refusals included."""
    return (
        error.status in OF_ROWS
        or str(error) == HOOK_FAILED
        or any(PLACE.fullmatch(fault.field) for fault in error.errors)
    )


def _line(refused: Refused) -> bytes:
    """Write a row that was refused, as an object with the row in it."""
    told: dict[str, object] = {"row": refused.row.place, "reason": refused.reason}
    if refused.errors:
        told["errors"] = [{"field": e.field, "message": e.message} for e in refused.errors]
    try:
        msgspec.json.decode(refused.row.item)
        told["item"] = msgspec.Raw(refused.row.item)
    except (msgspec.DecodeError, UnicodeDecodeError):
        told["text"] = refused.row.source.decode("utf-8", "replace")
    return _encode(told) + b"\n"
