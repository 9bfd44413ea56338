"""A process that bears listeners' processes: each is a real one, and starts in milliseconds.

    argv  := run-dir data-dir path-of-what-was-heard seed
    stdin := (number of the life) LF ...
    stdout:= ("born" pid | "ready to be killed" | "dead" status) LF ...

Law: one life at a time. At the mark of its number a life says that it may be killed now, and some
events later it waits for that, so that it is killed at any moment between two events or in one.
"""

import os
import random
import signal
import sys

from lithair.actors.child_process import die_with_parent
from lithair.actors.listener_process import listen
from lithair.app import Lithair
from lithair.client.answers import Event
from lithair.process import Child
from lithair.storage.files import OsFiles
from tests.actors.serving import Note, Said

LIVES = 50
MARK_EVERY = 195  # events; the last mark is at 9,750 of 10,000
WAIT_EVENTS = 40  # after a mark, at most


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


class Scribe:
    """Writes down the seq of each event that it has handled; `life` counts its processes from 0."""

    def __init__(self, path: str, seed: int) -> None:
        self.path = path
        self.seed = seed
        self.life = 0
        self.file = -1

    def live(self, life: int) -> None:
        rng = random.Random(self.seed * 1000 + life)
        self.life = life
        self.mark = (life + 1) * MARK_EVERY
        self.wait_at = self.mark + rng.randrange(1, WAIT_EVENTS)
        self.is_left_before = rng.random() < 0.5
        self.file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def on_event(self, event: Event[Note]) -> None:
        is_mortal = self.life < LIVES
        if is_mortal and event.seq == self.mark:
            say("ready to be killed")
        is_last = is_mortal and event.seq == self.wait_at
        if is_last and self.is_left_before:
            signal.pause()
        os.write(self.file, b"%d\n" % event.seq)
        if is_last:
            signal.pause()


def app_of(data_dir: str, scribe: Scribe) -> Lithair:
    app = Lithair().with_model(Note, data_dir, "/api/notes")
    return app.with_event_listener(Note, scribe, name="scribe")


def main() -> None:
    """Bear one life after the other, as stdin says."""
    run_dir, data_dir, path, seed = sys.argv[1:]
    die_with_parent(os.getppid())
    scribe = Scribe(path, int(seed))
    declaration = app_of(data_dir, scribe).declaration({}, {})
    own_pid = os.getpid()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            die_with_parent(own_pid)
            scribe.live(int(line))
            child = Child("listener", "scribe", declaration, run_dir, [], Said())
            listen(child, OsFiles())
            os._exit(0)
        say(f"born {pid}")
        say(f"dead {os.waitpid(pid, 0)[1]}")


if __name__ == "__main__":
    main()
