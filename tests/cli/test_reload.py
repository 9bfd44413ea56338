"""`lithair run --reload`: another source, another server, and the same data."""

import os
import signal
from pathlib import Path

import httpx2
import pytest

from lithair.storage.sources import look_at_sources
from tests.support.started import READY, STOP_MAX_S, Started
from tests.support.waiting import wait_until

APP = """
from lithair import Lithair, Model
from words import WORD

class Film(Model):
    title: str

async def word(request):
    return {"word": WORD}

app = Lithair().with_model(Film, "data", "/api/films").with_route("GET", "/word", word)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "words.py").write_text("WORD = 'one'\n")
    return tmp_path


def write(place: Path, text: str) -> None:
    """Write a source as editors do: a new file in place of the old one."""
    (place / "words.new").write_text(text)
    os.replace(place / "words.new", place / "words.py")


def urls(server: Started) -> list[str]:
    return READY.findall("".join(server.said))


def wait_for_url(server: Started, number: int) -> str:
    def look() -> str | None:
        assert server.process.poll() is None, server.log
        return urls(server)[number - 1] if len(urls(server)) >= number else None

    return wait_until(look, f"start {number} of the server: {server.log}", STOP_MAX_S)


def wait_for_word(server: Started, word: str) -> None:
    wait_until(lambda: word in server.log, f"{word!r} in the log", STOP_MAX_S)


def test_a_change_starts_the_server_again_with_its_data(place: Path) -> None:
    with Started(place, options=["--reload"]) as server:
        url = wait_for_url(server, 1)
        assert httpx2.get(f"{url}/word").json() == {"word": "one"}
        assert httpx2.post(f"{url}/api/films", json={"id": "a", "title": "A"}).status_code == 201

        write(place, "WORD = 'two'\n")
        url = wait_for_url(server, 2)
        assert httpx2.get(f"{url}/word").json() == {"word": "two"}
        assert httpx2.get(f"{url}/api/films/a").json()["title"] == "A"

        write(place, "WORD = (\n")  # no Python: shown, and the server goes on
        wait_for_word(server, "the server goes on as it was")
        assert "SyntaxError: '(' was never closed" in server.log
        assert httpx2.get(f"{url}/word").json() == {"word": "two"}

        write(place, "WORD = 1 / 0\n")  # Python that fails
        wait_for_word(server, "exit status 2; waiting for a change")
        assert "ZeroDivisionError" in server.log
        write(place, "WORD = 'three'\n")
        url = wait_for_url(server, 3)
        assert httpx2.get(f"{url}/word").json() == {"word": "three"}

        family = server.living()
        assert len(family) >= 3  # the server: its supervisor, a model, a gateway
        assert server.stop(signal.SIGINT) == 0
        assert server.survivors() == set()
    assert "Exception ignored" not in server.log


def test_the_server_ends_with_what_reloads_it(place: Path) -> None:
    with Started(place, options=["--reload"]) as server:
        wait_for_url(server, 1)
        assert server.living()
        server.process.kill()
        wait_until(lambda: not server.survivors(), "all to be gone", STOP_MAX_S)


def test_a_target_that_is_not_there_is_misuse(tmp_path: Path) -> None:
    with Started(tmp_path, "other.py", options=["--reload"]) as server:
        assert server.process.wait(STOP_MAX_S) == 2
    assert "there is no file" in server.log


def test_only_the_source_of_the_project_itself_is_looked_at(tmp_path: Path) -> None:
    ours = ["app.py", "shop/web.py"]
    others = [".git/x.py", "node_modules/x.py", "env/lib/x.py", "__pycache__/x.py", "notes.txt"]
    for name in (*ours, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "env/pyvenv.cfg").write_text("")
    (tmp_path / "gone.py").symlink_to("nowhere.py")
    found = {os.path.relpath(path, tmp_path) for path in look_at_sources(str(tmp_path))}
    assert found == set(ours)
