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

import asyncio
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from lithair import (
    Client,
    Event,
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
from search import MailIndex

HERE = Path(__file__).resolve().parent
HEAD = ["owner", "from_", "subject", "received", "read"]  # what a list shows: no body
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


index = MailIndex("./data/search.sqlite")


class Indexer:
    """Keeps the index: it is told of every change of a mail, at least once and in order.

    It runs in a process of its own and never holds up who writes; after a crash it goes on behind
    the last change that it has dealt with.
    """

    def on_event(self, event: Event[Email]) -> None:
        mail = event.item
        if event.operation == "delete":
            index.remove(event.id)
        else:
            index.put(event.id, mail.owner, mail.from_, mail.subject, mail.body)


async def search(request: Request) -> list[dict[str, object]]:
    """Answer `?q=two words` with the mails of who asks that have them, the best ones first."""
    assert request.session is not None  # the route requires one
    user = request.session.user_id
    found = await asyncio.to_thread(index.find, request.query.get("q", ""), user)
    emails = request.model(Email)  # a handle: it is not gated, so we look whose mail it is
    heads = await asyncio.gather(*(emails.get(mail.id, fields=HEAD) for mail in found))
    return [
        {**head, "snippet": mail.snippet}
        for head, mail in zip(heads, found, strict=True)
        if head is not None and head["owner"] == user
    ]


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
    .with_event_listener(Email, Indexer(), name="search", start="beginning")
    .with_route("GET", "/api/search", search, require_session=True)
    .with_route("POST", "/api/send", send, require_session=True)
    .with_static(HERE / "static")
)

if __name__ == "__main__":
    app.serve()
