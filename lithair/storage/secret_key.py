"""The secret key: a file that the operator keeps outside the data and its backups.

Law: what the file holds is read once and never written, logged or sent; a file that is too short
to be a key is refused.
"""

from typing import Final

from lithair.errors import LithairError

BYTES_MIN: Final = 32  # 256 bits, if they are random
BYTES_MAX: Final = 4096


def read_secret_key(path: str) -> bytes:
    """Read the key, without the spaces and line ends around it; LithairError when it is none."""
    try:
        with open(path, "rb") as file:
            key = file.read(BYTES_MAX + 1).strip()
    except OSError as error:
        raise LithairError(f"the secret key {path} can't be read: {error.strerror}") from error
    if not BYTES_MIN <= len(key) <= BYTES_MAX:
        raise LithairError(
            f"the secret key {path} has to have {BYTES_MIN} to {BYTES_MAX} bytes; make one:"
            f" openssl rand -base64 32 > {path}"
        )
    return key
