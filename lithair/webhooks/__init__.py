"""Webhooks: how a delivery is signed; a receiver written in Python checks that with `verify`."""

from lithair.webhooks.signature import (
    DELIVERY_HEADER,
    EVENT_HEADER,
    SIGNATURE_HEADER,
    TOLERANCE_S,
    sign,
    verify,
)

__all__ = [
    "DELIVERY_HEADER",
    "EVENT_HEADER",
    "SIGNATURE_HEADER",
    "TOLERANCE_S",
    "sign",
    "verify",
]
