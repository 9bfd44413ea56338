"""Why a reader was let in, and whether he would be again."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lithair.gateway.gate import Gate
    from lithair.gateway.streams.answer import StreamRequest
    from lithair.gateway.streams.streams import Visit


def visit_of(gate: "Gate", request: "StreamRequest") -> "Visit | None":
    return None
