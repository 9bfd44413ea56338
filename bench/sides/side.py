"""A side of the comparison: a server with 100,000 notes, and how it is asked.

Law: every side gets the same notes, the same requests and the same connections; what it can do
best in its ordinary form it is told to do, and where it does less (no sync), the table says so.
"""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import psutil

NOTES = 100_000
FOLDERS = 100  # so 1,000 notes match a list
PAGE = 20
START_MAX_S = 120.0
STOP_MAX_S = 30.0


class Routes(NamedTuple):
    """Paths: `item` before an id, `page` with %d for the number of a folder."""

    item: str
    collection: str
    bulk: str
    page: str
    shape: str = "array"  # of writes: versus.lua


class Entry(NamedTuple):
    """A port with notes behind it, gated or not."""

    url: str
    routes: Routes
    authorization: str = ""


class Side(Protocol):
    name: str
    what: str  # version and form
    syncs: str

    def fill(self) -> int:
        """Bring the notes in; gives the memory of its processes before. It runs only meanwhile."""
        ...

    def start(self) -> float:
        """Start; gives the seconds until the first note was answered."""
        ...

    def stop(self) -> None: ...

    @property
    def open(self) -> Entry: ...

    @property
    def gated(self) -> Entry: ...

    def pids(self) -> Sequence[int]:
        """Give the processes that serve the open entry."""
        ...

    def gated_pids(self) -> Sequence[int]:
        """Give those that serve the gated one; often they are the same."""
        ...


def note(number: int) -> dict[str, Any]:
    """Give a note as JSON has it, some 300 bytes; its `sent` is its own."""
    return {
        "id": f"note{number:011d}",  # as PocketBase has them: with others it is far slower
        "sender": f"writer{number % 997}@example.org",
        "folder": f"folder-{number % FOLDERS}",
        "sent": number * 7919 % 1_000_003,
        "subject": f"subject {number % 1000}",
        "body": f"{number} " + "x" * 180,
    }


def ask(
    method: str, url: str, body: object = None, authorization: str = ""
) -> tuple[int, dict[str, Any]]:
    """Give status and body of one request."""
    headers = {"Content-Type": "application/json"}
    if authorization:
        headers["Authorization"] = authorization
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=START_MAX_S) as answer:
            told: dict[str, Any] | list[Any] = json.loads(answer.read() or b"{}")
            return answer.status, told if isinstance(told, dict) else {"items": told}
    except urllib.error.HTTPError as error:
        return error.code, {"error": error.read().decode(errors="replace")}


def asked(method: str, url: str, body: object = None, authorization: str = "") -> dict[str, Any]:
    """Give the body of a request that has to succeed."""
    status, told = ask(method, url, body, authorization)
    assert 200 <= status < 300, f"{method} {url}: {status} {told}"
    return told


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def until_answered(entry: Entry) -> float:
    """Wait until a note is answered; gives the monotonic time of that."""
    return until_listening(entry.url + entry.routes.item + note(0)["id"], entry.authorization)


def until_listening(url: str, authorization: str = "") -> float:
    """Wait until a URL is answered 200; gives the monotonic time of that."""
    give_up_s = time.monotonic() + START_MAX_S
    while True:
        try:
            if ask("GET", url, authorization=authorization)[0] == 200:
                return time.monotonic()
        except OSError:  # it does not listen yet
            pass
        if time.monotonic() > give_up_s:
            raise TimeoutError(f"{url} was not answered within {START_MAX_S:.0f} s")
        time.sleep(0.005)


def start_process(
    command: Sequence[str | Path],
    log: Path,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(
            list(map(str, command)),
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            cwd=cwd,
            env=env,
        )


def end_process(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_MAX_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def family(pids: Sequence[int]) -> list[psutil.Process]:
    roots = [psutil.Process(pid) for pid in pids]
    return [*roots, *(child for root in roots for child in root.children(recursive=True))]


def cpu_s(pids: Sequence[int]) -> float:
    """Give the processor time that these and their children have used."""
    times = [process.cpu_times() for process in family(pids)]
    return sum(one.user + one.system for one in times)


def memory_bytes(pids: Sequence[int]) -> int:
    """Give the memory of these and their children; what they share counts once (PSS)."""
    return sum(process.memory_full_info().pss for process in family(pids))
