"""Made the golden logs of an older declaration once; not to be run again (see README.md).

    python -m tests.storage.golden.make_contacts DIR

`Contact` is as it was when they were written. test_golden_contacts.py has the class of today, and
the migration that leads there.
"""

import sys

import msgspec

from lithair.core.command import Action, Command
from lithair.core.event import Event
from lithair.core.model_state import ModelState
from lithair.core.schema import schema_of
from lithair.fields import Indexed, Pinned, Unique
from lithair.handler import ModelHandler
from lithair.model import Model
from lithair.storage.event_log import EventLog, LogOptions, LogStamp
from lithair.storage.files import OsFiles

TIME_MS = 1_760_000_000_000
OPTIONS = LogOptions(segment_bytes_max=1200)


class Address(msgspec.Struct):
    street: str
    zip: int


class Contact(Model):
    name: Pinned[str]
    email: Unique[str | None] = None
    born: Indexed[int] = 1970
    tags: list[str] = []
    address: Address | None = None


SCHEMA = schema_of(Contact)
STAMP = LogStamp(SCHEMA.name, SCHEMA.fingerprint, SCHEMA.description)
BODIES = [
    b'{"id":"ada","name":"Ada Lovelace","email":"ada@example.org","born":1815,"tags":["maths"]}',
    b'{"id":"alan","name":"Alan Turing","born":1912}',
    b'{"id":"grace","name":"Grace Hopper","address":{"street":"Main Street 1","zip":7}}',
    '{"id":"é-ß","name":"Zoë","tags":["a","b"],"email":null}'.encode(),
]


class Maker:
    """Decides commands as a model process does, and appends what comes of them."""

    def __init__(self, directory: str) -> None:
        self.state = ModelState(ModelHandler(Contact, "unused"), 1000)
        self.log = EventLog.open(OsFiles(), directory, STAMP, OPTIONS, TIME_MS)
        for _ in self.log.replay():
            raise AssertionError("the directory is not empty")
        self._number = 0

    def do(self, action: Action, key: str = "", body: bytes = b"") -> None:
        self._number += 1
        command = Command(action, self._number.to_bytes(16, "big"), key=key, body=body)
        plan = self.state.decide([command], TIME_MS + self._number, lambda: "unused")
        assert plan.events, f"{action} of {key or body!r} was refused: {plan.outcomes}"
        events: list[Event] = plan.events
        self.state.commit(plan, self.log.append(events).placed)


def make(directory: str) -> None:
    """Write a log of several segments: items made, changed, deleted, and made anew."""
    maker = Maker(directory)
    for body in BODIES:
        maker.do(Action.CREATE, body=body)
    maker.do(Action.PATCH, "alan", b'{"email":"alan@example.org"}')
    maker.do(Action.DELETE, "grace")
    maker.do(Action.BULK, body=b'[{"id":"edsger","name":"Edsger Dijkstra"},{"name":"x","id":"x"}]')
    maker.do(Action.DELETE, "x")
    for year in range(1816, 1822):
        maker.do(Action.PATCH, "ada", b'{"born":%d}' % year)
    maker.do(Action.CREATE, body=b'{"id":"grace","name":"Grace Brewster Hopper"}')
    maker.log.close()


if __name__ == "__main__":
    make(sys.argv[1])
