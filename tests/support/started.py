"""A whole application in real processes, started as a person does, and watched by a test."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from tests.support.waiting import wait_until

READY = re.compile(r"is ready: (\S+)")
START_MAX_S = 60.0  # this machine may be busy with other tests
STOP_MAX_S = 45.0
GONE_MAX_S = 2.0  # what the contract gives children after their supervisor's death


class Started:
    """`lithair run app.py` in a directory. Leaving it kills whatever is left.

    Entering it waits until it is ready or has ended: a command finds the server it asks.
    """

    def __init__(
        self,
        directory: Path,
        target: str = "app.py",
        environ: Mapping[str, str] | None = None,
        port: int = 0,
        options: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.said: list[str] = []  # stdout, line by line
        self.log_path = directory / "log"
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lithair", "run", target, "--port", str(port), *options],
                cwd=directory,
                env={**os.environ, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._family: set[psutil.Process] = set()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Started":
        try:
            wait_until(self._is_settled, "the server to be ready or to end", START_MAX_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._family |= self.living()
        self.process.kill()
        self.process.wait()
        self._reader.join()
        try:
            wait_until(lambda: not self.survivors(), "the whole family to be gone", GONE_MAX_S)
        finally:
            for one in self.survivors():
                one.kill()

    @property
    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8")

    @property
    def url(self) -> str:
        """Wait until it is ready, and give its address."""

        def look() -> str | None:
            if self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}:\n{self.log}")
            found = self._ready()
            return found[1] if found else None

        return wait_until(look, "the server to be ready", START_MAX_S)

    def living(self) -> set[psutil.Process]:
        """Give the children, and remember them: their supervisor may be killed next."""
        try:
            self._family |= set(psutil.Process(self.process.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            pass
        return {process for process in self._family if _lives(process)}

    def survivors(self) -> set[psutil.Process]:
        """Give those of all children ever seen that still live."""
        return {process for process in self._family if _lives(process)}

    def find(self, title: str) -> psutil.Process | None:
        """Find a living child by its title, such as "model films"."""
        for process in self.living():
            try:
                if f"lithair: {title}" in " ".join(process.cmdline()):
                    return process
            except psutil.NoSuchProcess:
                continue
        return None

    def child(self, title: str) -> psutil.Process:
        return wait_until(lambda: self.find(title), f"a process called {title}", START_MAX_S)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop and give its exit status."""
        self.living()
        self.process.send_signal(number)
        return self.process.wait(STOP_MAX_S)

    def _ready(self) -> "re.Match[str] | None":
        return READY.search("".join(self.said))

    def _is_settled(self) -> bool:
        return self._ready() is not None or self.process.poll() is not None

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:  # one by one: another thread waits for them
                self.said.append(line)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
