"""What a page tells the browser to refuse.

Law: a route's own words win; what is no page is told only not to be taken for one. JSON is never
taken for anything else, and is left as it is.

    page := text/html | application/xhtml+xml | image/svg+xml
"""

from typing import Final

from tornado.httputil import HTTPHeaders

PAGES: Final = ("text/html", "application/xhtml+xml", "image/svg+xml")
FRAMES: Final = "X-Frame-Options"
POLICY: Final = "Content-Security-Policy"


def add_page_fields(headers: HTTPHeaders) -> None:
    """Add to an answer's header fields what its kind of content asks for."""
    content_type = headers.get("Content-Type")
    if content_type is None:
        return
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith("json"):
        return
    if "X-Content-Type-Options" not in headers:
        headers["X-Content-Type-Options"] = "nosniff"
    if kind not in PAGES:
        return
    if "Referrer-Policy" not in headers:
        headers["Referrer-Policy"] = "same-origin"
    if FRAMES not in headers:
        # Browsers that know frame-ancestors look at nothing else, so a page's own policy wins.
        headers[FRAMES] = "SAMEORIGIN"
        if POLICY not in headers:
            headers[POLICY] = "frame-ancestors 'self'"
