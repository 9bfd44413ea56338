"""An application with listeners, as a user writes it: each writes down what it has handled."""

from pathlib import Path

from lithair import Event, Lithair, Model


class Note(Model):
    text: str = ""


def write_down(name: str, event: Event[Note]) -> None:
    with Path(name).open("a", encoding="utf-8") as file:
        file.write(f"{event.seq}\n")


class Recorder:
    """Handles everything."""

    def on_event(self, event: Event[Note]) -> None:
        write_down("recorded", event)


class Fussy:
    """Can't handle some."""

    name = "liked"

    def on_event(self, event: Event[Note]) -> None:
        if event.item.text == "bad":
            raise ValueError("this one is bad")
        write_down(self.name, event)


class Stuck(Fussy):
    """The same, and never gives up."""

    name = "endured"


app = (
    Lithair()
    .with_model(Note, "./data/notes", "/api/notes")
    .with_event_listener(Note, Recorder(), name="recorder")
    .with_event_listener(Note, Fussy(), name="fussy", max_retries=1)
    .with_event_listener(Note, Stuck(), name="stuck")
)


@app.on_change(Note)
async def whisper(event: Event[Note]) -> None:
    """Write down that something has happened."""
    write_down("whispered", event)
