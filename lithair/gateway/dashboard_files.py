"""The dashboard's files, as they are served.

Law: a browser runs nothing but these files, talks to nobody but this server, and shows them in
nobody's frame. They hold no data: whatever they show they ask for, and that is behind the gate.
"""

import os
from typing import Final

from lithair.gateway.answers import Fields
from lithair.gateway.static_files import StaticFile, StaticSite, read_site

DIRECTORY: Final = os.path.join(os.path.dirname(__file__), "dashboard")
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FIELDS: Final[Fields] = (
    ("Content-Security-Policy", POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


class Dashboard:
    """The files of one server's dashboard; raises OSError when they can't be read."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._site: StaticSite = read_site(path + "/", DIRECTORY, FIELDS)

    def find(self, method: str, path: str) -> StaticFile | None:
        """Find the file that a request is for."""
        if method not in ("GET", "HEAD"):
            return None
        if path == self._path:
            return StaticFile(moved_to=self._path + "/")
        return self._site.find(path)
