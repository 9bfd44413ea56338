"""The routes below /_admin that are always there, and what they do.

Law: what is not in this table or that of `data_routes` is not served; docs/operations.md lists the
same rows, and a test compares them. All of them go through `admin`.
"""

from typing import Final

import msgspec

from lithair.core.figures import ModelFigures, ProcessFigures
from lithair.core.problem import Refusal
from lithair.gateway.admin import AdminRequest, AdminRoutes, answer, answer_of
from lithair.gateway.answers import Prepared
from lithair.wire.protocol import Verb

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ModelFigures).decode

GOES_ON: Final = {
    "running": True,
    "detail": "The compaction takes longer than a request may; _stats says when it is done",
}


class CompactAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `compact`."""

    keep_history: bool = False


class ModelStats(msgspec.Struct, frozen=True):
    """The answer of `_stats`: of a process's figures those that people ask for."""

    item_count: int
    hot_count: int
    warm_count: int
    approx_ram_bytes: int
    raftlog_size_bytes: int
    events_since_last_compaction: int
    last_compaction_at: str | None
    seq: int
    compactions: int
    compaction_running: bool
    damaged: int
    process: ProcessFigures


async def stats(request: AdminRequest) -> Prepared:
    """Tell a model's figures."""
    reply = await request.models.find(request.segments["name"]).tell(Verb.STATS)
    if reply.status != 200:
        return answer_of(reply)
    told = _decode(reply.body)
    return answer(200, _encode(msgspec.convert(told, ModelStats, from_attributes=True)))


async def compact(request: AdminRequest) -> Prepared:
    """Compact a model's log; 202 when that takes longer than a request may."""
    model = request.models.find(request.segments["name"])
    asked = read_body(request, CompactAsked())
    pairs = (("keep_history", "true"),) if asked.keep_history else ()
    reply = await model.tell(Verb.COMPACT, pairs)
    if reply.status == 504:  # its process lives, so it has begun
        return answer(202, _encode(GOES_ON))
    return answer_of(reply)


def read_body(request: AdminRequest, default: CompactAsked) -> CompactAsked:
    """Read a body that may be left out; raises `Refusal` 422 when it is not of that form."""
    body = request.json_body()
    if body is None:
        return default
    try:
        return msgspec.convert(body, CompactAsked)
    except msgspec.ValidationError as error:
        raise Refusal(422, f"The body is not what this takes: {error}") from None


ROUTES: Final[AdminRoutes] = {
    "/_admin/data/models/{name}/_stats": {"GET": stats},
    "/_admin/data/models/{name}/compact": {"POST": compact},
}
