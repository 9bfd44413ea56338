"""What a request for a stream asks: where to begin, and what of the model.

    since := digits            Last-Event-ID, or the parameter; the field wins
    snapshot := "true" | "false"

Law: a parameter that can't be read is refused. A field that can't be is not: a browser sends again
what it was told last, and no page can change that; who has a position that is none is told to start
anew, as one whose position is gone.
"""

from typing import Final, NamedTuple

from tornado.httputil import HTTPHeaders

from lithair.core.query import refuse
from lithair.wire.messages import Filters

NOWHERE: Final = -1  # a position that no log has
DIGITS_MAX: Final = 18  # a position with more lies beyond the end of every log


class StreamAsked(NamedTuple):
    """A stream as it is asked for; `since` None: from now on."""

    since: int | None
    is_snapshot: bool
    filters: Filters


def read_asked(pairs: list[tuple[str, str]], headers: HTTPHeaders) -> StreamAsked:
    """Read a request for a stream; raises `Refusal` 400 that names the parameter."""
    options: dict[str, str] = {}
    filters: list[tuple[str, str]] = []
    for name, text in pairs:
        if name not in ("since", "snapshot"):
            filters.append((name, text))
        elif name in options:
            raise refuse(name, "is given twice")
        else:
            options[name] = text
    since = None
    if "since" in options:
        since = _position(options["since"])
        if since is None:
            raise refuse("since", f"{options['since']!r} is not the id of an event")
    field = headers.get("Last-Event-ID", "").strip()
    if field:
        since = _position(field)
        since = NOWHERE if since is None else since
    snapshot = options.get("snapshot", "false")
    if snapshot not in ("true", "false"):
        raise refuse("snapshot", f"{snapshot!r} is neither true nor false")
    return StreamAsked(since, snapshot == "true", tuple(sorted(filters)))


def _position(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    return int(text) if len(text) <= DIGITS_MAX else NOWHERE
