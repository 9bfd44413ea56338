"""The admin API's listeners: how far each is, and what is asked of one.

Law: read from the listeners' own files, as `lithair listeners` does, in a thread: the loop waits
for no disk. Items of dead letters stay there: they may hold hidden fields.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from lithair.core.problem import Refusal
from lithair.declaration import Declaration
from lithair.gateway.admin import AdminRequest, answer
from lithair.gateway.admin_overview import Overview
from lithair.gateway.answers import Prepared
from lithair.storage import listener_book
from lithair.storage.dead_letters import Letter
from lithair.storage.listener_book import Found, Place

LETTERS_MAX: Final = 100

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode


class ReplayAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `replay`: which dead letters, all when it is left out."""

    seqs: tuple[int, ...] = ()


class Listeners:
    """What the routes do."""

    def __init__(self, declaration: Declaration, overview: Overview) -> None:
        self._directories = {model.name: model.data_dir for model in declaration.models}
        self._overview = overview

    async def list(self, request: AdminRequest) -> Prepared:
        """List all listeners."""
        doing, seqs = await self._overview.listening()
        places = [
            Place(name, directory, doing, seqs.get(name))
            for name, directory in self._directories.items()
        ]
        rows = await _aside(
            lambda: [row for place in places for row in map(_row, listener_book.listed(place))]
        )
        return answer(200, _encode({"listeners": rows}))

    async def dead_letters(self, request: AdminRequest) -> Prepared:
        """List what a listener has given up, without the items."""
        found = await self._found(request)
        letters = await _aside(lambda: listener_book.dead_letters(found))
        told = {"dead_letters": [*map(_letter, letters[:LETTERS_MAX])], "total": len(letters)}
        return answer(200, _encode(told))

    async def skip(self, request: AdminRequest) -> Prepared:
        """Have the event given up that a listener fails at."""
        found = await self._found(request)
        return _done(found, seq=await _aside(lambda: listener_book.skip(found)))

    async def replay(self, request: AdminRequest) -> Prepared:
        """Have dead letters tried again."""
        body = request.json_body()
        try:
            seqs = () if body is None else msgspec.convert(body, ReplayAsked).seqs
        except msgspec.ValidationError as error:
            raise Refusal(422, f"The body is not what this takes: {error}") from None
        found = await self._found(request)
        return _done(found, seqs=await _aside(lambda: listener_book.replay(found, seqs)))

    async def enable(self, request: AdminRequest) -> Prepared:
        """Have a listener try its event again at once."""
        found = await self._found(request)
        failing = await _aside(lambda: listener_book.enable(found))
        return _done(found, seq=None if failing is None else failing.seq)

    async def _found(self, request: AdminRequest) -> Found:
        name = request.models.find(request.segments["model"]).name
        place = Place(name, self._directories[name])
        listener = request.segments["listener"]
        return await _aside(lambda: listener_book.find([place], listener))


async def _aside(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


def _row(listed: listener_book.Listed) -> dict[str, object]:
    told: dict[str, object] = msgspec.structs.asdict(listed)
    del told["directory"]  # of this machine: nothing to anybody who is not on it
    return told


def _letter(letter: Letter) -> dict[str, object]:
    return {
        "seq": letter.seq,
        "operation": letter.operation,
        "id": letter.id,
        "timestamp": letter.timestamp,
        "given_up_at": letter.failed_at,
        "tries": letter.tries,
        "error": letter.error,
    }


def _done(found: Found, **facts: object) -> Prepared:
    return answer(200, _encode({"name": found.name, "model": found.place.model, **facts}))
