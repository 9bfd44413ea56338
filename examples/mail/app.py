"""A mail reader: everybody sees his own mailbox in the browser, and nobody else's.

    lithair run examples/mail/app.py

Make users in a second terminal, in the same directory (each command asks for a password), and log
in at http://127.0.0.1:8080/ as one of them:

    lithair users add ada --role user
    lithair users add ben --role user

A worker imports mail in the background while HTTP serves, and looks for new mail every 10 s. Each
file of ./mailboxes beside this one is the mailbox of the user of that name; MAILBOXES=/var/mail
takes those of the machine. Data lies in ./data of the directory where it was started.
"""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from lithair import (
    Client,
    Indexed,
    Lithair,
    Model,
    NonEmpty,
    Owner,
    PersistentSessionStore,
    Pinned,
    Request,
    RolePolicy,
    SessionManager,
    retention,
)
from reading import mailboxes, messages

HERE = Path(__file__).resolve().parent
log = logging.getLogger("import")


@retention(memory=1000)  # keep the 1000 most recently written items whole in RAM
class Email(Model):
    owner: Owner[Indexed[str]]  # in whose mailbox it lies; others never learn of it
    from_: Pinned[str]  # stays in RAM after eviction; "from" on the wire
    subject: Pinned[str]
    received: Indexed[datetime]  # can be sorted by without a look at every item
    read: Pinned[bool] = False
    body: str  # evicted with the item, read back from the log on demand


policy = RolePolicy({"user": ["EmailReadOwn", "EmailWriteOwn", "EmailDeleteOwn"]})


def import_mail(lithair: Client) -> None:
    """Put every message of all mailboxes that has not been there yet, under its owner.

    Killed half-way and started again, it goes on; a message is never there twice, for its id is
    made of its Message-ID. One that is there stays as it is, so what was marked as read stays read;
    one that was deleted has a history, and does not come back.
    """
    emails = lithair.model(Email)
    for owner, place in mailboxes(Path(os.environ.get("MAILBOXES", HERE / "mailboxes"))):
        seen = new = 0
        for message in messages(place, owner):
            seen += 1
            if emails.get(message.id) is not None or emails.history(message.id):
                continue
            emails.apply_replicated_item(
                Email(
                    id=message.id,
                    owner=owner,
                    from_=message.sender,
                    subject=message.subject,
                    received=message.received,
                    body=message.body,
                )
            )
            new += 1
        log.info("%s: %d messages, %d of them new", place, seen, new)


class Letter(Struct, forbid_unknown_fields=True):
    """What one user sends to another."""

    to: Annotated[NonEmpty, Meta(max_length=100)]
    subject: Annotated[str, Meta(max_length=200)]
    body: str


async def send(request: Request) -> None:
    """Put a letter into the mailbox of whom it is for; he sees it at once."""
    assert request.session is not None  # the route requires one
    letter = request.json(Letter)
    await request.model(Email).create(  # a handle: not bound to the mailbox of who asks
        Email(
            owner=letter.to.casefold(),
            from_=request.session.user_id,
            subject=letter.subject,
            received=datetime.now(UTC),
            body=letter.body,
        )
    )


app = (
    Lithair()
    .with_sessions(SessionManager(PersistentSessionStore("./data/sessions"), max_age=86_400))
    .with_users("./data/users")
    .with_model_full(Email, "./data/emails", "/api/emails", permission_checker=policy)
    .with_worker(import_mail, name="import", every=10)
    .with_route("POST", "/api/send", send, require_session=True)
    .with_static(HERE / "static")
)

if __name__ == "__main__":
    app.serve()
