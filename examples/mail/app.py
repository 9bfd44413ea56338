"""E-mails with retention: the newest 1000 stay whole in RAM, of the others only the head lines.

A worker imports a mailbox in the background while HTTP serves, and looks for new mail every 30 s:

    MAILBOX=~/Mail/inbox lithair run examples/mail/app.py

MAILBOX is an mbox file or a Maildir directory; without it, the small one beside this file is taken.
Data lies in ./data of the directory where it was started.
"""

import logging
import os
from pathlib import Path

from lithair import Client, Lithair, Model, Pinned, retention
from reading import messages

SAMPLE = Path(__file__).resolve().parent / "sample.mbox"
log = logging.getLogger("import")


@retention(memory=1000)  # keep the 1000 most recently written items whole in RAM
class Email(Model):
    from_: Pinned[str]  # stays in RAM after eviction; "from" on the wire
    subject: Pinned[str]
    body: str  # evicted with the item, read back from the log on demand
    read: bool = False


def import_mailbox(lithair: Client) -> None:
    """Put every message of the mailbox that is not there yet; its id is made of its Message-ID.

    Killed half-way and started again, it goes on; a message is never there twice. Messages that are
    there stay as they are, so what was marked as read stays read.
    """
    place = Path(os.environ.get("MAILBOX", SAMPLE)).expanduser()
    emails = lithair.model(Email)
    seen = new = 0
    for message in messages(place):
        seen += 1
        if emails.get(message.id) is not None:
            continue
        emails.apply_replicated_item(
            Email(id=message.id, from_=message.sender, subject=message.subject, body=message.body)
        )
        new += 1
    log.info("%s: %d messages, %d of them new", place, seen, new)


app = (
    Lithair()
    .with_model(Email, "./data/emails", "/api/emails")
    .with_worker(import_mailbox, name="import", every=30)
)

if __name__ == "__main__":
    app.serve()
