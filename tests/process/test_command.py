"""The `lithair` command, as a person or a script meets it: every way to start, every refusal."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.support.leaks import no_process_left
from tests.support.ports import free_port

APP = """
from lithair import Lithair, Model, Pinned

class Film(Model):
    title: Pinned[str]

app = (
    Lithair()
    .with_model(Film, "data", "/api/films")
    .with_port(0)
)
"""
SERVED = APP + "\nif __name__ == '__main__':\n    app.serve()\n"
READY = "is ready: "


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "web.py").write_text(APP.replace("app = (", "store = ("))
    (tmp_path / "app.py").write_text(SERVED)
    (tmp_path / "unguarded.py").write_text(APP + "\napp.serve()\n")
    return tmp_path


class Started:
    """A server in the foreground: what it printed, and how it ended."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.printed: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            self.printed.append(line.rstrip())
            if line.startswith("Stop it"):
                break
        assert self.printed, f"did not start: {process.communicate()[1]}"
        self.url = self.printed[0].partition(READY)[2]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)
        return self.process.returncode


@contextmanager
def started(place: Path, *arguments: str, **environ: str) -> Generator[Started]:
    with no_process_left():
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=place,
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Started(process)
        finally:
            process.terminate()
            process.communicate(timeout=30)


def lithair(place: Path, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "lithair", *arguments],
        cwd=place,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("app.py",),
        ("-m", "lithair", "run", "app.py"),
        ("-m", "lithair", "run", "app.py:app"),
        ("-m", "lithair", "run", "unguarded.py"),
        ("unguarded.py",),
        ("-m", "lithair", "run", "shop.web"),
        ("-m", "lithair", "run", "shop.web:store"),
        ("-m", "app"),
    ],
    ids=" ".join,
)
def test_every_way_to_start_serves_the_model_and_stops_with_0(
    place: Path, arguments: tuple[str, ...]
) -> None:
    with started(place, *arguments) as server:
        made = httpx2.post(f"{server.url}/api/films", json={"title": "Alien"})
        assert made.status_code == 201
        assert httpx2.get(f"{server.url}{made.headers['Location']}").json()["title"] == "Alien"
        assert server.stop() == 0


def test_the_installed_command_starts_a_module_without_importing_itself_in_children(
    place: Path,
) -> None:
    command = str(Path(sys.executable).with_name("lithair"))
    with started(place, command, "run", "shop.web:store") as server:
        assert httpx2.get(f"{server.url}/api/films").json()["total"] == 0
        assert server.stop() == 0


def test_an_option_wins_over_a_variable_and_the_start_says_who_said_what(place: Path) -> None:
    port = free_port()
    arguments = ("-m", "lithair", "run", "app.py", "--port", str(port))
    with started(place, *arguments, LT_PORT="1", LT_GATEWAYS="2") as server:
        assert server.url == f"http://127.0.0.1:{port}"
        assert f"  port = {port}   (from --port)" in server.printed
        assert "  gateways = 2   (from LT_GATEWAYS)" in server.printed
        assert f"  Film:            {server.url}/api/films" in server.printed


def test_status_and_restart_reach_the_server_of_the_run_directory(place: Path) -> None:
    with started(place, "app.py") as server:
        shown = lithair(place, "status")
        assert shown.returncode == 0
        assert server.url in shown.stdout
        before = processes_of(place)
        assert {name: one["phase"] for name, one in before.items()} == {
            "films": "serving",
            "gateway-0": "serving",
        }
        assert lithair(place, "restart", "Film").returncode == 0
        made = httpx2.post(f"{server.url}/api/films", json={"title": "Alien"}, timeout=30)
        assert made.status_code == 201
        after = processes_of(place)
        assert after["films"]["pid"] != before["films"]["pid"]
        assert after["gateway-0"]["pid"] == before["gateway-0"]["pid"]
        unknown = lithair(place, "restart", "flims")
        assert unknown.returncode == 1
        assert "there are: films, gateway-0" in unknown.stderr


def processes_of(place: Path) -> dict[str, dict[str, object]]:
    status = json.loads(lithair(place, "status", "--json").stdout)
    return {process["name"]: process for process in status["processes"]}


def test_without_a_server_status_and_restart_exit_with_4_and_say_where_they_looked(
    place: Path,
) -> None:
    for arguments in (("status",), ("restart", "films")):
        done = lithair(place, *arguments, LT_RUN_DIR="nowhere")
        assert done.returncode == 4
        assert str(place / "nowhere") in done.stderr


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("absent.py", "there is no file"),
        ("absent", "there is no module 'absent'"),
        ("shop.absent", "there is no module 'shop.absent'"),
        ("shop", "makes no application"),
        ("app.py:Film", "it is a ModelMeta"),
        ("app.py:absent", "has none of that name"),
        (":app", "names no application"),
    ],
)
def test_a_target_that_is_no_application_is_misuse(place: Path, target: str, sentence: str) -> None:
    done = lithair(place, "run", target)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_in_the_users_own_code_is_shown_from_its_own_lines_on(place: Path) -> None:
    (place / "broken.py").write_text("import absent_from_everywhere\n")
    done = lithair(place, "run", "broken.py")
    assert done.returncode == 2
    assert "No module named 'absent_from_everywhere'" in done.stderr
    assert 'broken.py", line 1' in done.stderr
    assert "runpy" not in done.stderr


def test_settings_that_can_not_be_read_are_misuse_and_start_nothing(place: Path) -> None:
    done = lithair(place, "run", "app.py", "--port", "many", LT_RESTART_LIMIT="often")
    assert done.returncode == 2
    assert "--port='many' can't be read" in done.stderr
    assert "LT_RESTART_LIMIT='often' can't be read" in done.stderr
    assert not (place / ".lithair").exists()


def test_unknown_options_and_commands_are_misuse_and_help_is_everywhere(place: Path) -> None:
    assert lithair(place, "run", "app.py", "--ports", "1").returncode == 2
    assert lithair(place, "rum").returncode == 2
    for arguments in ((), ("run",), ("status",), ("restart",), ("verify",)):
        shown = lithair(place, *arguments, "--help")
        assert shown.returncode == 0
        assert shown.stdout.startswith("Usage: lithair")
