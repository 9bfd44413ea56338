"""Request targets: what a client may write after the method, and what it means.

Owns the decoding of paths and query strings. Law: a target has one meaning or none; a percent sign
that is not an escape, and bytes that are not UTF-8, are refused and never guessed at.

    target := path ["?" query] | scheme "://" authority path ["?" query]
    query  := [pair *("&" pair)]          pair := name ["=" value]

Tornado hands the target over as latin-1 text, one character per byte that was received.
"""

import re
from urllib.parse import unquote_to_bytes

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


class TargetError(ValueError):
    """The target can't be read; the message says what is wrong with it."""


def split_target(target: str) -> tuple[str, str]:
    """Split a target into its raw path and its raw query string ("" for none)."""
    if not target.startswith("/"):
        target = _origin_form(target)
    path, _, query = target.partition("?")
    if "#" in target:
        raise TargetError("The request's path has a fragment (#), which is not for servers")
    return path, query


def _origin_form(target: str) -> str:
    match = _ABSOLUTE.match(target)
    if match is None:
        raise TargetError("The request's path does not begin with a slash")
    rest = target[match.end() :]
    return rest if rest.startswith("/") else "/" + rest


def decode_path(path: str) -> str | None:
    """Decode a raw path; None for an encoded slash, which no route of ours can mean."""
    if "%" not in path and path.isascii():
        return path
    if "%2f" in path.lower():
        _decode(path, "path")
        return None
    return _decode(path, "path")


def decode_segment(segment: str) -> str:
    """Decode one segment of a raw path; an encoded slash is a character like any other in it."""
    return segment if "%" not in segment and segment.isascii() else _decode(segment, "path")


def decode_query(query: str) -> list[tuple[str, str]]:
    """Decode a raw query string into its pairs, in order; empty pairs (`&&`) are skipped."""
    pairs: list[tuple[str, str]] = []
    is_plain = "%" not in query and "+" not in query and query.isascii()
    for pair in query.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if not is_plain:
            name = _decode(name.replace("+", " "), "query string")
            value = _decode(value.replace("+", " "), "query string")
        pairs.append((name, value))
    return pairs


def _decode(text: str, where: str) -> str:
    if _BROKEN_ESCAPE.search(text):
        raise TargetError(f"The {where} has a % that is not followed by two hexadecimal digits")
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode("utf-8")
    except UnicodeDecodeError:
        raise TargetError(f"The {where} is not UTF-8 once percent-decoded") from None
