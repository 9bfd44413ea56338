"""References: asking other models' processes whether the items that a write refers to exist.

Law: a parked command waits for at most `LOOKUP_MS`, then it is refused with 503; nothing else waits
for it. The other process answers from its committed state, whatever it is waiting for itself, so
two models that refer to each other can't block each other.
"""

from collections.abc import Callable, Iterable

import msgspec

from lithair.core.command import Command, Reference
from lithair.core.problem import Refusal
from lithair.transport.request_client import RequestClient
from lithair.wire.messages import Reply
from lithair.wire.protocol import Verb

LOOKUP_MS = 1000
PARKED_MAX = 4096  # commands that wait for other models; past it writers had better come back

_decode = msgspec.json.Decoder(list[bool]).decode


class _Parked(msgspec.Struct):
    command: Command
    left: set[Reference]
    until_ms: int


class References:
    """The commands that wait for other models, and the connections to those.

    `connect` gives the client of a model by its class name. `resume` takes a command whose
    references are all known; `refuse` one that waited too long.
    """

    def __init__(
        self,
        connect: Callable[[str], RequestClient],
        resume: Callable[[Command], None],
        refuse: Callable[[Command, Refusal], None],
    ) -> None:
        self._connect = connect
        self._resume = resume
        self._refuse = refuse
        self._clients: dict[str, RequestClient] = {}
        self._parked: list[_Parked] = []
        self._first_parked_ms: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._parked)

    @property
    def clients(self) -> Iterable[RequestClient]:
        return self._clients.values()

    def park(self, parked: list[tuple[Command, frozenset[Reference]]], now_ms: int) -> None:
        """Keep commands back and ask for what they refer to: one question per model."""
        wanted: dict[str, set[str]] = {}
        for command, references in parked:
            if len(self._parked) >= PARKED_MAX:
                self._refuse(command, Refusal(503, "Too many writes wait for other models"))
                continue
            # A hook may refer to something else when it runs again: the time counts from the first.
            until = self._first_parked_ms.setdefault(command.command_id, now_ms) + LOOKUP_MS
            self._parked.append(_Parked(command, set(references), until))
            for model, key in references:
                wanted.setdefault(model, set()).add(key)
        for model, keys in wanted.items():
            self._ask(model, sorted(keys), now_ms)

    def _ask(self, model: str, keys: list[str], now_ms: int) -> None:
        client = self._clients.get(model)
        if client is None:
            client = self._clients[model] = self._connect(model)

        def answered(reply: Reply) -> None:
            if reply.status == 200:
                self._learn(model, dict(zip(keys, _decode(reply.body), strict=True)))

        client.ask_read(Verb.EXISTS, now_ms + LOOKUP_MS, "", keys, answered)
        client.flush(now_ms)

    def _learn(self, model: str, known: dict[str, bool]) -> None:
        ready: list[Command] = []
        for parked in self._parked:
            found = {(m, key) for m, key in parked.left if m == model and key in known}
            if found:
                parked.command.known = parked.command.known | {r: known[r[1]] for r in found}
                parked.left -= found
                if not parked.left:
                    ready.append(parked.command)
        self._parked = [parked for parked in self._parked if parked.left]
        for command in ready:
            self._resume(command)

    def tick(self, now_ms: int) -> None:
        """Let connections resend what is overdue, and refuse commands that waited too long."""
        for client in self._clients.values():
            client.tick(now_ms)
        late = [parked for parked in self._parked if now_ms > parked.until_ms]
        if not late:
            return
        self._parked = [parked for parked in self._parked if now_ms <= parked.until_ms]
        for parked in late:
            names = ", ".join(sorted({model for model, _ in parked.left}))
            self._refuse(
                parked.command, Refusal(503, f"{names} did not say in time whether the items exist")
            )

    def forget(self, command: Command) -> None:
        """Drop what is kept of a command that was decided."""
        self._first_parked_ms.pop(command.command_id, None)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
