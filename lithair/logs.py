"""Logs: one line per entry on stderr, readable on a terminal, JSON everywhere else.

Owns the root logger's only handler. Law: every entry is one `write` of one line, so that the lines
of several processes do not mix.

    json line := {"time": RFC 3339 UTC, "level", "process", "logger", "message", ["exception"]}
"""

import datetime as dt
import json
import logging
import sys
from typing import Final, TextIO

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


class JsonLines(logging.Formatter):
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


class Readable(logging.Formatter):
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
