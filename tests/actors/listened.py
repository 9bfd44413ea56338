"""A model's process and a listener's as threads of a test, which sees what the latter is given."""

import threading
from collections.abc import Callable
from pathlib import Path

from lithair.actors.listener_process import listen
from lithair.app import Lithair
from lithair.client.answers import Event
from lithair.core.listening import Retries
from lithair.declaration.asked import AskedListener
from lithair.errors import LithairError
from lithair.process import Child
from lithair.storage.files import Files, OsFiles
from lithair.storage.listener_files import ListenerFiles
from lithair.wire.protocol import Verb
from tests.actors.errands import Errands
from tests.actors.serving import Note, Said, Served
from tests.support.waiting import wait_until

Told = tuple[int, str, str]  # seq, operation, text

QUICK = Retries(first_ms=1, most_ms=5)


class Ear:
    """A listener that a test talks to; it is pickled when it is declared, and not loaded again."""

    def __init__(self) -> None:
        self.heard: list[Event[Note]] = []  # handled
        self.tries: list[int] = []
        self.faults: dict[int, int] = {}  # seq -> how often it still fails at it
        self.is_closed = False

    def on_event(self, event: Event[Note]) -> None:
        self.tries.append(event.seq)
        left = self.faults.get(event.seq, 0)
        if left:
            self.faults[event.seq] = left - 1
            raise ValueError(f"no {event.item.text}")
        self.heard.append(event)

    def close(self) -> None:
        self.is_closed = True

    def told(self) -> list[Told]:
        return [(event.seq, event.operation, event.item.text) for event in list(self.heard)]

    def seqs(self) -> list[int]:
        return [event.seq for event in list(self.heard)]


class Listened:
    """One life of a listener's process."""

    def __init__(self, child: Child, files: Files) -> None:
        self.child = child
        self.ending: BaseException | None = None
        self._files = files
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            listen(self.child, self._files)
        except (LithairError, OSError, SystemExit) as error:  # what a process would end with
            self.ending = error

    def ended(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        self.child.stop()
        self._thread.join(30)
        assert self.ended(), "the listener did not end"


class Place:
    """An application with one model, `notes`, and one listener, `ear`, over a disk."""

    def __init__(
        self,
        place: Path,
        ear: object,
        retries: Retries = QUICK,
        start: str = "now",
        disk: Files | None = None,
    ) -> None:
        self.run_dir = place / "run"
        self.run_dir.mkdir(mode=0o700, exist_ok=True)
        self.disk = disk or OsFiles()
        self.data_dir = str(place / "data")
        self.ear = ear
        app = Lithair().with_model(Note, self.data_dir, "/api/notes")
        self.bare = app
        listener = AskedListener("a listener", Note, ear, "ear", start, retries=retries)
        self.app = Lithair().with_model(Note, self.data_dir, "/api/notes")
        self.app._asked.listeners.append(listener)
        self.files = ListenerFiles(self.disk, self.data_dir, "ear")
        self._lives: list[Callable[[], None]] = []
        self._commands = iter(range(1, 1 << 30))

    def serve(self, *, is_declared: bool = True) -> Served:
        """Begin a life of the model's process; one that knows nothing of the listener, maybe."""
        app = self.app if is_declared else self.bare
        (model,) = app.declaration({}, {}).models
        errands = Errands(self.disk, model)
        served = Served(app, "notes", self.run_dir, self.disk, errands.start)
        served.access = ""
        served._commands = self._commands  # a command of an earlier life would be a repeat
        self._lives.append(served.stop)
        return served

    def listen(self) -> Listened:
        """Begin a life of the listener's process."""
        declaration = self.app.declaration({}, {})
        child = Child("listener", "ear", declaration, str(self.run_dir), [], Said())
        listened = Listened(child, self.disk)
        self._lives.append(listened.stop)
        return listened

    def close(self) -> None:
        """End every life that is left."""
        while self._lives:
            self._lives.pop()()

    def cursor(self) -> int:
        """Give where the cursor is, on the disk or on its way."""
        file = self.files.open_cursor()
        assert file is not None, "there is no cursor"
        file.close()
        return file.cursor.seq

    def wait_for_cursor(self, seq: int) -> None:
        wait_until(lambda: self.cursor() >= seq, f"the cursor to come to event {seq}")


def write(served: Served, *texts: str) -> None:
    """Create a note for each text, each an event of its own."""
    for text in texts:
        assert served.write(Verb.CREATE, {"id": text, "text": text}).status == 201
