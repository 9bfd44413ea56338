"""A model as the gateway sees it: its path, the way to its process, and what is known of it.

Law: a question is answered exactly once, by the process or by the link in its place; when the
model is known to have failed, nothing is asked at all.
"""

import asyncio
import itertools
import secrets
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from lithair.core.grants import authored
from lithair.core.problem import problem_body
from lithair.gateway.answers import (
    RETRY_AFTER_FAILED_S,
    RETRY_AFTER_S,
    Prepared,
    Problem,
)
from lithair.gateway.credentials import SAFE_METHODS
from lithair.gateway.gate import OPEN, Rule
from lithair.gateway.identity import ADMIN_ROLE, Identity
from lithair.gateway.model_routes import Question
from lithair.gateway.preconditions import idempotency_hashes
from lithair.gateway.roles import ModelRoles
from lithair.phase import FAILED, STARTING
from lithair.transport.loop_driver import LoopDriver
from lithair.transport.pending import Asked, Pairs
from lithair.transport.sockets import monotonic_ms
from lithair.wire.messages import Reply, Write
from lithair.wire.protocol import COMMAND_ID_BYTES, FIRST_WRITE, PUBLIC, TRUSTED, Verb

UNKNOWN_SEQ: Final = -1

# In whose name a question is asked, its method and its path (what the key of a write belongs to),
# and with which access.
Asker = tuple[Identity, str, str, str]

# A command's id is this process's own random half and a number: no other write ever has it.
_OWN_HALF: Final = secrets.token_bytes(COMMAND_ID_BYTES // 2)
_next_number = itertools.count(1).__next__


class ModelSite:
    """One model of this site."""

    __slots__ = (
        "_link",
        "_timeout_ms",
        "location_prefix",
        "name",
        "path",
        "phase",
        "roles",
        "rule",
        "write_rule",
    )

    def __init__(self, name: str, path: str, link: LoopDriver, timeout_s: float) -> None:
        self.name = name
        self.path = path
        self.location_prefix = quote(path) + "/"
        self.phase = STARTING
        self.rule = Rule.GATED  # unless the gate says something else
        self.write_rule = Rule.GATED  # of what changes something
        self.roles: ModelRoles | None = None
        self._link = link
        self._timeout_ms = max(1, int(timeout_s * 1000))

    @property
    def seq(self) -> int:
        """The highest seq heard of; UNKNOWN_SEQ before anything was heard."""
        client = self._link.client
        return client.seq if client.epoch else UNKNOWN_SEQ

    @property
    def is_private(self) -> bool:
        """Tell whether an answer is for whoever asked, and for nobody else."""
        return self.rule is not OPEN

    @property
    def retry_after_s(self) -> int:
        """How soon asking again is worth it, when it is refused now."""
        return RETRY_AFTER_FAILED_S if self.phase == FAILED else RETRY_AFTER_S

    def rule_of(self, method: str) -> Rule:
        """Give what the gate asks of whoever comes with this method."""
        return self.rule if method in SAFE_METHODS else self.write_rule

    def refusal(self) -> Prepared | None:
        """Give the answer to every question while the model has failed."""
        if self.phase != FAILED:
            return None
        fields = (("Retry-After", str(self.retry_after_s)),)
        return Problem(503, self._failure(), fields).prepared()

    def enter(self, phase: str) -> None:
        """Take what the supervisor says; what waits for a model that failed is refused at once."""
        if phase == FAILED != self.phase:
            self.phase = phase
            self._link.refuse_all(503, self._failure())
        self.phase = phase

    def access(self, identity: Identity, verb: Verb) -> str:
        """Give the access of a request that the gate has let through; raises Problem 403.

        An administrator's write carries his name.
        """
        access = PUBLIC if self.roles is None else self.roles.access(identity, verb)
        if verb >= FIRST_WRITE and identity.role == ADMIN_ROLE:
            return authored(access, identity.author)
        return access

    def ask(
        self,
        question: Question,
        asker: Asker,
        body: bytes,
        on_reply: Callable[[Reply], None],
    ) -> int:
        """Ask the model's process, in the name of whom the gate has let through.

        The answer may come before this returns, when it is a refusal.
        """
        verb, access = question.action.verb, asker[3]
        deadline_ms = monotonic_ms() + self._timeout_ms
        if verb < FIRST_WRITE:
            return self._link.ask_read(verb, deadline_ms, access, _argument(question), on_reply)
        write = Write(
            _OWN_HALF + _next_number().to_bytes(COMMAND_ID_BYTES // 2, "big"),
            question.key,
            body if question.action.takes_body else b"",
            question.if_match,
            _hashes(question.idempotency_key, asker, body),
        )
        return self._link.ask_write(verb, deadline_ms, access, write, on_reply)

    def ask_shortly(
        self,
        verb: Verb,
        argument: str | Pairs,
        access: str,
        body: bytes,
        now_ms: int,
        on_reply: Callable[[Reply], None],
    ) -> int:
        """Ask for an item by its id, for a list, or to write an item, where no more was said."""
        deadline_ms = now_ms + self._timeout_ms
        if not isinstance(argument, str) or verb < FIRST_WRITE:
            return self._link.ask_read(verb, deadline_ms, access, argument, on_reply)
        command_id = _OWN_HALF + _next_number().to_bytes(COMMAND_ID_BYTES // 2, "big")
        write = (command_id, argument, body, None, b"")
        return self._link.ask_write(verb, deadline_ms, access, write, on_reply)

    async def tell(
        self,
        verb: Verb,
        argument: Asked = None,
        timeout_s: float = 0.0,
        access: str = TRUSTED,
    ) -> Reply:
        """Ask in the server's own name, and wait; a refusal is an answer, too.

        The time-out is that of every request, unless another is given; with an access of its own
        a read is answered as whoever has that may see it.
        """
        if self.phase == FAILED:
            return Reply(0, 503, problem_body(503, self._failure()))
        told: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def on_reply(reply: Reply) -> None:
            if not told.done():
                told.set_result(reply)

        wait_ms = int(timeout_s * 1000) or self._timeout_ms
        request_id = self._link.ask_read(verb, monotonic_ms() + wait_ms, access, argument, on_reply)
        try:
            return await told
        finally:
            if not told.done() or told.cancelled():
                self.cancel(request_id)

    def cancel(self, request_id: int) -> None:
        """Nobody waits for the answer any more."""
        self._link.cancel(request_id)

    def _failure(self) -> str:
        return f"{self.name} has failed and is not served for now"


def _argument(question: Question) -> Asked:
    """Give what a read asks about; one item is asked for by its id alone, where that is all."""
    if not question.key:
        return None if question.action.verb is Verb.RANDOM else question.pairs
    return (question.key, question.pairs) if question.pairs else question.key


def _hashes(key: str | None, asker: Asker, body: bytes) -> bytes:
    if key is None:
        return b""
    identity, method, path, _ = asker
    return idempotency_hashes(key, method, path, body, identity.principal)
