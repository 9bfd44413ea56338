"""The guard: what a role may write of an item.

Law: a field that a caller may not write keeps its value. Sending it is a write, unless the caller
may see it and sends the value that it has. What the caller can't see it can't find out by writing
either: whatever is sent for such a field, the answer is the same.

    field is              sent by a creation    sent by a change
    unwritable, seen      403                   403, unless it is the present value
    unwritable, unseen    403                   403
    unreadable, Unique    403                   403: a value that is taken would be told from others
    unreadable, Immutable as any other          422, whatever is sent
    the owner, own items  403, unless it is the caller, who is filled in where it is left out
"""

from collections.abc import Iterable, Mapping

import msgspec

from lithair.core.grants import Grants
from lithair.core.merge import merge_patch
from lithair.core.problem import Refusal
from lithair.core.schema import FieldInfo, Schema
from lithair.core.validation import ItemReader, invalid
from lithair.core.view import View
from lithair.errors import FieldError
from lithair.model import Model

NULL = msgspec.Raw(b"null")

Members = dict[str, msgspec.Raw]

_decode_text = msgspec.json.Decoder(str).decode
_decode_members = msgspec.json.Decoder(Members).decode
_encode = msgspec.json.Encoder().encode


class Guard:
    """Reads what callers with a role write to items of one model; all it does raises `Refusal`."""

    def __init__(self, schema: Schema, reader: ItemReader) -> None:
        self._schema = schema
        self._reader = reader
        self._owner = next((field for field in schema.fields if field.owner), None)

    def created(self, grants: Grants, body: bytes) -> Model:
        """Read an item that is to be created."""
        given = self._reader.fields(body)
        faults: list[FieldError | None] = []
        for field in self._fields(given):
            value = given[field.wire]
            if field.owner and grants.own and value != NULL and not _is_user(grants, value):
                faults.append(FieldError(field.wire, "is another's; leave it out, and it is yours"))
            elif not field.owner or not (grants.own or _is_user(grants, value)):
                faults.append(self._fault(grants, field))
        _refuse(faults)
        owner = self._owner
        if owner is not None and grants.user:
            value = given.get(owner.wire, NULL)
            if owner.wire not in given or (grants.own and value == NULL):
                given[owner.wire] = msgspec.Raw(_encode(grants.user))
        return self._reader.item(_encode(given))

    def replacing(self, view: View, grants: Grants, body: bytes, payload: bytes) -> Model:
        """Read what takes the place of an item.

        What can't be seen or written and is left out stays: an item would lose what its writer
        never knew of.
        """
        given = self._reader.fields(body)
        present = _decode_members(payload)
        kept = view.unseen(payload).union(grants.unwritable)
        if grants.own and self._owner is not None:
            kept |= {self._owner.wire}
        stays = {wire: present[wire] for wire in kept if wire not in given and wire in present}
        self._check(view, grants, given, payload, given)
        return self._item(given | stays, view.unseen(payload) - given.keys())

    def patched(self, view: View, grants: Grants, body: bytes, payload: bytes) -> Model:
        """Read what a patch makes of an item.

        It is applied to what the caller sees: an object it can't see is replaced, not merged with.
        """
        given = self._reader.fields(body)
        covered = view.withheld(payload).intersection(given)
        present = _decode_members(payload)
        seen = {wire: value for wire, value in present.items() if wire not in covered}
        members = _decode_members(merge_patch(self._schema, _encode(seen), body))
        self._check(view, grants, given, payload, members)
        return self._item(members, view.unseen(payload) - given.keys())

    def _check(
        self, view: View, grants: Grants, given: Iterable[str], payload: bytes, members: Members
    ) -> None:
        """Check what is sent against what is there; `members` is what would be stored of it."""
        present = _decode_members(payload)
        unseen, withheld = view.unseen(payload), view.withheld(payload)
        faults: list[FieldError | None] = []
        fixed: list[FieldError] = []
        for field in self._fields(given):
            wire = field.wire
            if grants.own and field.owner:
                if not _is_user(grants, members.get(wire, NULL)):
                    faults.append(FieldError(wire, "is yours; giving it away is not permitted"))
            elif wire not in unseen and self._is_same(field, members, present):
                _restore(members, present, wire)  # of two spellings of one value the stored one
            elif (fault := self._fault(grants, field)) is not None:
                faults.append(fault)
            elif field.immutable and wire in withheld:
                fixed.append(FieldError(wire, "is fixed when the item is created"))
        _refuse(faults)
        if fixed:
            raise invalid(fixed)

    def _item(self, members: Members, quiet: frozenset[str]) -> Model:
        """Read the item; of `quiet` fields, which were not sent, no value is told."""
        try:
            return self._reader.item(_encode(members))
        except Refusal as refusal:
            errors = (
                FieldError(e.field, "is not valid any more") if e.field in quiet else e
                for e in refusal.errors
            )
            raise Refusal(refusal.status, str(refusal), errors) from None

    def _fields(self, given: Iterable[str]) -> list[FieldInfo]:
        """Give the fields that were sent; other names are refused when the item is read."""
        by_wire = self._schema.by_wire
        return [by_wire[wire] for wire in given if wire in by_wire]

    def _fault(self, grants: Grants, field: FieldInfo) -> FieldError | None:
        """Say what a caller lacks to write a field, or to try which of its values are taken."""
        permission, wire = field.permission, field.wire
        if wire in grants.unwritable:
            needed = None if permission is None else permission.write
        elif field.unique and wire in grants.unreadable:
            needed = None if permission is None else permission.read
        else:
            return None
        return FieldError(wire, f"needs the permission {needed}" if needed else "is not permitted")

    def _is_same(self, field: FieldInfo, members: Members, present: Members) -> bool:
        """Tell whether a field would keep its value."""
        ours, theirs = (
            bytes(raw) if raw is not None else field.default_json
            for raw in (members.get(field.wire), present.get(field.wire))
        )
        if ours is None or theirs is None or ours == theirs:
            return ours is not None and ours == theirs
        return self._reader.are_equal(field.wire, ours, theirs)


def _refuse(faults: Iterable[FieldError | None]) -> None:
    listed = [fault for fault in faults if fault is not None]
    if listed:
        raise Refusal(403, "Your role may not write this", listed)


def _restore(members: Members, present: Mapping[str, msgspec.Raw], wire: str) -> None:
    if wire in present:
        members[wire] = present[wire]
    else:
        members.pop(wire, None)


def _is_user(grants: Grants, value: msgspec.Raw) -> bool:
    """Tell whether a value that was sent is the caller's own id."""
    try:
        return grants.user != "" and _decode_text(value) == grants.user
    except msgspec.DecodeError:
        return False
