"""Cross-origin requests (the Fetch standard's CORS protocol).

Owns the decision which origin may read our answers. Law: an origin is compared as text, exactly;
only the setting `*` lets every origin in, and then without credentials.
"""

import re
from collections.abc import Sequence
from typing import Final

EXPOSED_HEADERS: Final = "ETag, Lithair-Seq, Location, Retry-After, X-Request-Id"
ALLOWED_HEADERS: Final = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID"
)
PREFLIGHT_AGE_S: Final = 600  # browsers cap it themselves; long enough to save most preflights
REQUESTED_HEADERS_LENGTH_MAX: Final = 1024  # a preflight names a handful of headers

_FIELD_NAMES = re.compile(
    r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:[ \t]*,[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+)*"
)

Fields = tuple[tuple[str, str], ...]


class CrossOrigin:
    """The origins that may read answers, and the header fields that tell a browser so."""

    __slots__ = ("_allowed", "_any", "_plain", "is_off")

    def __init__(self, origins: Sequence[str]) -> None:
        self.is_off = not origins
        self._any = "*" in origins
        self._allowed: dict[str, Fields] = {} if self._any else {o: _granted(o) for o in origins}
        # A cache must not hand one origin's answer to another, nor one without an origin's.
        self._plain: Fields = () if self.is_off or self._any else (("Vary", "Origin"),)

    def fields(self, origin: str | None) -> Fields:
        """Give the header fields which every answer to a request from this origin carries."""
        if origin is None or self.is_off:
            return self._plain
        if self._any:
            return _GRANTED_TO_ANY
        return self._allowed.get(origin, self._plain)

    def preflight_fields(self, origin: str | None, methods: str, wanted: str | None) -> Fields:
        """Give what a preflight (OPTIONS with Access-Control-Request-Method) adds to `fields`."""
        if origin is None or self.is_off or not (self._any or origin in self._allowed):
            return ()
        return (
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Allow-Headers", _requested(wanted)),
            ("Access-Control-Max-Age", str(PREFLIGHT_AGE_S)),
        )


_GRANTED_TO_ANY: Final[Fields] = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", EXPOSED_HEADERS),
)


def _granted(origin: str) -> Fields:
    return (
        ("Vary", "Origin"),
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", EXPOSED_HEADERS),
    )


def _requested(wanted: str | None) -> str:
    """Allow what was asked for: whom we trust to write, we trust with its own header names."""
    if wanted and len(wanted) <= REQUESTED_HEADERS_LENGTH_MAX and _FIELD_NAMES.fullmatch(wanted):
        return wanted
    return ALLOWED_HEADERS
