"""The Rust Lithair: bench/peers/rust, which depends on the published crate `lithair-core`.

Filled once, over HTTP, as its log has a format of its own; the gated server gets a copy.
"""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from bench.sides import lithair
from bench.sides.installed import PEERS
from bench.sides.side import (
    NOTES,
    Entry,
    asked,
    end_process,
    free_port,
    memory_bytes,
    note,
    start_process,
    until_answered,
    until_listening,
)

ROUTES = lithair.ROUTES._replace(shape="with ids")  # it wants them
TOKEN = "6f1f1f8c-9a6e-4b0e-8f60-0d5f4f3a2b1c"
BATCH = 2000


class RustSide:
    name = "Lithair for Rust"
    syncs = "nothing at a write, though its pages tell of `fsync`: see what strace counts"

    def __init__(self, directory: Path, program: Path) -> None:
        self._program = program
        self._directory = directory
        self._log = directory.with_suffix(".log")
        self._ports = (0, 0)
        self._processes: list[subprocess.Popen[bytes]] = []
        directory.mkdir()
        lock = (PEERS / "rust" / "Cargo.lock").read_text(encoding="utf-8")
        version = re.search(r'name = "lithair-core"\nversion = "([^"]+)"', lock)
        assert version is not None
        self.what = f"crate lithair-core {version[1]}, as it comes"

    def fill(self) -> int:
        self._ports = (free_port(), 0)
        process = self._serve(self._ports[0], self._directory / "open")
        try:
            until_listening(f"{self.open.url}/health")
            empty_bytes = memory_bytes([process.pid])
            for start in range(0, NOTES, BATCH):
                notes = [note(number) for number in range(start, start + BATCH)]
                asked("POST", self.open.url + ROUTES.bulk, notes)
        finally:
            end_process(process)
        shutil.copytree(self._directory / "open", self._directory / "gated")
        return empty_bytes

    def start(self) -> float:
        started = time.monotonic()
        self._ports = (free_port(), 0)
        self._processes = [self._serve(self._ports[0], self._directory / "open")]
        took_s = until_answered(self.open) - started
        self._ports = (self._ports[0], free_port())
        self._processes.append(self._serve(self._ports[1], self._directory / "gated", TOKEN))
        until_answered(self.gated)
        return took_s

    def stop(self) -> None:
        for process in self._processes:
            end_process(process)
        self._processes = []

    @property
    def open(self) -> Entry:
        return Entry(f"http://127.0.0.1:{self._ports[0]}", ROUTES)

    @property
    def gated(self) -> Entry:
        return Entry(f"http://127.0.0.1:{self._ports[1]}", ROUTES, f"Bearer {TOKEN}")

    def pids(self) -> list[int]:
        return [self._processes[0].pid]

    def gated_pids(self) -> list[int]:
        return [self._processes[1].pid]

    def _serve(self, port: int, directory: Path, *token: str) -> "subprocess.Popen[bytes]":
        directory.mkdir(exist_ok=True)
        environ = {**os.environ, "RUST_LOG": "error"}
        command: list[str | Path] = [self._program, str(port), directory, *token]
        return start_process(command, self._log, cwd=directory, env=environ)
