"""How far a request has come on its way to its answer.

HEAD -> BODY -> ASKED -> ANSWERED     a model's route
HEAD -> ADMITTING -> BODY | REFUSED   first it has to be asked who is behind the request
HEAD -> REFUSED -> ANSWERED           the head tells the answer: the body is read and thrown
away first, so that the connection can be used again
HEAD -> LINGERING -> ANSWERED         a body over the limit: answered at once, then thrown away
for a while, else the peer sees a reset and no answer
HEAD -> DELEGATED                     everything else: a tornado.web.Application
HEAD -> BODY -> ASKED -> (the client goes) ANSWERED     a stream: it has no end of its own
"""

import enum


class Stage(enum.Enum):
    """How far a request has come."""

    HEAD = enum.auto()
    ADMITTING = enum.auto()
    BODY = enum.auto()
    REFUSED = enum.auto()
    LINGERING = enum.auto()
    ASKED = enum.auto()
    DELEGATED = enum.auto()
    ANSWERED = enum.auto()
