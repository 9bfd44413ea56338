"""Deciding: a batch of commands becomes events and outcomes, on an overlay, committing nothing.

Law: each command sees what the earlier ones of its batch lead to; a refused one leaves no trace; a
command or key that was answered before is answered again and writes nothing.
"""

import datetime as dt
from collections.abc import Callable

import msgspec

from lithair.core.command import Action, Command, Outcome, Plan, Reference
from lithair.core.event import Event, EventKind, Flags
from lithair.core.idempotency import CommandMemory, KeyMemory
from lithair.core.overlay import Overlay, Present
from lithair.core.problem import Refusal, problem_of
from lithair.core.rules import ItemRules
from lithair.core.validation import invalid
from lithair.errors import FieldError, LithairError
from lithair.model import Model

GROUP_ITEMS_MAX = 100_000  # of one bulk: it is decided in one go, and reads wait for that
GROUP_BYTES_MAX = 128 << 20  # of one bulk as stored: one frame of the log carries it


class HookFailed(LithairError):
    """A hook raised something other than `Rejected`; the message says no more, the log does."""

    def __init__(self, fault: BaseException) -> None:
        super().__init__("The server failed while it checked this write", status=500)
        self.fault = fault


class _Parked(Exception):
    """The command refers to items of other models that were not looked up yet."""

    def __init__(self, references: frozenset[Reference]) -> None:
        super().__init__()
        self.references = references


