"""Retention never changes an answer: a model with it answers as its twin without, byte for byte."""

import random
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx2 as httpx
import msgspec
import pytest

from lithair import connect
from tests.end_to_end.letters import Letter
from tests.support.started import Started
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

pytestmark = pytest.mark.usefixtures("no_leaks")

ITEMS = 40
STEPS = 400
TOKEN = "retention-test"
EVICTED_MAX_S = 60.0  # what the contract gives age; the rest takes a turn of the loop
CITIES = ("Rome", "Oslo", "Lima")
WORDS = ("invoice", "Été", 'a "quote"', "\u2028line", "plain")

READS = (
    "",
    "?take=7",
    "?skip=3&take=4",
    "?sort=size",
    "?sort=-size&take=6",
    "?sort=rank&take=9",
    "?sort=-rank",
    "?sort=subject,-size",
    "?sort=body&take=5",
    "?sort=-origin.city,origin.stars",
    "?sort=id&fields=id",
    "?fields=from,subject",
    "?fields=rank,size,code&sort=-rank&take=8",
    "?fields=body,from&take=6",
    "?fields=origin&sort=size",
    "?from=writer1",
    "?from=!writer1&take=9",
    "?subject=~INVOICE",
    "?subject=null",
    "?subject=!null&sort=size",
    "?size=>20&size=<=60",
    "?size=[10,20,30]",
    "?rank=>=2.5&sort=rank",
    "?rank=null",
    "?code=code-11",
    "?code=[code-3,code-4]",
    "?body=~plain&take=4",
    "?read=true",
    "?read=false&from=writer2&sort=-size",
    "?origin.city=Rome&sort=origin.stars",
    "?origin.stars=>1&fields=subject",
    "?body=!x&sort=-body&skip=2&take=3",
    "?sort=nothing",
    "?secret=x",
    "?size=twelve",
    "/count",
    "/count?body=~plain",
    "/count?from=writer1",
    "/count?rank=null&read=false",
    "/count?origin.city=Oslo",
)


