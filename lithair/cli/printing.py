"""Printing: what commands show of items, to a person, a pipe or a file.

Law: what an item holds never moves the cursor of a terminal; data goes to stdout, and how far
something is to stderr, if that is a terminal.
"""

import contextlib
import sys
import time
from collections.abc import Generator, Mapping
from typing import Final

import click
import msgspec

from lithair.process import EXIT_FAILED

CELL_CHARACTERS_MAX: Final = 40  # of a table
SHOW_EVERY_S: Final = 0.2
CONTROLS: Final = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}

_encode = msgspec.json.Encoder().encode


def say(line: str | bytes) -> None:
    """Write a line to stdout; JSON that a terminal gets is escaped further, and means the same."""
    if isinstance(line, bytes) and sys.stdout.isatty():
        line = safe(line.decode())
    data = line if isinstance(line, bytes) else line.encode("utf-8", "replace")
    sys.stdout.buffer.write(data + b"\n")


@contextlib.contextmanager
def to_stdout() -> Generator[None]:
    """Send what is printed; end quietly, with status 1, when nobody reads it any more."""
    sys.stdout.flush()
    try:
        yield
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.close()
        raise SystemExit(EXIT_FAILED) from None


def indented(item: bytes | msgspec.Raw) -> str:
    """Write an item for people."""
    return safe(msgspec.json.format(bytes(item)).decode())


def safe(json: str) -> str:
    """Escape what a terminal obeys and JSON leaves alone."""
    return json.translate(CONTROLS)


def cell(value: object, most: int = CELL_CHARACTERS_MAX) -> str:
    """Write a value in one line, as a text where it is one; cut when it is long."""
    text = value if isinstance(value, str) else "-" if value is None else _encode(value).decode()
    if len(text) > most:
        text = text[: most - 1] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _encode(c).decode()[1:-1] for c in text).translate(
        CONTROLS
    )


def cells(item: Mapping[str, object], columns: list[str]) -> list[str]:
    """Write the values of a row of a table."""
    return [cell(item.get(column)) for column in columns]


class ProgressLine:
    """How far something is: a line on a terminal, that is written over and gone at the end."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_visible = sys.stderr.isatty()
        self._begun_s = time.monotonic()
        self._next_s = self._begun_s
        self._begun_at = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun_s

    def begin_at(self, done: int) -> None:
        """Say how much was done before: that is not part of the rate."""
        self._begun_at = done
        self._begun_s = time.monotonic()

    def rate(self, done: int) -> float:
        """Give how many were done in a second."""
        return (done - self._begun_at) / max(self.seconds, 1e-3)

    def show(self, done: int, part: float | None) -> None:
        """Show it, a few times a second; `part` of 1 is done, None where the end is not known."""
        if not self._is_visible or time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + SHOW_EVERY_S
        share = "" if part is None else f", {min(part, 1) * 100:.0f} %"
        line = f"{self._what}{done:,}{share}, {self.rate(done):,.0f}/s"
        click.echo(f"\r\x1b[K{line}", nl=False, err=True)

    def end(self) -> None:
        if self._is_visible:
            click.echo("\r\x1b[K", nl=False, err=True)
