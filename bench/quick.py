"""Whether the hot paths cost more than they did: instructions of a request, by callgrind.

`make bench-quick`, under two minutes. A server runs as always but for one of its processes, which
runs under valgrind (Debian's package): first the gateway, then the model process. Sixteen
connections ask in step, so what one turn of a loop takes is nearly the same each time; the least
of some passes counts. Instructions don't care what else the machine does. They do care about the
interpreter and the packages: with others than bench/baseline.json has, there is nothing to compare.

    python -m bench.quick           compare; the exit status is 1 when something costs more
    python -m bench.quick --keep    make what is measured the baseline
"""

import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from bench.report import table
from bench.served import scratch
from bench.sides.side import asked, end_process, free_port, note, until_listening

BASELINE = Path(__file__).resolve().parent / "baseline.json"
PACKAGES = ("httptools", "msgpack", "msgspec", "pyzmq", "sortedcontainers", "tornado", "uvloop")
CONNECTIONS = 16
WARMING = 12  # requests of each connection before the first pass: the interpreter specialises code
REQUESTS = 8  # of each connection in a pass
PASSES = 5
KINDS = ("gateway", "model")  # of the processes that are counted
NOTES = 2_000
TOLERATED = 0.06  # of the baseline: what a repetition may differ by
ANSWER_MAX_S = 60.0
STOP_MAX_S = 60.0

Counts = dict[str, int]  # by work: instructions of one request


class Kept(NamedTuple):
    """What was counted, and with what."""

    software: dict[str, str]
    instructions: Counts


class Compared(NamedTuple):
    """One work, now and at the baseline; None where there is no such figure."""

    work: str
    before: int | None
    now: int | None

    @property
    def verdict(self) -> str:
        """Say what moved."""
        if self.before is None:
            return "new"
        if self.now is None:
            return "gone"
        change = self.now / self.before - 1
        if abs(change) <= TOLERATED:
            return "as before"
        return f"**{abs(change):.0%} {'more' if change > 0 else 'less'}**"

    @property
    def is_worse(self) -> bool:
        return bool(self.before and self.now and self.now > self.before * (1 + TOLERATED))


def compare(baseline: Counts, now: Counts) -> list[Compared]:
    """Set what was counted beside the baseline."""
    works = dict.fromkeys((*baseline, *now))
    return [Compared(work, baseline.get(work), now.get(work)) for work in works]


def software() -> dict[str, str]:
    """Give the versions that instruction counts depend on."""
    found = {package: version(package) for package in PACKAGES}
    return {"python": platform.python_version(), "machine": platform.machine(), **found}


# Requests


def request(method: str, path: str, token: str, body: object = None) -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {token}"]
    if data:
        head += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + data


def works(token: str) -> dict[str, Callable[[int], bytes]]:
    """Give what is asked, by name: each makes its request number so and so."""

    def new(number: int) -> dict[str, object]:
        return {**note(number), "id": f"new-{number:07d}", "folder": "new"}

    return {
        "GET by id": lambda number: request(
            "GET", f"/api/notes/{note(number * 7 % NOTES)['id']}", token
        ),
        "POST": lambda number: request("POST", "/api/notes", token, new(number)),
        "PATCH": lambda number: request(
            "PATCH", f"/api/notes/{note(number % NOTES)['id']}", token, {"subject": f"{number}"}
        ),
        "list of 20": lambda number: request(
            "GET", f"/api/notes?folder=folder-{number % 100}&sort=-sent&take=20", token
        ),
    }


class Connection:
    """One connection that asks and waits."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), ANSWER_MAX_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self) -> None:
        """Take an answer; it has to be a good one."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        assert head.split(b" ", 2)[1] in (b"200", b"201"), data
        found = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        assert found is not None, head
        missing = int(found[1]) - len(body)
        while missing > 0:
            missing -= len(self._more())

    def close(self) -> None:
        self._socket.close()

    def _more(self) -> bytes:
        data = self._socket.recv(1 << 18)
        assert data, "the server closed the connection"
        return data


# Counting