class Twins:
    """Sends everything to both models, and compares the answers."""

    def __init__(self, url: str, http: httpx.Client) -> None:
        self._url = url
        self._http = http

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Ask both the same; gives the answer of the one with retention."""
        sent = {**(headers or {}), **({"Content-Type": "application/json"} if body else {})}
        content = msgspec.json.encode(body) if body else None
        cold, hot = (
            self._http.request(
                method, f"{self._url}/api/{name}{path}", content=content, headers=sent
            )
            for name in ("letters", "twins")
        )
        where = f"{method} {path} {body!r}"
        assert _comparable(cold) == _comparable(hot), where
        return cold

    def read_everything(self) -> None:
        """Ask for every item and every list that there is to ask for."""
        listed = self.ask("GET", "?take=1000").json()
        assert listed["total"] == len(listed["data"])
        for read in READS:
            self.ask("GET", read)
        keys = [item["id"] for item in listed["data"]]
        for key in [*keys, "absent"]:
            self.ask("GET", f"/{key}")
            self.ask("GET", f"/{key}?fields=subject,size")
            self.ask("GET", f"/{key}?fields=body")
            self.ask("GET", f"/{key}/history")
        for order in ("", "&sort=size", "&sort=-rank", "&sort=body"):
            self.walk(order, len(keys))

    def walk(self, order: str, count: int) -> None:
        """Go through all pages behind one another: each item comes once."""
        seen: list[str] = []
        after = ""
        while True:
            page = self.ask("GET", f"?take=7{order}{after}").json()
            seen += [item["id"] for item in page["data"]]
            if not page["has_more"]:
                break
            after = f"&after={quote(seen[-1])}"
        assert len(seen) == len(set(seen)) == count, order


def _comparable(answer: httpx.Response) -> tuple[object, ...]:
    """Give all of an answer that does not say when it was, or which of the two it is about."""
    content: object = answer.content
    if answer.request.url.path.endswith("/history") and answer.status_code == 200:
        content = [{**event, "timestamp": ""} for event in answer.json()]
    location = answer.headers.get("Location", "").replace("twins", "letters")
    told = [answer.headers.get(name) for name in ("Content-Type", "ETag", "Lithair-Seq")]
    return answer.status_code, content, location, *told


def item(number: int, chance: random.Random) -> dict[str, object]:
    return {
        "id": f"letter-{number}",
        "from": f"writer{number % 5}",
        "subject": chance.choice([None, f"{chance.choice(WORDS)} {number}"]),
        "size": chance.randrange(0, 100, 10),
        "code": chance.choice([None, f"code-{number}"]),
        "rank": chance.choice([None, 0.5, 2.5, 1e300, -3.0]),
        "body": f"{chance.choice(WORDS)} " * chance.randrange(1, 60),
        "read": chance.random() < 0.3,
        "origin": chance.choice([None, {"city": chance.choice(CITIES), "stars": number % 4}]),
        "secret": f"secret {number}",
    }


def write_something(twins: Twins, chance: random.Random) -> None:
    """Make one random write, refused ones among them."""
    number = chance.randrange(ITEMS + 10)
    key = f"/letter-{number}"
    new = item(number, chance)
    others = item(chance.randrange(ITEMS), chance)
    match chance.randrange(9):
        case 0:
            twins.ask("POST", "", new)
        case 1:
            twins.ask("POST", "/_bulk", [new, item(ITEMS + 20 + chance.randrange(20), chance)])
        case 2:
            twins.ask("PUT", key, new)
        case 3:
            twins.ask("PATCH", key, {"read": True, "origin": {"city": "Rome"}})
        case 4:
            twins.ask("PATCH", key, {"code": others["code"], "size": others["size"]})
        case 5:
            twins.ask("PATCH", key, {"body": others["body"], "rank": None})
        case 6:
            twins.ask("DELETE", key)
        case 7:
            seen = twins.ask("GET", key)
            etag = seen.headers.get("ETag", '"1"') if chance.random() < 0.7 else '"1"'
            twins.ask("PATCH", key, {"subject": f"seen {number}"}, {"If-Match": etag})
        case _:
            headers = {"Idempotency-Key": f'"again-{number % 4}"'}
            twins.ask("PUT", key, {"from": "again", "size": number}, headers)


@contextmanager
def served(directory: Path, **environ: str) -> Generator[tuple[Started, Twins]]:
    shutil.copy(ROOT / "tests/end_to_end/letters.py", directory / "app.py")
    with (
        Started(directory, environ={"LT_ADMIN_TOKEN": TOKEN, **environ}) as server,
        httpx.Client(timeout=60) as http,
    ):
        yield server, Twins(server.url, http)
        assert server.stop() == 0


def figures(server: Started, name: str) -> tuple[int, int]:
    """Give how many items of a model are hot and warm; the handle and HTTP have to agree."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    url = f"{server.url}/_admin/data/models/{name}/_stats"
    asked = httpx.get(url, headers=headers, timeout=60).raise_for_status().json()
    with connect(server.directory / ".lithair") as lithair:
        stats = lithair.model(name).stats()
    assert asked["hot_count"] + asked["warm_count"] == asked["item_count"]
    assert stats.hot_count + stats.warm_count == stats.item_count == asked["item_count"]
    return stats.hot_count, stats.warm_count


def wait_for_figures(server: Started, name: str, expected: tuple[int, int]) -> None:
    what = f"{name} to have {expected[0]} hot items and {expected[1]} warm ones"
    wait_until(lambda: figures(server, name) == expected, what, EVICTED_MAX_S)


def fill(twins: Twins, chance: random.Random) -> None:
    numbers = list(range(ITEMS))
    for number in numbers[:10]:
        assert twins.ask("POST", "", item(number, chance)).status_code == 201
    bulk = [item(number, chance) for number in numbers[10:]]
    assert twins.ask("POST", "/_bulk", bulk).status_code == 201


def create(twins: Twins, chance: random.Random, first: int, count: int) -> None:
    """Have so many items just written: of those before, a deletion may have left fewer hot ones."""
    for number in range(first, first + count):
        assert twins.ask("POST", "", item(number, chance)).status_code == 201


def seeded() -> random.Random:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    return random.Random(seed)


def test_cold_items_are_read_listed_and_written_as_if_they_were_hot(tmp_path: Path) -> None:
    """At once, after a restart, and after a restart under another count."""
    chance = seeded()
    with served(tmp_path) as (server, twins):
        fill(twins, chance)
        wait_for_figures(server, "letters", (5, ITEMS - 5))
        assert figures(server, "twins") == (ITEMS, 0)
        twins.read_everything()
        for _ in range(STEPS):
            write_something(twins, chance)
        create(twins, chance, 1000, 5)
        twins.read_everything()
        count = twins.ask("GET", "/count").json()["count"]
        wait_for_figures(server, "letters", (5, count - 5))
    for environ, hot, first in (({}, 5, 2000), ({"LT_LETTER_MEMORY_RETENTION": "9"}, 9, 3000)):
        with served(tmp_path, **environ) as (server, twins):
            wait_for_figures(server, "letters", (hot, count - hot))
            twins.read_everything()
            for _ in range(20):
                write_something(twins, chance)
            create(twins, chance, first, hot)
            twins.read_everything()
            count = twins.ask("GET", "/count").json()["count"]
            wait_for_figures(server, "letters", (hot, count - hot))


