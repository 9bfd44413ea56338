"""A log of an older class is served by a new one with a migration, compacted and opened again."""

import json
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.commands import lithair
from tests.support.started import Started
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("no_leaks")

BEFORE = """
from lithair import Lithair, Model, Pinned, retention

@retention(memory=3)
class Contact(Model):
    name: Pinned[str]
    note: str = ""

app = Lithair().with_model(Contact, "./data/contacts", "/api/contacts")

if __name__ == "__main__":
    app.serve()
"""
AFTER = """
from typing import Any
from lithair import Indexed, Lithair, Model, Pinned, migrate, retention

@retention(memory=3)
class Contact(Model, version=2):
    first: Pinned[str]
    last: Indexed[str]
    note: str = ""

@MIGRATE@

app = Lithair().with_model(Contact, "./data/contacts", "/api/contacts")

if __name__ == "__main__":
    app.serve()
"""
SPLIT = """
@migrate(Contact, from_version=1)
def split_name(old: dict[str, Any]) -> dict[str, Any]:
    first, _, last = old.pop("name").partition(" ")
    return {**old, "first": first, "last": last}
"""
FAILING = """
@migrate(Contact, from_version=1)
def failing(old: dict[str, Any]) -> dict[str, Any]:
    if old["id"] == "c4":
        raise ValueError("no idea")
    return {"id": old["id"], "first": "x", "last": "y"}
"""

FAILING_IN_THE_PAST = SPLIT.replace(
    "    first, _", "    assert old['id'] != 'c1' or old['note'] == 'changed'\n    first, _"
)


def write_app(directory: Path, source: str, migrations: str = "") -> None:
    (directory / "app.py").write_text(source.replace("@MIGRATE@", migrations))


def fill(url: str) -> None:
    for number in range(8):
        body = {"id": f"c{number}", "name": f"First{number} Last{number % 3}", "note": "n" * 50}
        assert httpx.post(f"{url}/api/contacts", json=body).status_code == 201
    assert httpx.patch(f"{url}/api/contacts/c1", json={"note": "changed"}).status_code == 200
    assert httpx.delete(f"{url}/api/contacts/c7").status_code == 204


EXPECTED = [
    {
        "id": f"c{number}",
        "first": f"First{number}",
        "last": f"Last{number % 3}",
        "note": "changed" if number == 1 else "n" * 50,
    }
    for number in range(7)
]


def check(url: str) -> None:
    """Fail unless all items are there in the new form, evicted or not, and found by an index."""
    found = httpx.get(f"{url}/api/contacts?take=100").json()["data"]
    assert sorted(found, key=lambda item: str(item["id"])) == EXPECTED
    for item in EXPECTED:
        assert httpx.get(f"{url}/api/contacts/{item['id']}").json() == item
    some = httpx.get(f"{url}/api/contacts?last=Last2").json()["data"]
    assert [item["id"] for item in some] == ["c2", "c5"]


def test_an_old_log_is_served_compacted_and_reopened_with_a_migration(tmp_path: Path) -> None:
    write_app(tmp_path, BEFORE)
    with Started(tmp_path) as server:
        fill(server.url)
        assert server.stop() == 0
    write_app(tmp_path, AFTER, SPLIT)
    with Started(tmp_path) as server:
        url = server.url
        check(url)
        history = httpx.get(f"{url}/api/contacts/c1/history").json()
        assert [entry["item"]["first"] for entry in history] == ["First1", "First1"]
        assert lithair(server.directory, "compact", "Contact", "--keep-history").returncode == 0
        check(url)
        patched = httpx.patch(f"{url}/api/contacts/c0", json={"note": "new"}).json()
        assert patched == {**EXPECTED[0], "note": "new"}
        assert httpx.patch(f"{url}/api/contacts/c0", json={"note": "n" * 50}).status_code == 200
        assert server.stop() == 0
    with Started(tmp_path) as server:
        check(server.url)
        history = httpx.get(f"{server.url}/api/contacts/c1/history").json()  # from the archive
        assert [entry["item"]["first"] for entry in history] == ["First1", "First1"]
        past = httpx.get(f"{server.url}/api/contacts?as_of=4&take=100").json()["data"]
        assert [item["last"] for item in past] == ["Last0", "Last1", "Last2", "Last0"]
        assert server.stop() == 0
    write_app(tmp_path, AFTER)  # nothing of the old form is left but the past
    with Started(tmp_path) as server:
        check(server.url)
        answer = httpx.get(f"{server.url}/api/contacts/c1/history")
        assert answer.status_code == 500
        assert "can't be migrated" in answer.json()["error"]
        assert server.stop() == 0


def failure_of(server: Started) -> str:
    """Wait until the model has failed; gives what is said of it."""

    def look() -> str | None:
        done = lithair(server.directory, "status", "--json")
        if done.returncode:
            return None
        for process in json.loads(done.stdout)["processes"]:
            if process["kind"] == "model" and process["phase"] == "failed":
                return str(process["detail"])
        return None

    return wait_until(look, "the model to fail", 30)


def test_a_model_that_can_not_be_migrated_says_which_item_or_what_to_write(tmp_path: Path) -> None:
    write_app(tmp_path, BEFORE)
    with Started(tmp_path) as server:
        fill(server.url)
        assert server.stop() == 0
    files = {path.name: path.read_bytes() for path in (tmp_path / "data/contacts").glob("*.raft*")}
    write_app(tmp_path, AFTER)
    with Started(tmp_path) as server:
        said = failure_of(server)
        assert '"name" is gone (it was str)' in said
        assert "or from_version=1" in said
        server.stop()
    write_app(tmp_path, AFTER, FAILING)
    with Started(tmp_path) as server:
        said = failure_of(server)
        assert "Event 5, the item 'c4', can't be migrated: failing (from_version=1) raised" in said
        server.stop()
    for name, data in files.items():
        assert (tmp_path / "data/contacts" / name).read_bytes() == data


def test_what_can_not_be_migrated_and_is_only_read_later_costs_one_answer(tmp_path: Path) -> None:
    """The past that a compaction has moved to the archive is not read when a model is opened."""
    write_app(tmp_path, BEFORE)
    with Started(tmp_path) as server:
        fill(server.url)
        assert lithair(tmp_path, "compact", "Contact", "--keep-history").returncode == 0
        assert server.stop() == 0
    write_app(tmp_path, AFTER, FAILING_IN_THE_PAST)
    with Started(tmp_path) as server:
        url = server.url
        check(url)
        answer = httpx.get(f"{url}/api/contacts/c1/history")
        assert answer.status_code == 500
        assert answer.json()["error"].startswith("What is stored of this item can't be migrated")
        assert "Event 2, the item 'c1', can't be migrated: split_name" in server.log
        assert len(httpx.get(f"{url}/api/contacts/c2/history").json()) == 1
        assert server.stop() == 0
