"""Visits: why a reader was let in, and whether he would be again, to see the same.

Law: where that can't be told for now he stays, and it is asked again; where it can, a session or a
token that has ended, and a role whose rights are others now, end his stream. None of it is a use.
"""

from typing import TYPE_CHECKING

from lithair.errors import LithairError
from lithair.gateway.answers import Problem
from lithair.wire.protocol import Verb

if TYPE_CHECKING:
    from lithair.gateway.gate import Gate, Standing
    from lithair.gateway.identity import Identity
    from lithair.gateway.model_site import ModelSite
    from lithair.gateway.streams.answer import StreamRequest


class Visit:
    """One reader's."""

    __slots__ = ("_access", "_identity", "_model", "_standing")

    def __init__(
        self, model: "ModelSite", identity: "Identity", access: str, standing: "Standing | None"
    ) -> None:
        self._model = model
        self._identity = identity
        self._access = access
        self._standing = standing

    @property
    def token_hash(self) -> str:
        """Give what names his session or token; "" where neither let him in."""
        return "" if self._standing is None else self._standing.token_hash

    @property
    def is_for_good(self) -> bool:
        """Tell whether nothing can happen that would end it."""
        return self._standing is None and self._model.roles is None

    async def holds(self) -> bool:
        """Ask whether he would be let in again, to see the same."""
        standing, identity = self._standing, self._identity
        if standing is not None:
            try:
                found = await standing.source.look(standing.token_hash)
            except LithairError:
                return True
            if found is None:
                return False
            identity = found
        try:
            return self._model.access(identity, Verb.EVENTS) == self._access
        except Problem:
            return False


def visit_of(gate: "Gate", request: "StreamRequest") -> Visit:
    """Make the visit of somebody who was let in."""
    identity, _, _, access = request.asker
    standing = gate.standing(identity, request.headers, request.is_tls)
    return Visit(request.model, identity, access, standing)
