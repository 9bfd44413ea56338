"""What was answered before: commands by their id, and keyed requests by their key.

Law: a write that was committed is answered again, never applied again: after a lost answer (its
command id comes twice) and for an `Idempotency-Key`. What is kept is bounded; the records of the
log hold everything needed to fill both memories again.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

# A client sends a command again only when the process died, or its connection broke, before the
# answer came: that lies within the newest writes. Twice what one client may have in flight; 5 MB.
COMMANDS_MAX = 1 << 15

KEYED_MAX = 100_000  # later keyed writes after which an answer may be forgotten
KEYED_MS_MAX = 24 * 3600 * 1000


class CommandMemory:
    """The seq that each of the newest commands led to."""

    def __init__(self) -> None:
        self._seqs: dict[bytes, int] = {}
        self._order: deque[bytes] = deque()

    def find(self, command_id: bytes) -> int | None:
        return self._seqs.get(command_id)

    def add(self, command_id: bytes, seq: int) -> None:
        """Remember the first event of a command; the other events of a bulk change nothing."""
        self.add_each((command_id,), (seq,))

    def add_each(self, command_ids: Iterable[bytes], seqs: Iterable[int]) -> None:
        """Remember many, in order, as `add` does each."""
        known, order = self._seqs, self._order
        for command_id, seq in zip(command_ids, seqs, strict=True):
            if command_id and command_id not in known:
                known[command_id] = seq
                order.append(command_id)
        while len(order) > COMMANDS_MAX:
            del known[order.popleft()]


class Keyed(NamedTuple):
    """A keyed write that was answered: the seq of its first event tells the answer."""

    body_hash: bytes
    seq: int
    time_ms: int


class KeyMemory:
    """The keyed writes of the last 24 hours, 100,000 at most."""

    def __init__(self) -> None:
        self._answers: dict[bytes, Keyed] = {}
        self._order: deque[tuple[bytes, Keyed]] = deque()

    def find(self, key_hash: bytes, now_ms: int) -> Keyed | None:
        keyed = self._answers.get(key_hash)
        if keyed is None or now_ms - keyed.time_ms > KEYED_MS_MAX:
            return None
        return keyed

    def add(self, key_hash: bytes, keyed: Keyed) -> None:
        known = self._answers.get(key_hash)
        if known is not None and keyed.time_ms - known.time_ms <= KEYED_MS_MAX:
            return  # a further event of the same bulk
        self._answers[key_hash] = keyed
        self._order.append((key_hash, keyed))
        while self._order and (
            len(self._order) > KEYED_MAX or keyed.time_ms - self._order[0][1].time_ms > KEYED_MS_MAX
        ):
            old_hash, old = self._order.popleft()
            if self._answers.get(old_hash) is old:
                del self._answers[old_hash]
