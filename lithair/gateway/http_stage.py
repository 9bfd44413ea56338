"""How far the present request of a connection has come; `http_connection` says what leads where."""

import enum


class Stage(enum.Enum):
    """How far the present request of a connection has come."""

    HEAD = enum.auto()
    BODY = enum.auto()
    WAITING = enum.auto()
    BUSY = enum.auto()
    LEAVING = enum.auto()
