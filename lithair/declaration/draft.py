"""A draft of a declaration: what the checks gather on their way.

Law: a check never stops at the first mistake; it writes one sentence that names the call, and goes
on. A draft with a mistake in it never becomes a declaration.
"""

import datetime as dt
import os
from typing import TypeVar

from lithair.config import path_text
from lithair.declaration import packing
from lithair.declaration.packing import CannotTravel, Part

T = TypeVar("T")

EVERY_S_MAX = 10 * 365 * 86_400.0  # a schedule beyond ten years is a slip of the pen


class Draft:
    """The mistakes and notices found so far, and the modules that children will need."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []
        self.notices: list[str] = []
        self._modules: set[str] = set()

    def mistake(self, call: str, what: str) -> None:
        """Keep one sentence about a call."""
        self.mistakes.append(f"{call}: {what}.")

    def part(self, call: str, value: T) -> Part[T] | None:
        """Pickle a user's object for the children; None, and a mistake, when it can't be."""
        try:
            part, modules = packing.pack_part(value)
        except CannotTravel as error:
            self.mistake(
                call, f"{packing.name_of(value)} can't be sent to another process: {error}"
            )
            return None
        self._modules |= modules
        return part

    def directory(self, call: str, value: object) -> str | None:
        """Make a path absolute; None, and a mistake, when it is none."""
        text = path_text(value)
        if not text or "\0" in text:
            self.mistake(call, f"{value!r} is not the path of a directory")
            return None
        return os.path.abspath(text)

    def seconds(self, call: str, value: object, name: str = "every") -> float | None:
        """Read seconds or a timedelta; None, and a mistake, when it is neither or not above 0."""
        seconds: object = value
        if isinstance(value, dt.timedelta):
            seconds = value.total_seconds()
        if (
            isinstance(seconds, int | float)
            and not isinstance(seconds, bool)
            and 0 < seconds <= EVERY_S_MAX
        ):
            return float(seconds)
        self.mistake(call, f"{name}={value!r} has to be seconds, or a timedelta, above 0")
        return None

    def modules(self) -> dict[str, str]:
        """Return the files of the modules that the parts come from."""
        return packing.module_files(self._modules)
