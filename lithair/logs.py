"""Logs: one line per entry on stderr, readable on a terminal, JSON everywhere else.

Owns the root logger's only handler. Law: every entry is one `write` of one line, so that the lines
of several processes do not mix. Where an error passed through the user's code, its traceback begins
there: how Lithair came to call it is shown at level debug only.

    json line := {"time": RFC 3339 UTC, "level", "process", "logger", "message", ["exception"]}
"""

import datetime as dt
import functools
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Final, TextIO

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def in_words(error: BaseException) -> str:
    """Give an error's traceback, from the first of the user's own lines on where there is one."""
    told = traceback.TracebackException.from_exception(error, compact=True)
    for each in _chain(told):
        lines = (i for i, line in enumerate(each.stack) if _is_the_users(line.filename))
        del each.stack[: next(lines, 0)]
    return "".join(told.format()).rstrip("\n")


def _is_the_users(filename: str) -> bool:
    return not filename.startswith(_not_the_users())


@functools.cache
def _not_the_users() -> tuple[str, ...]:
    """Give what the names of files begin with that are Lithair's, Python's or were installed."""
    import sysconfig  # costs a millisecond, which only those pay who have an error to tell

    here = os.path.dirname(os.path.abspath(__file__))
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = (here, *(sysconfig.get_path(name) for name in names))
    return (*(folder + os.sep for folder in folders), "<")  # <frozen importlib._bootstrap>


def _chain(told: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    yield told
    for cause in (told.__cause__, told.__context__):
        if cause is not None:
            yield from _chain(cause)


class Trimming(logging.Formatter):
    """Leaves out of tracebacks what is not the user's, unless everything is asked for."""

    def formatException(self, ei: ExcInfo) -> str:  # noqa: N802  # logging names it
        if ei[1] is None or logging.getLogger().isEnabledFor(logging.DEBUG):
            return super().formatException(ei)
        return in_words(ei[1])


class JsonLines(Trimming):
    """An entry as one JSON object."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        moment = dt.datetime.fromtimestamp(record.created, dt.UTC)
        entry = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class Readable(Trimming):
    """An entry for a person: time, level when it matters, process, message."""

    def __init__(self, process: str) -> None:
        super().__init__(
            fmt=f"%(asctime)s.%(msecs)03d %(levelname)-8s {process}: %(message)s",
            datefmt="%H:%M:%S",
        )


def configure(level: str, process: str, stream: TextIO | None = None) -> None:
    """Send this process's log to `stream` (stderr), from `level` on, in the form that fits it."""
    target = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(target)
    handler.setFormatter(Readable(process) if target.isatty() else JsonLines(process))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(LEVELS.get(level.lower(), logging.INFO))
