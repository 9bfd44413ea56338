"""FastAPI + SQLite: bench/peers/fastapi_notes.py under one uvicorn."""

import os
import sqlite3
import subprocess
import time
from importlib import metadata
from pathlib import Path

from bench.sides.installed import PEERS
from bench.sides.side import (
    NOTES,
    PAGE,
    Entry,
    Routes,
    end_process,
    free_port,
    memory_bytes,
    note,
    start_process,
    until_answered,
    until_listening,
)

TOKEN = "3c6d5f1e8a9b4c7d"
FIELDS = ("id", "sender", "folder", "sent", "subject", "body")
OPEN = Routes(
    item="/notes/",
    collection="/notes",
    bulk="/notes/_bulk",
    page=f"/notes?folder=folder-%d&take={PAGE}",
)
GATED = OPEN._replace(item="/gated/")


class FastApiSide:
    name = "FastAPI + SQLite"
    syncs = "each write by itself (WAL, `synchronous=FULL`)"

    def __init__(self, directory: Path, python: Path) -> None:
        self._python = python
        self._database = directory / "notes.db"
        self._log = directory.with_suffix(".log")
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir()
        packages = python.parent.parent.glob("lib/*/site-packages")
        found = {
            one.name: one.version for one in metadata.distributions(path=[*map(str, packages)])
        }
        self.what = (
            f"FastAPI {found['fastapi']}, uvicorn {found['uvicorn']} with uvloop and httptools,"
            " 1 process, coroutines that call sqlite3 themselves, no access log"
        )

    def fill(self) -> int:
        self._serve()  # it makes its tables
        until_listening(f"{self.open.url}/openapi.json")
        empty_bytes = memory_bytes(self.pids())
        self.stop()
        database = sqlite3.connect(self._database)
        database.execute("INSERT INTO sessions VALUES (?, ?)", (TOKEN, "ann"))
        database.executemany(
            f"INSERT INTO notes ({', '.join(FIELDS)}) VALUES (?, ?, ?, ?, ?, ?)",
            [tuple(note(number)[field] for field in FIELDS) for number in range(NOTES)],
        )
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("ANALYZE")
        database.close()
        return empty_bytes

    def start(self) -> float:
        started = time.monotonic()
        self._serve()
        return until_answered(self.open) - started

    def stop(self) -> None:
        if self._process is not None:
            end_process(self._process)
            self._process = None

    @property
    def open(self) -> Entry:
        return Entry(f"http://127.0.0.1:{self._port}", OPEN)

    @property
    def gated(self) -> Entry:
        return Entry(f"http://127.0.0.1:{self._port}", GATED, f"Bearer {TOKEN}")

    def pids(self) -> list[int]:
        return [] if self._process is None else [self._process.pid]

    gated_pids = pids

    def _serve(self) -> None:
        self._port = free_port()
        command: list[str | Path] = [
            self._python, "-m", "uvicorn", "fastapi_notes:app", "--host", "127.0.0.1", "--port",
            str(self._port), "--loop", "uvloop", "--http", "httptools", "--no-access-log",
        ]  # fmt: skip
        environ = {**os.environ, "NOTES_DATABASE": str(self._database)}
        self._process = start_process(command, self._log, cwd=PEERS, env=environ)
