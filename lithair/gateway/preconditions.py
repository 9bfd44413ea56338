"""Conditional and repeated requests: If-Match, If-None-Match, Idempotency-Key.

Owns the grammar of these headers. An ETag of ours is `"<seq>"`, the sequence number of the item's
last event, so an entity tag that is not a number can't match; it is well formed all the same.

    If-Match, If-None-Match := "*" | tag *("," tag)      tag := ["W/"] '"' characters '"'
    Idempotency-Key         := 1 to 255 characters, none of them a control character

Law: a precondition that can't be read is refused, never ignored.
"""

import re
from hashlib import blake2b
from typing import Final

from lithair.wire.messages import IfMatch

IDEMPOTENCY_KEY_LENGTH_MAX: Final = 255  # what a UUID, a ULID or a hash needs, several times over
HASH_BYTES: Final = 16  # 100,000 remembered keys: a chance collision is out of the question

_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)')
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class PreconditionError(ValueError):
    """The header can't be read; the message names it and says what it should look like."""


def parse_tags(name: str, value: str) -> list[tuple[bool, str]]:
    """Parse a list of entity tags into (is it weak, its characters)."""
    tags: list[tuple[bool, str]] = []
    position = 0
    while position < len(value):
        match = _TAG.match(value, position)
        if match is None:
            break
        tags.append((match.group(1) is not None, match.group(2)))
        position = match.end()
    if not tags or position < len(value):
        raise PreconditionError(f'{name} must be * or entity tags in double quotes, such as "41"')
    return tags


def parse_if_match(value: str | None) -> IfMatch:
    """Read If-Match: None when absent, True for `*`, else the seqs; a weak tag never matches."""
    if value is None:
        return None
    if value.strip() == "*":
        return True
    tags = parse_tags("If-Match", value)
    return tuple(int(tag) for weak, tag in tags if not weak and _is_seq(tag))


def parse_write_if_none_match(value: str | None) -> bool:
    """Tell whether a write carries `If-None-Match: *`; other tags on a write are refused."""
    if value is None:
        return False
    if value.strip() == "*":
        return True
    raise PreconditionError("If-None-Match with entity tags is for GET and HEAD; use If-Match")


def is_unchanged(value: str, item_seq: int) -> bool:
    """Tell whether a GET's If-None-Match names the item as it is (weak comparison)."""
    if value.strip() == "*":
        return True
    wanted = str(item_seq)
    return any(tag == wanted for _, tag in parse_tags("If-None-Match", value))


def _is_seq(tag: str) -> bool:
    return tag.isascii() and tag.isdecimal() and len(tag) < 19 and tag[0] != "0"


def check_idempotency_key(key: str | None) -> None:
    """Refuse a key that is empty, too long or not printable."""
    if key is None:
        return
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_LENGTH_MAX:
        raise PreconditionError(
            f"Idempotency-Key must have 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} characters"
        )
    if _CONTROL.search(key):
        raise PreconditionError("Idempotency-Key must not have control characters")


def idempotency_hashes(
    key: str | None, method: str, path: str, body: bytes, principal: str = ""
) -> bytes:
    """Hash a keyed write into 32 bytes, its key's and its body's; b"" without a key.

    The key's hash covers who asks, the method and the decoded path: the same key elsewhere is
    another key.
    """
    if key is None:
        return b""
    hasher = blake2b(digest_size=HASH_BYTES)
    for part in (principal, method, path, key):
        raw = part.encode()
        hasher.update(len(raw).to_bytes(4, "big") + raw)
    return hasher.digest() + blake2b(body, digest_size=HASH_BYTES).digest()
