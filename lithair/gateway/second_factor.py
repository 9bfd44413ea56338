"""The second factor: codes of an app that change every 30 seconds (TOTP, RFC 6238).

Owns how secrets are kept and codes are told. Law: a secret is stored encrypted, for its account
alone, with a key that is not among the data; a code is good once, for its own step and the one
before and after, and never for a step at or before the last one used. The libraries are those of
`lithair[totp]`, imported when a code is asked for.

    sealed := "1." base64url(nonce:12 AES-256-GCM(secret, with the account's id as its context))
"""

import base64
import binascii
import hmac
import importlib.util
import secrets
from typing import Final

from lithair.errors import LithairError

STEP_S: Final = 30  # as every app has it
DIGITS: Final = 6
DRIFT_STEPS: Final = 1  # a phone's clock, and a slow typist
SECRET_BYTES: Final = 20  # of SHA-1, which apps take for granted (RFC 4226, 4)
NONCE_BYTES: Final = 12
VERSION: Final = "1."
PURPOSE: Final = b"lithair: secrets of second factors"  # another use of the key has another key
LIBRARIES: Final = ("cryptography", "pyotp", "segno")
MISSING: Final = "a second factor needs further libraries: pip install 'lithair[totp]'"
UNREADABLE: Final = "the secret of a second factor can't be read with this secret key"


def are_libraries_there() -> bool:
    """Tell whether `lithair[totp]` is installed."""
    return all(importlib.util.find_spec(name) is not None for name in LIBRARIES)


def new_secret() -> str:
    """Make a secret, as apps take it."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def uri_of(secret: str, username: str, issuer: str) -> str:
    """Write what an app reads from a QR code; the secret is in it."""
    from pyotp.totp import TOTP

    return TOTP(secret, digits=DIGITS, interval=STEP_S).provisioning_uri(
        name=username, issuer_name=issuer
    )


def step_of(secret: str, code: str, now_s: float, last_step: int) -> int | None:
    """Give the step that a code is of; None when it is of none, or of one that was used."""
    from pyotp.totp import TOTP

    given = "".join(code.split())
    if len(given) != DIGITS or not given.isascii():
        return None
    totp = TOTP(secret, digits=DIGITS, interval=STEP_S)
    present = int(now_s) // STEP_S
    found: int | None = None
    for step in range(max(0, present - DRIFT_STEPS), present + DRIFT_STEPS + 1):
        if hmac.compare_digest(totp.generate_otp(step), given) and step > last_step:
            found = step
    return found


class SecretBox:
    """Encrypts and decrypts the secrets of accounts; LithairError without the libraries."""

    def __init__(self, key: bytes) -> None:
        if not are_libraries_there():
            raise LithairError(MISSING)
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        derived = HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(key)
        self._cipher = AESGCM(derived)

    def seal(self, secret: str, account_id: str) -> str:
        """Encrypt a secret, for this account."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.encode(), account_id.encode())
        return VERSION + base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, sealed: str, account_id: str) -> str:
        """Decrypt a secret; LithairError with another key, or of another account."""
        from cryptography.exceptions import InvalidTag

        try:
            if not sealed.startswith(VERSION):
                raise ValueError("another version")
            data = base64.urlsafe_b64decode(sealed.removeprefix(VERSION))
            plain = self._cipher.decrypt(
                data[:NONCE_BYTES], data[NONCE_BYTES:], account_id.encode()
            )
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise LithairError(UNREADABLE) from error
        return plain.decode()
