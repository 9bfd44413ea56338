"""Signatures of webhooks: how a delivery is signed, and how its receiver checks that.

Law: the signature is over the time and the body together, so neither a changed body nor an old
delivery sent once more passes. It is compared in constant time, and whatever stands in a header is
an answer, never an error.

    Lithair-Signature := "t=" seconds since 1970 ("," scheme "=" hex)+
    scheme            := "v1": HMAC-SHA256 with the secret over `<t>.<body>`; others are passed over
"""

import hashlib
import hmac
import time
from typing import Final

SIGNATURE_HEADER: Final = "Lithair-Signature"
EVENT_HEADER: Final = "Lithair-Event"
DELIVERY_HEADER: Final = "Lithair-Delivery"

SCHEME: Final = "v1"
TOLERANCE_S: Final = 300.0  # clocks differ, and a delivery may wait in a receiver's queue
HEADER_CHARACTERS_MAX: Final = 1024  # a dozen signatures
TIME_DIGITS_MAX: Final = 12  # seconds until the year 33658


def sign(secret: str | bytes, body: bytes, now_s: int) -> str:
    """Make the value of `Lithair-Signature` for a body sent at `now_s`, seconds since 1970."""
    return f"t={now_s},{SCHEME}={_mac(secret, body, str(now_s))}"


def verify(
    secret: str | bytes,
    body: str | bytes,
    header: str | None,
    tolerance_s: float = TOLERANCE_S,
    now_s: float | None = None,
) -> bool:
    """Tell whether a delivery is genuine: `header` is its `Lithair-Signature`, None without one.

    `body` has to be the bytes as they came, before they are decoded. One that was signed more than
    `tolerance_s` before or after `now_s` (the clock, unless it is given) is refused. ValueError
    when there is no secret: anybody could sign with an empty one.
    """
    if not secret:
        raise ValueError("the secret is empty; look at the variable or the file that it comes from")
    if not header or len(header) > HEADER_CHARACTERS_MAX:
        return False
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    if len(times) != 1 or not _is_time(times[0]):
        return False
    expected = _mac(secret, body.encode() if isinstance(body, str) else body, times[0]).encode()
    given = [value for name, _, value in pairs if name == SCHEME]
    is_signed = False
    for value in given:  # a sender that changes its secret signs with both
        is_signed |= hmac.compare_digest(value.encode(errors="replace"), expected)
    away_s = abs((time.time() if now_s is None else now_s) - int(times[0]))
    return is_signed and away_s <= tolerance_s


def _is_time(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= TIME_DIGITS_MAX


def _mac(secret: str | bytes, body: bytes, time_text: str) -> str:
    key = secret.encode() if isinstance(secret, str) else secret
    return hmac.new(key, b"%b.%b" % (time_text.encode(), body), hashlib.sha256).hexdigest()
