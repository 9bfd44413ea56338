"""deploy/: a unit that systemd understands, an image made of files that are there."""

import re
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.started import START_MAX_S, Started
from tests.tidy.source import ROOT

UNIT = (ROOT / "deploy/lithair.service").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")


def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "lithair.service"
    # Only the command is another one: Lithair is not installed in /opt here.
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT, flags=re.MULTILINE))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("no_leaks")
def test_the_command_of_the_unit_tells_systemd_when_it_is_ready_and_when_it_stops(
    tmp_path: Path,
) -> None:
    """The same command line, working directory and notify socket as in the unit."""
    command = re.search(r"^ExecStart=\S+/lithair run \S+/(app\.py)$", UNIT, re.MULTILINE)
    assert command is not None
    assert re.search(r"^Type=notify$", UNIT, re.MULTILINE)
    ignore = shutil.ignore_patterns("data", "__pycache__")
    app = shutil.copytree(ROOT / "examples/mail", tmp_path / "app", ignore=ignore)
    state = tmp_path / "state"
    state.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(START_MAX_S)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "LT_RUN_DIR": str(tmp_path / "run")}
        with Started(state, str(app / command[1]), environ) as server:
            assert server.url  # it is up; it has not ended instead
            assert "READY=1" in manager.recv(4096).decode().splitlines()
            assert (state / "data/emails").is_dir()
            assert server.stop() == 0
            assert "STOPPING=1" in manager.recv(4096).decode().splitlines()


def test_the_image_is_made_of_files_that_are_there() -> None:
    copies = re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
    sources = [source for copy in copies for source in shlex.split(copy)[:-1]]
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert 'CMD ["lithair", "run", "/app/app.py"]' in DOCKERFILE
    modules = {f"examples/mail/{path.name}" for path in ROOT.glob("examples/mail/*.py")}
    assert modules <= set(sources)
