"""Reads mailboxes with the standard library, and makes plain text of what it finds.

Mail in the wild has no Message-ID, charsets that do not exist and bytes that are none of the
charset named. Nothing here raises for that: what can't be read is replaced, and shows as such.
"""

import email.policy
import hashlib
import mailbox
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple


class Mail(NamedTuple):
    id: str
    sender: str
    subject: str
    received: datetime
    body: str


def mailboxes(spool: Path) -> Iterator[tuple[str, Path]]:
    """Yield each user's id and mailbox: a file or directory with his name, as in /var/mail."""
    if not spool.is_dir():
        raise FileNotFoundError(f"{spool}: no such directory; MAILBOXES names one with mailboxes")
    for place in sorted(spool.iterdir()):
        if not place.name.startswith(".") and place.suffix != ".lock":
            yield place.name.casefold(), place


def messages(place: Path, owner: str) -> Iterator[Mail]:
    """Yield the messages of an mbox file or a Maildir directory, in its order."""
    if place.is_dir():
        maildir = mailbox.Maildir(place, create=False)
        for key in sorted(maildir.keys()):
            yield read_message(maildir.get_bytes(key), owner)
    else:
        mbox = mailbox.mbox(place, create=False)
        for number in mbox.keys():  # noqa: SIM118 - a mailbox iterates over messages, not keys
            yield read_message(mbox.get_bytes(number), owner)


def read_message(raw: bytes, owner: str) -> Mail:
    message = BytesParser(policy=email.policy.default).parsebytes(raw)
    return Mail(
        id=stable_id(message, raw, owner),
        sender=header(message, "From"),
        subject=header(message, "Subject"),
        received=date(message),
        body=body(message),
    )


def stable_id(message: Message, raw: bytes, owner: str) -> str:
    """Make an id that is the same each time: of the Message-ID, or of all bytes without one."""
    named = header(message, "Message-ID").strip()
    digest = hashlib.blake2b(named.encode() if named else raw, digest_size=12)
    digest.update(b"\0" + owner.encode())  # the same mail in two mailboxes is two
    return digest.hexdigest()


def header(message: Message, name: str) -> str:
    try:
        value = message[name]
    except (ValueError, IndexError, AttributeError):  # broken headers break the parser's own way
        value = ""
    return clean("" if value is None else str(value))


def date(message: Message) -> datetime:
    """Give the time in the message's Date; without one that can be read, now."""
    try:
        found = parsedate_to_datetime(header(message, "Date"))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.now(UTC)


def body(message: EmailMessage | Message) -> str:
    """Give the message's text; of a message with HTML only, that."""
    part = message.get_body(("plain", "html")) if isinstance(message, EmailMessage) else message
    if part is None:
        return ""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return clean(str(part.get_payload()))
    try:
        return clean(payload.decode(part.get_content_charset("utf-8"), errors="replace"))
    except LookupError:  # a charset that nobody knows
        return clean(payload.decode("utf-8", errors="replace"))


def clean(text: str) -> str:
    """Replace lone surrogates, which stand for bytes of no charset and are no JSON."""
    return text.encode("utf-8", errors="surrogatepass").decode("utf-8", errors="replace")