class Decision:
    """Decides one batch. Time and the maker of new ids are given: nothing here reads a clock."""

    def __init__(
        self,
        rules: ItemRules,
        overlay: Overlay,
        memories: tuple[CommandMemory, KeyMemory],
        now_ms: int,
        new_id: Callable[[], str],
    ) -> None:
        self.plan = Plan(events=overlay.events)
        self._rules = rules
        self._reader = rules.reader
        self._views = rules.views
        self._overlay = overlay
        self._commands, self._keys = memories
        self._has_neighbours = rules.has_references or overlay.has_uniques
        self._now_ms = now_ms
        self._now = dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC)
        self._new_id = new_id
        self._by_command: dict[bytes, Outcome] = {}
        self._by_key: dict[bytes, Outcome] = {}

    def take(self, command: Command) -> None:
        """Decide one more command of the batch."""
        decided = len(self.plan.events)
        try:
            outcome = self._repeated(command)
            if outcome is None:
                outcome = _ACTIONS[command.action](self, command)
        except _Parked as parked:
            self._overlay.take_back(decided)
            self.plan.parked.append((command, parked.references))
            return
        except LithairError as error:
            self._overlay.take_back(decided)
            fault = error.fault if isinstance(error, HookFailed) else None
            outcome = Outcome(command, error.status, problem_of(error), fault=fault)
        if outcome.events:
            command_id = command.command_id
            if command_id:
                self._by_command[command_id] = outcome
            if command.idempotency:
                self._by_key[command.key_hash] = outcome
        self.plan.outcomes.append(outcome)

    def _repeated(self, command: Command) -> Outcome | None:
        """Find out whether this command, or its key, was carried out before."""
        command_id = command.command_id
        first = self._by_command.get(command_id)
        seq = self._commands.find(command_id)
        if seq is not None and command_id:
            return Outcome(command, repeat_of=seq)
        if first is None and command.idempotency:
            first = self._by_key.get(command.key_hash)
            if first is not None and first.command.body_hash != command.body_hash:
                raise _other_body()
            keyed = self._keys.find(command.key_hash, self._now_ms)
            if first is None and keyed is not None:
                if keyed.body_hash != command.body_hash:
                    raise _other_body()
                return Outcome(command, repeat_of=keyed.seq)
        return None if first is None else Outcome(command, events=first.events)

    # Each of these refuses by raising; what it returns names the events it has added.

    def _create(self, command: Command) -> Outcome:
        return Outcome(command, events=(self._create_item(command, command.body),))

    def _create_item(self, command: Command, body: bytes) -> int:
        rules = self._rules
        item = rules.created(self._views[command.access], body)
        key = item.id
        if not key:
            key = self._new_id()
            rules.set_id(item, key)
        if self._overlay.holds(key):
            raise Refusal(409, f"There is an item with the id {key!r} already")
        if rules.has_times:
            rules.stamp(item, self._now, None)
        if rules.has_hooks:
            payload = self._hooked(rules.handler.before_create, item)
        else:
            payload = self._reader.encode(item)
        return self._store(command, EventKind.CREATE, key, payload, None)

    def _replace(self, command: Command) -> Outcome:
        before = self._found(command)
        return self._update(command, before, self._rules.replacing(command, before.payload))

    def _patch(self, command: Command) -> Outcome:
        before = self._found(command)
        return self._update(command, before, self._rules.patched(command, before.payload))

    def _update(self, command: Command, before: Present, item: Model) -> Outcome:
        return Outcome(command, events=(self._update_item(command, before, item),))

    def _update_item(self, command: Command, before: Present, item: Model) -> int:
        if not item.id:
            self._rules.set_id(item, command.key)
        elif item.id != command.key:
            name = self._rules.schema.key.wire
            raise invalid([FieldError(name, f"is {item.id!r}, but the item is {command.key!r}")])
        if not self._rules.needs_old:
            payload = self._reader.encode(item)
        else:
            old = self._rules.stored(before.payload)
            self._rules.check_immutable(old, item)
            self._rules.stamp(item, self._now, old)
            if self._rules.has_hooks:
                payload = self._hooked(self._rules.handler.before_update, old, item)
                self._rules.check_immutable(old, self._rules.stored(payload))
            else:
                payload = self._reader.encode(item)
        return self._store(command, EventKind.UPDATE, command.key, payload, before)

    def _delete(self, command: Command) -> Outcome:
        return self._remove(command, self._found(command))

    def _remove(self, command: Command, before: Present) -> Outcome:
        if self._rules.has_hooks:
            old = self._rules.stored(before.payload)
            try:
                self._rules.handler.before_delete(old)
            except LithairError:
                raise
            except (Exception, SystemExit) as error:  # as in `_hooked`
                raise HookFailed(error) from error
        index = self._store(command, EventKind.DELETE, command.key, before.payload, before)
        return Outcome(command, events=(index,))

    def _bulk(self, command: Command) -> Outcome:
        bodies = self._reader.items(command.body)
        if not bodies:
            return Outcome(command, 201, b"[]")
        return Outcome(command, events=self._each(command, bodies, self._create_item))

    def _upsert(self, command: Command) -> Outcome:
        bodies = self._reader.items(command.body)
        if not bodies:
            return Outcome(command, 200, b'{"count":0}')
        return Outcome(command, events=self._each(command, bodies, self._put_item))

    def _each(
        self,
        command: Command,
        bodies: list[bytes],
        act: Callable[[Command, bytes], int],
    ) -> tuple[int, ...]:
        """Do the same to each of a group's items; names the faults of all that are not valid."""
        if len(bodies) > GROUP_ITEMS_MAX:
            raise Refusal(
                413, f"{len(bodies)} items; one group takes {GROUP_ITEMS_MAX}: send several"
            )
        events: list[int] = []
        faults: list[FieldError] = []
        missing: set[Reference] = set()
        for number, body in enumerate(bodies):
            try:
                events.append(act(command, body))
            except _Parked as parked:
                missing |= parked.references
            except HookFailed:
                raise
            except LithairError as refusal:
                if refusal.status != 422:
                    message = f"[{number}]: {refusal}"
                    raise Refusal(refusal.status, message, _in_item(number, refusal)) from None
                faults += _in_item(number, refusal)
        if faults:
            raise invalid(faults)
        if sum(len(self.plan.events[index].payload) for index in events) > GROUP_BYTES_MAX:
            raise Refusal(413, f"More than {GROUP_BYTES_MAX} bytes with all defaults: send several")
        if missing:
            raise _Parked(frozenset(missing))
        return tuple(events)

    def _put_item(self, command: Command, body: bytes) -> int:
        item = self._reader.item(body)
        before = self._overlay.find(item.id) if item.id else None
        if before is None:
            return self._create_item(command, body)
        keyed = msgspec.structs.replace(command, key=item.id)
        return self._update_item(keyed, before, item)

    def _upsert_at(self, command: Command) -> Outcome:
        item = self._reader.item(command.body)
        if not item.id:
            self._rules.set_id(item, command.key)
        before = self._overlay.find(command.key)
        if before is not None:
            return self._update(command, before, item)
        if item.id != command.key:
            name = self._rules.schema.key.wire
            raise invalid([FieldError(name, f"is {item.id!r}, but the item is {command.key!r}")])
        body = self._reader.encode(item)
        return Outcome(command, events=(self._create_item(command, body),))

    def _erase(self, command: Command) -> Outcome:
        before = self._overlay.find(command.key)
        if before is None:
            return Outcome(command, 200, b"false")
        return self._remove(command, before)

    def _found(self, command: Command) -> Present:
        """Find the item that a command is about: 404 comes before 412."""
        present = self._overlay.find(command.key)
        if present is None or not self._views[command.access].reaches(present.payload):
            raise Refusal(404, f"There is no item {command.key!r}")
        match = command.if_match
        if isinstance(match, tuple) and present.seq not in match:
            raise Refusal(
                412, f'The item has changed: its ETag is "{present.seq}". Read it again first'
            )
        return present

    def _hooked(self, hook: Callable[..., object], *items: Model) -> bytes:
        """Run a hook on items, the last of which is to be stored; gives its JSON, checked again."""
        key = items[-1].id
        try:
            changed = hook(*items)
            if type(changed) is not self._rules.schema.model or changed.id != key:
                raise TypeError(f"the hook must return the item to store, with id {key!r}")
            return self._reader.stored(changed)
        except LithairError:
            raise
        except (Exception, SystemExit) as error:  # a user's code: its fault ends this command alone
            raise HookFailed(error) from error

    def _store(
        self, command: Command, kind: EventKind, key: str, payload: bytes, before: Present | None
    ) -> int:
        """Check what concerns other items, then add the event."""
        if self._has_neighbours and kind != EventKind.DELETE:
            missing = self._rules.missing_references(payload, key, command, self._overlay, before)
            if missing:
                raise _Parked(missing)
            if self._overlay.has_uniques:
                self._check_unique(payload, key)
        flags = _FLAGS.get(command.action, 0)
        event = Event(0, self._now_ms, kind, key, payload, command.command_id, flags)
        event.author = self._views[command.access].author
        if command.idempotency:
            event.key_hash, event.body_hash = command.key_hash, command.body_hash
            event.status = _STATUS[kind]
        return self._overlay.add(event, before)

    def _check_unique(self, payload: bytes, key: str) -> None:
        taken = [
            FieldError(wire, "is the value of another item")
            for wire, value in self._overlay.unique_values(payload)
            if self._overlay.holder(wire, value) not in (None, key)
        ]
        if taken:
            raise Refusal(409, "A unique value is taken", taken)


def _in_item(number: int, refusal: LithairError) -> list[FieldError]:
    """Say of which item of a group the faults are: `[0].title` of the first."""
    listed = refusal.errors or (FieldError("", str(refusal)),)
    return [FieldError(f"[{number}].{e.field}".rstrip("."), e.message) for e in listed]


def _other_body() -> Refusal:
    return Refusal(422, "This Idempotency-Key was used before with another body; use a new key")


_STATUS = {EventKind.CREATE: 201, EventKind.UPDATE: 200, EventKind.DELETE: 204}
_FLAGS = {
    Action.BULK: Flags.BULK,
    Action.UPSERT: Flags.BULK | Flags.REPLICATED,
    Action.UPSERT_AT: Flags.REPLICATED,
    Action.ERASE: Flags.REPLICATED,
}
_ACTIONS: dict[Action, Callable[[Decision, Command], Outcome]] = {
    Action.CREATE: Decision._create,
    Action.REPLACE: Decision._replace,
    Action.PATCH: Decision._patch,
    Action.DELETE: Decision._delete,
    Action.BULK: Decision._bulk,
    Action.UPSERT: Decision._upsert,
    Action.UPSERT_AT: Decision._upsert_at,
    Action.ERASE: Decision._erase,
}
