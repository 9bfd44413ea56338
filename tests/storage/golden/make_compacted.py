"""Made the golden logs with a snapshot and an archive once; not to be run again (see README.md).

    python -m tests.storage.golden.make_compacted DIR

Makes `contacts_1_compacted` and `contacts_1_purged` in DIR, from `contacts_1` beside this file.
"""

import functools
import os
import shutil
import sys
from pathlib import Path

from lithair.actors.log_loading import load
from lithair.core.command import Action, Command
from lithair.core.compaction import CompactionPlan
from lithair.core.kept import Kept
from lithair.core.model_state import ModelState
from lithair.core.upgrade import upgrade_from
from lithair.handler import ModelHandler
from lithair.storage.compaction import PresentForm, compact
from lithair.storage.event_log import EventLog
from lithair.storage.files import OsFiles
from lithair.storage.purge import PurgePlan, purge_files
from lithair.storage.snapshot import Snapshot
from tests.storage.golden.make_contacts import OPTIONS, SCHEMA, STAMP, TIME_MS, Contact

LATER_MS = TIME_MS + 10_000
KEPT = Kept(SCHEMA)
FORM = PresentForm(*STAMP, KEPT.wires, KEPT.cell, functools.partial(upgrade_from, SCHEMA, ()))


def nothing_done(_done: int, _total: int) -> None:
    pass


class Maker:
    """A model process by hand."""

    def __init__(self, directory: str) -> None:
        self.files, self.directory = OsFiles(), directory
        self.state = ModelState(ModelHandler(Contact, "unused"), 1000)
        self.log = EventLog.open(self.files, directory, STAMP, OPTIONS, LATER_MS)
        load(self.log, self.state, LATER_MS, lambda: None)

    def do(self, action: Action, key: str = "", body: bytes = b"") -> None:
        command_id = (1000 + self.state.seq).to_bytes(16, "big")
        command = Command(action, command_id, key=key, body=body)
        plan = self.state.decide([command], LATER_MS + self.state.seq, lambda: "unused")
        assert plan.events, f"{action} of {key or body!r} was refused"
        self.state.commit(plan, self.log.append(plan.events).placed)

    def compact(self, *purge: str) -> int:
        cut = self.log.seal()
        plan = CompactionPlan(cut, LATER_MS, keep_history=True, purge=purge)
        name = compact(self.files, self.directory, plan, FORM, nothing_done)
        parity = self.log.stage(name)
        snapshot = Snapshot.open(self.files, self.directory, name)
        for block in snapshot.items():
            self.state.adopt(block, parity, 0, len(block.keys))
        snapshot.close()
        for path in self.log.install(keep_history=True):
            self.files.remove(path)
        return cut


def make(directory: str) -> None:
    """Compact, and write further; then delete one item, compact again and purge it."""
    compacted = os.path.join(directory, "contacts_1_compacted")
    shutil.copytree(Path(__file__).parent / "contacts_1", compacted)
    maker = Maker(compacted)
    maker.compact()
    maker.do(Action.PATCH, "alan", b'{"tags":["machines"]}')
    maker.do(Action.DELETE, "edsger")
    maker.do(Action.CREATE, body=b'{"id":"tony","name":"Tony Hoare","born":1934}')
    maker.log.close()
    purged = os.path.join(directory, "contacts_1_purged")
    shutil.copytree(compacted, purged)
    maker = Maker(purged)
    maker.do(Action.DELETE, "ada")
    last_seq = maker.state.seq
    cut = maker.compact("ada")
    maker.do(Action.PATCH, "tony", b'{"tags":["quick"]}')
    maker.log.close()
    purge_files(maker.files, purged, PurgePlan("ada", last_seq, cut), nothing_done)
    for made in (compacted, purged):
        os.remove(os.path.join(made, "lock"))


if __name__ == "__main__":
    make(sys.argv[1])
