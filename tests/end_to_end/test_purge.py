"""`lithair purge`: whoever wants to be forgotten is nowhere in the data directory afterwards."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from lithair import Conflict, connect
from lithair.client import Purged
from tests.support.commands import lithair
from tests.support.started import Started

pytestmark = pytest.mark.usefixtures("no_leaks")

APP = """
from lithair import Lithair, Model, ModelHandler, Pinned, Rejected, Unique, retention

@retention(memory=5)
class Person(Model):
    name: Pinned[str]
    email: Unique[str]
    notes: str = ""

class People(ModelHandler[Person]):
    def before_delete(self, item: Person) -> None:
        if item.name == "kept":
            raise Rejected("there are open bills")

app = Lithair().with_handler(People(Person, "./data/people"), "/api/people")

if __name__ == "__main__":
    app.serve()
"""
CANARY = "canary-of-whoever-was-here"
ID = "person-to-be-forgotten"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Started]:
    (tmp_path / "app.py").write_text(APP)
    with Started(tmp_path) as server:
        yield server


def fill(url: str) -> None:
    """Write the person that is to be purged, often, and others around it."""
    client = httpx.Client(base_url=url)
    body = {"id": ID, "name": CANARY, "email": f"{CANARY}@example.org", "notes": CANARY}
    headers = {"Idempotency-Key": "the-first-one"}
    assert client.post("/api/people", json=body, headers=headers).status_code == 201
    for number in range(12):
        other = {"id": f"p{number}", "name": "other", "email": f"p{number}@example.org"}
        assert client.post("/api/people", json=other).status_code == 201
        changed = {"notes": f"{CANARY} {number}"}
        assert client.patch(f"/api/people/{ID}", json=changed).status_code == 200
    client.close()


def traces(directory: Path) -> list[str]:
    """Name the files below the data directory that hold anything of the person."""
    return [
        str(path.relative_to(directory))
        for path in sorted((directory / "data").rglob("*"))
        if path.is_file()
        and any(word.encode() in path.read_bytes() for word in (CANARY, ID, "the-first-one"))
    ]


def test_a_purged_person_is_in_no_file_and_everyone_else_is_there(server: Started) -> None:
    url, directory = server.url, server.directory
    fill(url)
    assert lithair(directory, "compact", "people", "--keep-history").returncode == 0
    httpx.patch(f"{url}/api/people/{ID}", json={"notes": f"{CANARY} once more"})
    assert lithair(directory, "compact", "people").returncode == 0
    (directory / "data/people/00000000000000000001-99-1.torn").write_text(CANARY)
    assert len(traces(directory)) >= 3
    before = httpx.get(f"{url}/api/people?take=100&name=other").json()
    history = httpx.get(f"{url}/api/people/p3/history").json()
    done = lithair(directory, "purge", "people", ID, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["segments"] >= 2
    assert json.loads(done.stdout)["torn"] == 1
    assert traces(directory) == []
    assert httpx.get(f"{url}/api/people/{ID}").status_code == 404
    assert httpx.get(f"{url}/api/people/{ID}/history").status_code == 404
    assert httpx.get(f"{url}/api/people?take=100&name=other").json() == before
    assert httpx.get(f"{url}/api/people/p3/history").json() == history
    past = httpx.get(f"{url}/api/people?as_of=5&take=100").json()
    assert {item["id"] for item in past["data"]} <= {f"p{n}" for n in range(12)}
    assert server.stop() == 0
    sound = lithair(directory, "verify", "data/people")
    assert sound.returncode == 0, sound.stdout
    with Started(directory) as again:
        assert httpx.get(f"{again.url}/api/people?take=100&name=other").json() == before
        assert httpx.get(f"{again.url}/api/people/p3/history").json() == history
        anew = {"id": ID, "name": "new", "email": f"{CANARY}@example.org"}
        assert httpx.post(f"{again.url}/api/people", json=anew).status_code == 201
        again.stop()


def test_the_command_and_the_handle_say_what_they_did(server: Started) -> None:
    url, directory = server.url, server.directory
    fill(url)
    no_terminal = lithair(directory, "purge", "people", ID)
    assert no_terminal.returncode == 2
    assert "this can't be undone: add --yes" in no_terminal.stderr
    assert httpx.get(f"{url}/api/people/{ID}").status_code == 200
    unknown = lithair(directory, "purge", "nobodies", ID, "--yes")
    assert unknown.returncode == 1
    assert "the server has no model 'nobodies'" in unknown.stderr
    done = lithair(directory, "purge", "Person", ID, "--yes")
    assert done.returncode == 0, done.stderr
    assert f"{ID} is deleted and purged. 0 archived segments" in done.stdout
    again = lithair(directory, "purge", "Person", ID, "--yes")
    assert "purged; it had been deleted, or never was" in again.stdout
    with connect(directory / ".lithair") as client:
        people = client.model("Person")
        purged = people.purge("p1")
        assert purged == Purged(seq=purged.seq, segments=0, torn=0)
        assert people.get("p1") is None
        people.create({"id": "k", "name": "kept", "email": "k@example.org"})
        with pytest.raises(Conflict, match="there are open bills"):
            people.purge("k")
        assert people.get("k") is not None
    server.stop()
    unreachable = lithair(directory, "purge", "Person", ID, "--yes")
    assert unreachable.returncode == 4


def answered(directory: Path, answer: bytes) -> int:
    """Run the command on a terminal, and answer its question; gives the exit status."""
    ours, theirs = os.openpty()
    try:
        os.write(ours, answer)
        return subprocess.run(
            [sys.executable, "-m", "lithair", "purge", "people", ID],
            cwd=directory,
            stdin=theirs,
            capture_output=True,
            timeout=60,
            check=False,
        ).returncode
    finally:
        os.close(ours)
        os.close(theirs)


def test_on_a_terminal_it_is_asked_whether_it_is_meant(server: Started) -> None:
    url, directory = server.url, server.directory
    fill(url)
    assert answered(directory, b"n\n") == 1
    assert httpx.get(f"{url}/api/people/{ID}").status_code == 200
    assert answered(directory, b"y\n") == 0
    assert httpx.get(f"{url}/api/people/{ID}").status_code == 404
    server.stop()
