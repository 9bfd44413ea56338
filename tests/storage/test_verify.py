"""`lithair verify`: sound and damaged directories, running ones, and what scripts get."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from lithair.cli.verify import verify as command
from lithair.errors import LithairError
from lithair.storage.event_log import EventLog, LogOptions
from lithair.storage.files import OsFiles
from lithair.storage.verify import verify
from tests.storage.samples import DIRECTORY, NOW_MS, STAMP, Writer, opened, replayed
from tests.support.simulated_files import SimulatedFiles

OPTIONS = LogOptions(segment_bytes_max=3000, lock_wait_s=0, durability="os")


def running_log(directory: Path) -> Writer:
    log = EventLog.open(OsFiles(), str(directory), STAMP, OPTIONS, NOW_MS)
    writer = Writer(log, replayed(log), 1)
    writer.write_all(50)
    return writer


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_a_running_log_is_sound_and_left_alone(tmp_path: Path) -> None:
    writer = running_log(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    result = run(str(tmp_path))
    assert result.exit_code == 0
    assert "sound" in result.stdout
    assert f"{len(writer.facts)} events" in result.stdout
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    writer.write_all(3)
    writer.log.close()
    assert run(str(tmp_path)).exit_code == 0


def test_damage_is_named_by_file_and_offset_with_status_3(tmp_path: Path) -> None:
    writer = running_log(tmp_path)
    writer.log.close()
    paths = sorted(tmp_path.glob("*.raftlog"))
    for path in paths[:2]:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    result = run(str(tmp_path), "--json")
    assert result.exit_code == 3
    [found] = json.loads(result.stdout)
    assert [each["path"] for each in found["damage"]] == [str(path) for path in paths[:2]]
    assert found["segments"] == len(paths)
    text = run(str(tmp_path))
    assert text.exit_code == 3
    assert f"{paths[0]}: damaged at offset {found['damage'][0]['offset']}" in text.stdout


def test_the_directories_right_below_are_checked(tmp_path: Path) -> None:
    for name in ("emails", "invoices"):
        running_log(tmp_path / name).log.close()
    (tmp_path / "notes.txt").write_text("x")
    result = run("--json", str(tmp_path))
    assert result.exit_code == 0
    assert [Path(each["directory"]).name for each in json.loads(result.stdout)] == [
        "emails",
        "invoices",
    ]


def test_a_directory_without_a_log_is_no_success(tmp_path: Path) -> None:
    result = run(str(tmp_path))
    assert isinstance(result.exception, LithairError)
    assert str(tmp_path) in str(result.exception)
    assert run(str(tmp_path / "nowhere")).exit_code == 2
    assert run().exit_code == 2


def test_a_torn_tail_and_superseded_bytes_are_noted_as_no_damage() -> None:
    disk = SimulatedFiles()
    log, found = opened(disk)
    Writer(log, found, 1).write_all(4)
    path = f"{DIRECTORY}/00000000000000000001.raftlog"
    data = disk.names_cached[path].cached
    torn = disk.with_bytes(path, data[:-9])
    seen = verify(torn, DIRECTORY, lambda _done, _all: None)
    assert seen.is_sound
    assert "torn" in seen.notes[0]
    opened(torn)
    superseded = torn.with_bytes(path, data[:-9])  # as if the cut had not reached the disk
    seen = verify(superseded, DIRECTORY, lambda _done, _all: None)
    assert seen.is_sound
    assert "superseded" in seen.notes[0]


def test_progress_counts_up_to_all_of_the_bytes() -> None:
    disk = SimulatedFiles()
    log, found = opened(disk)
    Writer(log, found, 1).write_all(80)
    shown: list[tuple[int, int]] = []
    seen = verify(disk, DIRECTORY, lambda done, total: shown.append((done, total)))
    assert shown == sorted(shown)
    assert shown[-1][0] <= shown[-1][1] == seen.size_bytes
    assert seen.events == log.last_seq
