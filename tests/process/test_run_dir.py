"""The run directory: private, one server at a time, cleared of what a dead server left."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lithair.errors import LithairError, LockedByOther
from lithair.storage.memory_file import read_memory_file, write_memory_file
from lithair.storage.run_dir import RunDir, read_admin_token


def test_it_is_made_private_with_its_parents(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "run"
    run_dir = RunDir.open(str(place))
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    run_dir.close()


def test_a_second_server_is_refused_with_the_process_that_holds_it(tmp_path: Path) -> None:
    run_dir = RunDir.open(str(tmp_path / "run"))
    with pytest.raises(LockedByOther, match=rf"in use by another server \(process {os.getpid()}\)"):
        RunDir.open(str(tmp_path / "run"))
    run_dir.close()
    RunDir.open(str(tmp_path / "run")).close()


def test_the_lock_ends_with_the_process_that_held_it(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from lithair.storage.run_dir import RunDir, read_admin_token;"
        " RunDir.open(sys.argv[1]); os.kill(os.getpid(), signal.SIGKILL)"
    )
    place = str(tmp_path / "run")
    subprocess.run([sys.executable, "-c", script, place], check=False, timeout=30)
    RunDir.open(place).close()


def test_stale_sockets_are_removed_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "run"
    place.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(place / "control"))
    (place / "notes").write_text("kept")
    run_dir = RunDir.open(str(place))
    assert sorted(os.listdir(place)) == ["lock", "notes"]
    run_dir.close()


def test_an_empty_directory_is_closed_to_others_and_a_used_one_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o755)
    RunDir.open(str(empty)).close()
    assert stat.S_IMODE(empty.stat().st_mode) == 0o700
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    (shared / "letter").write_text("somebody's")
    with pytest.raises(LithairError, match="chmod 700"):
        RunDir.open(str(shared))
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755


def test_what_is_no_directory_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LithairError, match="is not a directory"):
        RunDir.open(str(tmp_path / "file"))
    with pytest.raises(LithairError, match="can't be used"):
        RunDir.open(str(tmp_path / "file" / "below"))


def test_a_memory_file_is_read_whole_by_position_and_can_not_be_changed() -> None:
    data = os.urandom(300_000)
    descriptor = write_memory_file(data)
    second = os.dup(descriptor)
    with pytest.raises(OSError, match="not permitted"):
        os.pwrite(descriptor, b"x", 0)
    assert read_memory_file(descriptor) == data
    assert read_memory_file(second) == data


def test_a_token_of_a_server_that_is_gone_opens_nothing_any_more(tmp_path: Path) -> None:
    place = tmp_path / "run"
    run_dir = RunDir.open(str(place))
    run_dir.make_admin_token()
    first = read_admin_token(str(place))
    os.close(run_dir._lock_fd)  # as a kill leaves it
    again = RunDir.open(str(place))
    assert read_admin_token(str(place)) is None
    again.make_admin_token()
    second = read_admin_token(str(place))
    again.close()
    assert first
    assert second
    assert first != second
    assert os.listdir(place) == ["lock"]


def test_a_token_is_not_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("token")
    (tmp_path / "admin-token").symlink_to(tmp_path / "elsewhere")
    assert read_admin_token(str(tmp_path)) is None
