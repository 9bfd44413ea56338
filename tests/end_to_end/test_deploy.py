"""deploy/: units that systemd understands, an image made of files that are there, backups."""

import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.started import START_MAX_S, Started
from tests.tidy.source import ROOT

DEPLOY = ROOT / "deploy"
UNITS = ("lithair.service", "lithair-backup.service", "lithair-backup.timer")
UNIT = (DEPLOY / "lithair.service").read_text(encoding="utf-8")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
LITHAIR = Path(sys.executable).with_name("lithair")  # as it is installed beside Python
EXPOSURE_MAX = 2.0  # of 10, by systemd's own reckoning


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)
def test_systemd_understands_every_line_of_the_units_and_finds_them_well_closed(
    tmp_path: Path,
) -> None:
    for name in UNITS:
        # Only the commands are others: Lithair is not installed in /opt here.
        text = (DEPLOY / name).read_text(encoding="utf-8")
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE)
        (tmp_path / name).write_text(text)
    units = [str(tmp_path / name) for name in UNITS]
    done = analyze("verify", *units)
    assert (done.returncode, done.stderr) == (0, "")
    for unit in units[:2]:
        told = analyze("security", "--offline=true", unit).stdout
        found = re.search(r"exposure level for \S+: ([0-9.]+) ", told)
        assert found is not None, told
        assert float(found[1]) <= EXPOSURE_MAX, told


def analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.usefixtures("no_leaks")
def test_the_command_of_the_unit_tells_systemd_when_it_is_ready_and_when_it_stops(
    tmp_path: Path,
) -> None:
    """The same command line, working directory, notify socket and watchdog as in the unit."""
    command = re.search(r"^ExecStart=\S+/lithair run \S+/(app\.py)$", UNIT, re.MULTILINE)
    assert command is not None
    assert re.search(r"^Type=notify$", UNIT, re.MULTILINE)
    watchdog = re.search(r"^WatchdogSec=(\d+)s$", UNIT, re.MULTILINE)
    assert watchdog is not None
    ignore = shutil.ignore_patterns("data", "__pycache__")
    app = shutil.copytree(ROOT / "examples/mail", tmp_path / "app", ignore=ignore)
    state = tmp_path / "state"
    state.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(START_MAX_S)
        environ = {
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": watchdog[1] + "000000",
            "LT_RUN_DIR": str(tmp_path / "run"),
        }
        with Started(state, str(app / command[1]), environ) as server:
            assert server.url  # it is up; it has not ended instead
            assert [manager.recv(4096) for _ in range(2)] == [b"WATCHDOG=1", b"READY=1"]
            assert (state / "data/emails").is_dir()
            assert server.stop() == 0
            assert b"STOPPING=1" in manager.recv(4096)
    # The log is a JSON object on each line: nothing has to be parsed, or rotated.
    assert all({"time", "level", "message"} <= set(json.loads(x)) for x in lines_of(server))


def lines_of(server: Started) -> list[str]:
    lines = server.log.splitlines()
    assert lines
    return lines


def test_the_image_is_made_of_files_that_are_there() -> None:
    copies = re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
    sources = [source for copy in copies for source in shlex.split(copy)[:-1]]
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert 'CMD ["lithair", "run", "/app/app.py"]' in DOCKERFILE
    modules = {f"examples/mail/{path.name}" for path in ROOT.glob("examples/mail/*.py")}
    assert modules <= set(sources)


def test_the_image_runs_as_nobody_in_particular_and_its_health_check_is_a_program() -> None:
    lines = re.sub(r"\\\n", "", DOCKERFILE).splitlines()
    said = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    last_stage = said[max(i for i, (word, _, _) in enumerate(said) if word == "FROM") :]
    assert [rest for word, _, rest in last_stage if word == "USER"] == ["lithair"]
    health = next(rest for word, _, rest in last_stage if word == "HEALTHCHECK")
    program, option, code = json.loads(health.partition("CMD ")[2])
    assert (program, option) == ("python3", "-c")
    compile(code, "the health check", "exec")


@pytest.mark.usefixtures("no_leaks")
def test_the_backup_script_keeps_the_newest_and_the_drill_restores_it(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from lithair import Lithair, Model\n"
        "class Note(Model):\n    text: str = ''\n"
        "app = Lithair().with_model(Note, './data/notes', '/api/notes')\n",
        encoding="utf-8",
    )
    folder = tmp_path / "backups"
    for old in ("20200101T000000Z", "20200102T000000Z", "mine"):
        (folder / old).mkdir(parents=True)

    def run(script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", str(DEPLOY / script), *arguments],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "LITHAIR": str(LITHAIR), "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    with Started(tmp_path) as server:
        assert server.url
        done = run("backup.sh", "backups", "2")
        assert (done.returncode, done.stderr) == (0, "")
        assert server.stop() == 0
    kept = sorted(path.name for path in folder.iterdir())
    assert kept[0] == "20200102T000000Z"
    assert kept[2] == "mine"  # whatever else lies there is not touched
    assert len(kept) == 3
    # The newest one is the one that was made, and it can be restored; nothing of that is left.
    before = sorted(tmp_path.iterdir())
    drill = run("restore-drill.sh", "backups")
    assert drill.returncode == 0, drill.stderr
    assert drill.stdout.endswith(f"{kept[1]} can be restored\n")
    assert sorted(tmp_path.iterdir()) == before
    # Without a server there is no backup, and so nothing is removed.
    assert run("backup.sh", "backups", "1").returncode == 4
    assert sorted(path.name for path in folder.iterdir()) == kept
    assert run("backup.sh", "backups", "none").returncode == 2
    # What can't be restored is said.
    (segment,) = (folder / kept[1] / "notes").glob("*.raftlog")
    segment.write_bytes(segment.read_bytes()[:-9])
    assert run("restore-drill.sh", "backups").returncode == 3
