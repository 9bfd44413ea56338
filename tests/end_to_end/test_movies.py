"""The films of examples/movies, through real processes, as a person with curl would use them."""

import contextlib
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import msgspec
import pytest

from tests.support.started import START_MAX_S, Started
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

ROWS = 3201  # of movies.json
REJECTED = 1  # a film without a title

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture
def movies(tmp_path: Path) -> Path:
    """Copy the example, so that its data is this test's own."""
    ignore = shutil.ignore_patterns("data", "__pycache__")
    return shutil.copytree(ROOT / "examples/movies", tmp_path / "movies", ignore=ignore)


@pytest.fixture
def server(movies: Path) -> Iterator[Started]:
    with Started(movies) as started:
        yield started


def test_films_are_listed_filtered_sorted_written_and_still_there_after_a_restart(
    server: Started, movies: Path
) -> None:
    url = server.url + "/api/films"
    with httpx.Client(timeout=30) as http:
        films = [
            {"id": "a", "slug": "a-1994", "title": "Zed", "genre": "Western", "stars": 8.1},
            {"id": "b", "slug": "b-1999", "title": "Ada", "genre": "Western", "stars": 6.0},
            {"id": "c", "slug": "c-2001", "title": "Star", "genre": "Horror", "stars": 7.0},
        ]
        created = http.post(url + "/_bulk", json=films)
        assert (created.status_code, len(created.json())) == (201, 3)

        assert [film["id"] for film in http.get(url).json()["data"]] == ["a", "b", "c"]
        westerns = http.get(url, params={"genre": "Western", "sort": "title"}).json()
        assert [film["id"] for film in westerns["data"]] == ["b", "a"]
        assert westerns["total"] == 2
        assert http.get(url + "/count", params={"stars": ">=7"}).json() == {"count": 2}

        refused = http.post(url, json={"title": 300, "stars": 11})
        assert refused.status_code == 422
        assert {error["field"] for error in refused.json()["errors"]} == {"slug", "title", "stars"}
        assert http.post(url, json={**films[0], "id": "d"}).status_code == 409  # the slug is taken

        patched = http.patch(url + "/a", json={"stars": 9.5})
        assert (patched.status_code, patched.json()["stars"]) == (200, 9.5)
        assert http.delete(url + "/b").status_code == 204
        assert http.get(url + "/b").status_code == 404
        before = http.get(url).json()

    assert server.stop() == 0
    with Started(movies) as again, httpx.Client(timeout=30) as http:
        url = again.url + "/api/films"
        assert http.get(url).json() == before
        operations = [event["operation"] for event in http.get(url + "/b/history").json()]
        assert operations == ["create", "delete"]
        assert again.stop(signal.SIGINT) == 0


def test_make_run_loads_once_says_what_to_try_and_what_it_says_works(movies: Path) -> None:
    """Every command that `make run` prints is run, by a shell, as it stands there."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    for _ in range(2):  # the second start finds what the first one loaded
        with start(movies) as process, contextlib.closing(Ending(process)):
            assert process.stdout is not None
            lines: list[str] = []
            while "begin afresh" not in (line := process.stdout.readline()):
                assert line, "it ended"
                lines.append(line)
            commands = re.findall(r"^  (curl (?:.*\\\n)*.*)\n", "".join(lines), re.MULTILINE)
            assert len(commands) >= 9
            told = "".join(lines)
            assert re.search(r"dashboard +http://\S+/_admin/\n", told)  # no token: no terminal
            assert re.search(r"The data is in \S*data, ", told)
            pages = re.findall(r"http://\S+/(?:docs|_admin/)$", told, re.MULTILINE)
            assert [httpx.get(page).status_code for page in pages] == [200, 200]
            answers = [run_shell(command) for command in commands]
            status = [int(match[1]) for a in answers if (match := re.match(r"HTTP/1.1 (\d+)", a))]
            assert status == [201, 204]
            films = msgspec.json.decode(answers[0])
            assert films["total"] == ROWS - REJECTED
            assert {error["field"] for error in msgspec.json.decode(answers[-1])["errors"]} >= {
                "title",
                "stars",
            }
            process.send_signal(signal.SIGINT)
            assert process.wait(START_MAX_S) == 0
    rejected = (movies / "data/rejected.ndjson").read_text(encoding="utf-8").splitlines()
    assert len(rejected) == REJECTED
    assert all(msgspec.json.decode(line)["reasons"] for line in rejected)


class Ending:
    """Ends a process, also when what was asked of it has failed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()


def start(movies: Path) -> subprocess.Popen[str]:
    """Start the example as `make run` does, but on a port that is free."""
    text = (movies / "app.py").read_text(encoding="utf-8")
    if "with_port" not in text:
        text = text.replace(".with_run_dir(RUN_DIR)", ".with_run_dir(RUN_DIR).with_port(0)")
        (movies / "app.py").write_text(text, encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "start.py"], cwd=movies, stdout=subprocess.PIPE, text=True
    )


def run_shell(command: str) -> str:
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


def test_the_supervisor_is_killed_and_all_go_and_a_new_start_works_at_once(
    server: Started, movies: Path
) -> None:
    film = {"id": "a", "slug": "a", "title": "A"}
    assert httpx.post(server.url + "/api/films", json=film, timeout=30).status_code == 201
    assert len(server.living()) == 2
    server.process.kill()
    server.process.wait()
    wait_until(lambda: not server.survivors(), "its children to be gone", 2.0)
    with Started(movies) as again:
        assert httpx.get(again.url + "/api/films/a", timeout=30).status_code == 200
        assert again.stop() == 0
