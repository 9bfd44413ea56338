"""Headless Chromium, driven through chromedriver by the W3C's WebDriver protocol.

Law: both run in a session (of the operating system) and a profile of their own; when `browser` is
left, whatever of them still lives is ended, and nothing but them.
"""

import base64
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psutil

from tests.support.waiting import wait_until

STARTED = re.compile(r"started successfully on port (\d+)")
START_MAX_S = 90.0  # a browser is large, and the machine may be busy
CALL_MAX_S = 120.0
GONE_MAX_S = 30.0
LOOK_EVERY_S = 0.1  # each look takes the browser some milliseconds
FLAGS = (
    "--headless",
    "--no-sandbox",  # as root there is none
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",  # it is small in containers
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--no-first-run",
    "--disable-background-networking",  # it asks nobody but the test's server
    "--disable-component-update",
    "--disable-sync",
    "--force-device-scale-factor=1",
)
# https://www.w3.org/TR/webdriver2/#keyboard-actions
KEYS = {"tab": "\ue004", "enter": "\ue007", "escape": "\ue00c", "space": " ", "right": "\ue014"}


def is_installed() -> bool:
    return bool(shutil.which("chromedriver") and shutil.which("chromium"))


class Browser:
    """One window; every call waits until the browser has done it."""

    def __init__(self, port: int, profile: str, width: int, height: int) -> None:
        self._port = port
        options = {
            "binary": shutil.which("chromium"),
            "args": [*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"],
        }
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "acceptInsecureCerts": True,  # a test's own
        }
        asked = {"capabilities": {"alwaysMatch": wanted}}
        self._session = f"/session/{self._ask('POST', '/session', asked)['sessionId']}"

    def open(self, url: str) -> None:
        """Go to an address, and wait until its page is loaded."""
        self._ask("POST", f"{self._session}/url", {"url": url})

    def run(self, script: str, *arguments: object) -> Any:
        """Run JavaScript, the body of a function, and give what it returns."""
        asked = {"script": script, "args": list(arguments)}
        return self._ask("POST", f"{self._session}/execute/sync", asked)

    def wait_for(self, expression: str, timeout_s: float = 90.0) -> Any:
        """Wait until an expression is true in the page, and give its value."""
        return wait_until(
            lambda: self.run(f"return ({expression})"), expression, timeout_s, LOOK_EVERY_S
        )

    def screenshot(self, place: Path) -> None:
        """Keep what is seen as a PNG."""
        place.write_bytes(base64.b64decode(self._ask("GET", f"{self._session}/screenshot")))

    def logged(self, kind: str) -> list[dict[str, Any]]:
        """Give what was logged since the last call: "browser" (its console), or "performance"."""
        told: list[dict[str, Any]] = self._ask("POST", f"{self._session}/se/log", {"type": kind})
        return told

    def requested(self) -> list[str]:
        """Give the addresses that pages have asked for since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.logged("performance")]
        sent = (event for event in events if event["method"] == "Network.requestWillBeSent")
        return [event["params"]["request"]["url"] for event in sent]

    def press(self, *keys: str) -> None:
        """Press keys one after another, as a person does; KEYS has those without a character."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        keyboard = {"type": "key", "id": "keyboard", "actions": actions}
        self._ask("POST", f"{self._session}/actions", {"actions": [keyboard]})

    def command(self, name: str, **arguments: object) -> Any:
        """Give a command of Chrome's DevTools protocol."""
        asked = {"cmd": name, "params": arguments}
        return self._ask("POST", f"{self._session}/goog/cdp/execute", asked)

    def close(self) -> None:
        self._ask("DELETE", self._session)

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        sent = None if body is None else json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=CALL_MAX_S)
        with contextlib.closing(connection):
            connection.request(method, path, sent, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            value: Any = json.loads(answer.read())["value"]
        assert answer.status == http.client.OK, f"{method} {path}: {value}"
        return value


@contextlib.contextmanager
def browser(width: int = 1200, height: int = 760) -> Generator[Browser]:
    """Start chromedriver and a browser, and end both."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        log = Path(profile) / "chromedriver.log"
        with log.open("wb") as output:
            driver = subprocess.Popen(
                ["chromedriver", "--port=0"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HOME": profile, "TMPDIR": profile},
                start_new_session=True,
            )
        try:
            window = Browser(_port(driver, log), profile, width, height)
            yield window
            window.close()
        finally:
            _end(driver, profile)


def _port(driver: "subprocess.Popen[bytes]", log: Path) -> int:
    def look() -> str | None:
        said = log.read_text(encoding="utf-8", errors="replace")
        assert driver.poll() is None, f"chromedriver has ended: {said}"
        found = STARTED.search(said)
        return found[1] if found else None

    return int(wait_until(look, "chromedriver to start", START_MAX_S))


def _end(driver: "subprocess.Popen[bytes]", profile: str) -> None:
    """End chromedriver and its browser: who is in its session, or works on the profile."""
    driver.terminate()
    try:
        driver.wait(GONE_MAX_S)
    except subprocess.TimeoutExpired:
        driver.kill()
        driver.wait()
    for process in _family(driver.pid, profile):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    wait_until(lambda: not _family(driver.pid, profile), "the browser to be gone", GONE_MAX_S)


def _family(session: int, profile: str) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            is_ours = os.getsid(process.pid) == session or profile in " ".join(process.cmdline())
            if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