class Counted:
    """A server one of whose processes is counted."""

    def __init__(self, directory: Path, port: int) -> None:
        self._directory = directory
        self._pid = next(directory.glob("valgrind-*.log")).stem.partition("-")[2]
        self._dumps = 0
        url = f"http://127.0.0.1:{port}"
        self.token = str(asked("POST", f"{url}/in")["token"])
        bearer = f"Bearer {self.token}"
        asked("POST", f"{url}/api/notes/_bulk", [note(number) for number in range(NOTES)], bearer)
        self._connections = [Connection(port) for _ in range(CONNECTIONS)]
        self._number = 0

    def measure(self, make: Callable[[int], bytes]) -> int:
        """Give the instructions of one request."""
        self._control("--instr=on")
        self._ask(make, WARMING)
        found: list[int] = []
        for _ in range(PASSES):
            self._control("--zero")
            self._ask(make, REQUESTS)
            found.append(self._dump() // (CONNECTIONS * REQUESTS))
        self._control("--instr=off")
        return min(found)

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _ask(self, make: Callable[[int], bytes], times: int) -> None:
        for _ in range(times):
            for connection in self._connections:
                connection.send(make(self._number))
                self._number += 1
            for connection in self._connections:
                connection.answer()

    def _dump(self) -> int:
        self._control("--dump")
        self._dumps += 1
        dump = self._directory / f"counts-{self._pid}.{self._dumps}"
        totals = re.search(r"^totals: (\d+)", dump.read_text(encoding="utf-8"), re.MULTILINE)
        assert totals is not None, dump
        dump.unlink()
        return int(totals[1])

    def _control(self, option: str) -> None:
        command = ["callgrind_control", option, self._pid]
        subprocess.run(command, check=True, capture_output=True, timeout=ANSWER_MAX_S)


@contextmanager
def counted(kind: str) -> Generator[Counted]:
    """Run a server whose process of that kind is counted."""
    port = free_port()
    with scratch("quick") as directory, ExitStack() as stack:
        command = [sys.executable, "-m", "bench.counted_server", str(directory), kind, str(port)]
        environ = {**os.environ, "PYTHONHASHSEED": "0"}
        log = stack.enter_context((directory / "log").open("wb"))
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
        stack.callback(end_process, server)
        until_listening(f"http://127.0.0.1:{port}/ready")
        found = Counted(directory, port)
        stack.callback(found.close)
        yield found


def count() -> Counts:
    """Count everything."""
    found: Counts = {}
    for kind in KINDS:
        with counted(kind) as server:
            for work, make in works(server.token).items():
                found[f"{kind}: {work}"] = server.measure(make)
                print(f"{kind}: {work}: {found[f'{kind}: {work}']:,}", file=sys.stderr, flush=True)
    return found


def report(compared: Sequence[Compared]) -> str:
    rows = [
        (
            one.work,
            "" if one.before is None else f"{one.before:,}",
            "" if one.now is None else f"{one.now:,}",
            one.verdict,
        )
        for one in compared
    ]
    return table(("instructions of a request", "baseline", "now", "it takes"), rows)


def main() -> None:
    for program in ("valgrind", "callgrind_control"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is not installed. On Debian: apt-get install valgrind")
    now = Kept(software(), count())
    if "--keep" in sys.argv[1:]:
        BASELINE.write_text(json.dumps(now._asdict(), indent=1) + "\n", encoding="utf-8")
        print(report(compare({}, now.instructions)))
        return
    baseline = Kept(**json.loads(BASELINE.read_text(encoding="utf-8")))
    if baseline.software != now.software:
        others = [
            f"{name} {text}, here {now.software.get(name, 'none')}"
            for name, text in baseline.software.items()
            if now.software.get(name) != text
        ]
        print(report(compare({}, now.instructions)))
        print(f"bench/baseline.json was counted with {'; '.join(others)}: nothing to compare.")
        return
    compared = compare(baseline.instructions, now.instructions)
    print(report(compared))
    if any(one.is_worse for one in compared):
        sys.exit("Something costs more than it did. If it has to: python -m bench.quick --keep")


if __name__ == "__main__":
    main()
