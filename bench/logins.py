"""Logins: whether their time tells who has an account, and what they cost everybody else.

One gateway. 200 failed logins of an unknown user and 200 with a wrong password, in turns, one at a
time, each from an address of its own among few (failures are limited per address); then 20 right
logins at once, again and again, beside GETs by id over one connection, and the same GETs alone.
"""

import http.client
import json
import random
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from bench.report import load_after, machine, table
from bench.served import IndexedNote, application, make, scratch
from lithair.accounts import USERS, Account
from lithair.client.accounts import AccountCalls
from lithair.client.connection import Connection
from lithair.gateway.passwords import hash_password

if TYPE_CHECKING:
    from lithair.actors.background import Server

FAILURES = 200  # of each kind
AT_ONCE = 20
ROUNDS = 5
DRAWS = 2000
QUIET_S = 3.0  # of GETs alone, before each round
USERS_COUNT = 20  # so that no limit is reached: 100 failures each
WORD = "correct horse battery"


class Kind(NamedTuple):
    wall_ms: list[float]
    cpu_ms: list[float]  # of the gateway: what other work on this machine hardly changes


def measure() -> str:
    """Give the section for RESULTS.md."""
    where = machine()
    with scratch("logins") as directory, server_with_users(directory) as server:
        unknown, wrong = failures(server)
        alone, beside, login_s = gets(server)
    rows = [
        (name, f"{middle(kind.wall_ms):.1f} ms", f"{middle(kind.cpu_ms):.1f} ms")
        for name, kind in (("unknown user", unknown), ("wrong password", wrong))
    ]
    rows.append(
        (
            "difference",
            difference(unknown.wall_ms, wrong.wall_ms),
            difference(unknown.cpu_ms, wrong.cpu_ms),
        )
    )
    beside_rows = [
        (
            name,
            str(len(times)),
            f"{percentile(times, 50):.2f} ms",
            f"{percentile(times, 99):.2f} ms",
        )
        for name, times in (("alone", alone), (f"beside {AT_ONCE} logins at once", beside))
    ]
    ratio = percentile(beside, 99) / percentile(alone, 99)
    return (
        f"## Logins\n\nMedians of {FAILURES} failed logins each, in turns:\n\n"
        + table(("failed login", "time", "processor time of the gateway"), rows)
        + "\nGET by id over one connection, one after another:\n\n"
        + table(("GETs", "how many", "p50", "p99"), beside_rows)
        + f"\nThe p99 is {ratio:.2f} of what it is alone. {AT_ONCE} logins at once take"
        f" {middle(login_s):.1f} s.\n\n`python -m bench.logins`: {where}, {load_after()}.\n"
    )


@contextmanager
def server_with_users(directory: Path) -> Generator["Server"]:
    app = application(directory).with_users(directory / "users")
    with app.running() as server:
        server.handle(IndexedNote).bulk_create([make(IndexedNote, n) for n in range(1000)])
        connection = Connection(str(directory / "run"))
        word_hash = hash_password(WORD)
        for number in range(USERS_COUNT):
            name = f"user{number}"
            account = Account(id=name, name=name, password_hash=word_hash)
            connection.wait(USERS, AccountCalls().create(account))
        connection.close()
        yield server


def failures(server: "Server") -> tuple[Kind, Kind]:
    """Fail in turns, so that whatever else goes on here meets both alike."""
    kinds = Kind([], []), Kind([], [])
    for number in range(FAILURES):
        address = f"127.0.1.{number % 100 + 1}"
        names = f"nobody{number % USERS_COUNT}", f"user{number % USERS_COUNT}"
        turns = (0, 1) if number % 2 else (1, 0)
        for turn in turns:
            before_cpu_ms, before_s = gateway_cpu_ms(server), time.perf_counter()
            assert log_in(server, names[turn], "wrong", address) == 401
            kinds[turn].wall_ms.append((time.perf_counter() - before_s) * 1000)
            kinds[turn].cpu_ms.append(gateway_cpu_ms(server) - before_cpu_ms)
    return kinds


def gets(server: "Server") -> tuple[list[float], list[float], list[float]]:
    """Time GETs alone, and while many log in; and how long these take together."""
    alone: list[float] = []
    beside: list[float] = []
    login_s: list[float] = []
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for number in range(ROUNDS):
            alone += get_while(server, [threads.submit(time.sleep, QUIET_S)])
            begun_s = time.perf_counter()
            logins = [
                threads.submit(log_in, server, f"user{user}", WORD, f"127.0.2.{number + 1}")
                for user in range(AT_ONCE)
            ]
            beside += get_while(server, logins)
            assert {one.result() for one in logins} == {200}
            login_s.append(time.perf_counter() - begun_s)
    return alone, beside, login_s


def get_while(server: "Server", waited_for: Sequence["Future[Any]"]) -> list[float]:
    """GET one note after another until all is done; gives the milliseconds of each."""
    times: list[float] = []
    connection = http.client.HTTPConnection(*_place(server), timeout=30)
    number = 0
    while not all(one.done() for one in waited_for):
        begun_s = time.perf_counter()
        connection.request("GET", f"/api/notes/note-{number % 1000:07d}")
        answer = connection.getresponse()
        answer.read()
        times.append((time.perf_counter() - begun_s) * 1000)
        assert answer.status == 200
        number += 1
    connection.close()
    return times


def log_in(server: "Server", username: str, password: str, address: str) -> int:
    """Log in over a connection of its own; gives the status."""
    connection = http.client.HTTPConnection(
        *_place(server), timeout=120, source_address=(address, 0)
    )
    body = json.dumps({"username": username, "password": password})
    connection.request("POST", "/auth/login", body, {"Content-Type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    return status


def gateway_cpu_ms(server: "Server") -> float:
    """Give what the gateway's threads have run for, to the nanosecond (proc(5), schedstat)."""
    family = psutil.Process(server.pid).children(recursive=True)
    (gateway,) = [one for one in family if "gateway-0" in " ".join(one.cmdline())]
    tasks = Path(f"/proc/{gateway.pid}/task").glob("*/schedstat")
    return sum(int(task.read_text(encoding="ascii").split()[0]) for task in tasks) / 1e6


def _place(server: "Server") -> tuple[str, int]:
    return "127.0.0.1", int(server.url.rpartition(":")[2])


def difference(ones: list[float], others: list[float]) -> str:
    """Compare two medians, in per cent, with the interval that 95 of 100 repetitions fall into.

    Pairs are drawn again and again (a bootstrap): beside other work, one difference says little.
    """
    draw = random.Random(1)
    found: list[float] = []
    for _ in range(DRAWS):
        drawn = [draw.randrange(len(ones)) for _ in ones]
        found.append(middle([ones[i] for i in drawn]) / middle([others[i] for i in drawn]))
    found.sort()
    low, high = (100 * (found[at] - 1) for at in (DRAWS // 40, -DRAWS // 40 - 1))
    return f"{100 * (middle(ones) / middle(others) - 1):+.1f} % ({low:+.1f} to {high:+.1f})"


def middle(values: list[float]) -> float:
    return percentile(values, 50)


def percentile(values: list[float], percent: int) -> float:
    """Give the value that so many percent do not exceed."""
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


if __name__ == "__main__":
    print(measure())
