"""The admin API's routes about items: a history that tells who, a change, an export.

Law: they go through the same model process, rules and answers as the models' own routes; hidden
fields leave here no more than there.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from lithair.client.raw import Raw, RawCalls
from lithair.client.walk import Walk
from lithair.core.grants import Grants
from lithair.core.problem import Refusal
from lithair.core.schema import schema_of
from lithair.declaration import Declaration
from lithair.gateway.admin import AdminRequest, Flow, answer_of
from lithair.gateway.answers import Prepared
from lithair.gateway.model_routes import answer_headers, plan
from lithair.gateway.model_site import ModelSite
from lithair.gateway.routes import Route, Shape
from lithair.wire.messages import Reply
from lithair.wire.protocol import PUBLIC, Verb

NDJSON: Final = "application/x-ndjson"
PAGE_ITEMS: Final = 200  # in memory at a time, or as many as a page of a list holds
TELLS_BY: Final = Grants(tells_by=True).access
NOT_OF_EXPORT: Final = frozenset({"sort", "skip", "take", "after", "as_of"})


async def history(request: AdminRequest) -> Prepared:
    """Tell an item's events, and which administrator made which."""
    model = request.models.find(request.segments["name"])
    return answer_of(await model.tell(Verb.HISTORY, request.segments["id"], access=TELLS_BY))


async def edit(request: AdminRequest) -> Prepared:
    """Apply a JSON Merge Patch to an item, in the administrator's name."""
    model = request.models.find(request.segments["name"])
    route = Route(Shape.ITEM, request.segments["id"])
    question = plan(route, "PATCH", "", request.headers)
    refusal = model.refusal()
    if refusal is not None:
        return refusal
    access = model.access(request.identity, Verb.PATCH)
    asker = (request.identity, request.method, request.path, access)
    told: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def on_reply(reply: Reply) -> None:
        if not told.done():
            told.set_result(reply)

    model.ask(question, asker, request.body, on_reply)
    reply = await told
    headers = answer_headers(question, reply, model.location_prefix, is_private=True)
    headers["Cache-Control"] = "no-store"
    headers["Lithair-Seq"] = str(reply.seq)
    if reply.status == 503:
        headers["Retry-After"] = str(model.retry_after_s)
    return Prepared(reply.status, tuple(headers.get_all()), reply.body)


class Exports:
    """Exports of one server's models."""

    def __init__(self, declaration: Declaration) -> None:
        self._declared = {model.name: model for model in declaration.models}
        self._keys: dict[str, str] = {}

    async def export(self, request: AdminRequest) -> Prepared | Flow:
        """Give all items, one a line; in memory is one page of them."""
        model = request.models.find(request.segments["name"])
        for name, _ in request.query:
            if name in NOT_OF_EXPORT:
                raise Refusal(400, f"{name}: an export has no order and no pages; leave it out")
        pairs = tuple(request.query)
        first = await model.tell(Verb.LIST, (*pairs, ("take", "1")), access=PUBLIC)
        if first.status != 200:
            return answer_of(first)  # before an answer has begun that could only be cut off
        fields = (
            ("Content-Type", NDJSON),
            ("Content-Disposition", f'attachment; filename="{model.name}.ndjson"'),
            ("Cache-Control", "no-store"),
        )
        return Flow(fields, self._lines(model, pairs))

    async def _lines(
        self, model: ModelSite, pairs: tuple[tuple[str, str], ...]
    ) -> AsyncIterator[bytes]:
        calls = RawCalls(model.name, self._key(model.name))
        walk = Walk(calls, asked=(*pairs, ("take", str(PAGE_ITEMS))))
        while True:
            lines = await _walked(model, walk)
            if lines is None:
                return
            if lines:
                yield b"".join(b"%b\n" % bytes(line) for line in lines)

    def _key(self, name: str) -> str:
        """Give the wire name of a model's primary key."""
        key = self._keys.get(name)
        if key is None:
            schema = schema_of(self._declared[name].handler.model)
            key = self._keys[name] = schema.key.wire
        return key


async def _walked(model: ModelSite, walk: Walk[Raw]) -> list[Raw] | None:
    """Do one step of a walk, in HTTP's name: what it sees, everybody may."""
    step = walk.page()
    try:
        call = next(step)
        while True:
            reply = await model.tell(Verb(call.verb), call.argument, access=PUBLIC)
            call = step.send(call.result(reply))
    except StopIteration as over:
        found: list[Raw] | None = over.value
        return found
