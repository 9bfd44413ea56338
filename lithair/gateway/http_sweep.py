"""How long a connection of the transport over a C parser is waited for.

Law: looked at each second, so nothing of it costs a request anything. A peer that takes an answer
slowly is not late: one that takes nothing at all is closed by the system.
"""

from typing import Final

from lithair.gateway.answers import Problem
from lithair.gateway.http_connection import HttpConnection
from lithair.gateway.http_stage import Stage
from lithair.gateway.limits import BODY_BYTES_PER_S_MIN, Patience

LEAVING_S_MAX: Final = 2.0  # for a peer to see the last answer, rather than a reset


def sweep(connection: HttpConnection, now: float, patience: Patience) -> None:
    """Close a connection that is idle for long, or too slow."""
    waited_s = now - connection.mark
    stage = connection.stage
    if connection.writers.have_to_wait or stage is Stage.LEAVING:
        if connection.transport.get_write_buffer_size():
            connection.mark = max(connection.mark, now)
        elif waited_s > LEAVING_S_MAX and stage is Stage.LEAVING:
            connection.transport.abort()
    elif connection.has_ended:
        if waited_s > patience.half_s:
            connection.transport.abort()  # gone, rather than waiting
    elif stage is Stage.HEAD:
        _sweep_head(connection, waited_s, patience)
    elif (
        stage is Stage.BODY and connection.answer is not None and now > connection.answer.body_until
    ):
        connection.give_up_body(Problem(408, "The body came too slowly"))
    elif stage is Stage.BODY and waited_s >= patience.body_s:
        arrived = connection.received - connection.received_at_mark
        if arrived < BODY_BYTES_PER_S_MIN * waited_s:
            connection.give_up_body(Problem(408, "The body came too slowly"))
            return
        connection.mark = now
        connection.received_at_mark = connection.received


def _sweep_head(connection: HttpConnection, waited_s: float, patience: Patience) -> None:
    if not connection.is_head_due:
        if waited_s > patience.idle_s:
            connection.close()
    elif waited_s > patience.head_s:
        if connection.is_idle():  # it has never sent anything
            connection.close()
        else:
            connection.refuse(Problem(408, "The request's head came too slowly"))