def test_an_item_is_as_cold_after_it_was_read_and_hot_after_it_was_written(tmp_path: Path) -> None:
    with served(tmp_path) as (server, twins), connect(tmp_path / ".lithair") as lithair:
        fill(twins, seeded())
        wait_for_figures(server, "letters", (5, ITEMS - 5))
        letters = lithair.model(Letter)
        first = letters.get("letter-0")
        assert first is not None
        assert first.secret == "secret 0"
        assert figures(server, "letters") == (5, ITEMS - 5)
        before = letters.stats().approx_ram_bytes
        twins.ask("PATCH", "/letter-0", {"body": "x" * 10_000})
        wait_for_figures(server, "letters", (5, ITEMS - 5))
        grown = letters.stats().approx_ram_bytes - before
        assert grown > 5_000, "what was written last is whole in RAM"
        for number in range(1, 6):
            twins.ask("PATCH", f"/letter-{number}", {"body": ""})
        wait_until(
            lambda: letters.stats().approx_ram_bytes - before < 5_000, "letter-0 to be evicted"
        )
        assert len(twins.ask("GET", "/letter-0").json()["body"]) == 10_000


def test_each_dimension_can_be_overridden_on_a_model_with_and_without_retention(
    tmp_path: Path,
) -> None:
    with served(tmp_path) as (_, twins):
        fill(twins, seeded())
        for number in range(ITEMS):  # 40 x 60 kB: more than two megabytes
            twins.ask("PATCH", f"/letter-{number}", {"body": f"{number:06d}" * 10_000})
    both = ("LETTER", "TWIN")
    counted = {f"LT_{name}_MEMORY_RETENTION": str(at) for at, name in enumerate(both, 2)}
    with served(tmp_path, **counted) as (server, twins):
        wait_for_figures(server, "letters", (2, ITEMS - 2))
        wait_for_figures(server, "twins", (3, ITEMS - 3))
        twins.read_everything()
    with served(tmp_path, LT_LETTER_MEMORY_RETENTION="off") as (server, twins):
        wait_for_figures(server, "letters", (ITEMS, 0))
        twins.read_everything()
    budgets = {f"LT_{name}_MEMORY_MAX_MB": "1" for name in both}
    with served(tmp_path, LT_LETTER_MEMORY_RETENTION="off", **budgets) as (server, twins):
        for name in ("letters", "twins"):  # of 60 kB and a little there is room for 17
            wait_for_figures(server, name, (17, ITEMS - 17))
        twins.ask("PATCH", "/letter-0", {"read": True})
        wait_for_figures(server, "twins", (17, ITEMS - 17))
        twins.read_everything()
    composed = {"LT_LETTER_MEMORY_RETENTION": "30", "LT_LETTER_MEMORY_MAX_MB": "1"}
    with served(tmp_path, **composed) as (server, twins):
        wait_for_figures(server, "letters", (17, ITEMS - 17))
        assert figures(server, "twins") == (ITEMS, 0)


def test_items_become_cold_by_age_while_nobody_writes(tmp_path: Path) -> None:
    """Within a minute of their time, and without an event."""
    age = {"LT_LETTER_MEMORY_RETENTION": "off", "LT_LETTER_MEMORY_DURATION": "1s"}
    with served(tmp_path, **age) as (server, twins):
        fill(twins, seeded())
        wait_for_figures(server, "letters", (0, ITEMS))
        answer = twins.ask("PATCH", "/letter-3", {"read": True})
        seq = answer.headers["Lithair-Seq"]
        wait_for_figures(server, "letters", (0, ITEMS))
        assert twins.ask("GET", "/count").headers["Lithair-Seq"] == seq
        twins.read_everything()
    with served(tmp_path, **age) as (server, twins):
        assert figures(server, "letters") == (0, ITEMS)
        twins.read_everything()


def test_an_override_that_can_not_be_read_stops_the_start(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests/end_to_end/letters.py", tmp_path / "app.py")
    with Started(tmp_path, environ={"LT_LETTER_MEMORY_DURATION": "soon"}) as server:
        assert server.process.wait(60) == 2
        sentence = "LT_LETTER_MEMORY_DURATION='soon' can't be read: write a number and a unit"
        assert sentence in server.log
