"""Spools: what was put in comes out, in RAM or from a file that has no name, within bounds."""

import contextlib
import errno
import os
from pathlib import Path

import pytest

from lithair.storage.files import Files, OsFiles
from lithair.storage.run_dir import RunDir
from lithair.storage.spool import RAM_BYTES_MAX, Spools
from tests.support.simulated_files import Failure, SimulatedFiles

PIECE = bytes(range(256)) * 400  # 100 KiB


@pytest.fixture(params=["os", "simulated"])
def spools(request: pytest.FixtureRequest, tmp_path: Path) -> Spools:
    if request.param == "os":
        return Spools(str(tmp_path))
    return Spools("/run/x", simulated())


def simulated() -> SimulatedFiles:
    files = SimulatedFiles()
    files.make_directory("/run/x")
    return files


def files_of(spools: Spools) -> list[str]:
    return spools._files.names(spools._directory)


def test_what_was_appended_is_read_back_wherever_it_is_kept(spools: Spools) -> None:
    spool = spools.open()
    offsets = [spool.append(b"%03d" % number + PIECE) for number in range(30)]
    assert spool.size == 30 * (3 + len(PIECE)) > RAM_BYTES_MAX
    for number, offset in enumerate(offsets):
        assert spool.read(3 + len(PIECE), offset) == b"%03d" % number + PIECE
    assert spool.read(6, offsets[1] - 3) == PIECE[-3:] + b"001"
    assert spools.held_bytes == spool.size
    spool.close()
    assert spools.held_bytes == 0


def test_few_bytes_are_on_no_disk(spools: Spools) -> None:
    files = SimulatedFiles()  # without a directory: any call there would fail
    spool = Spools("/nowhere", files).open()
    spool.append(bytes(RAM_BYTES_MAX))
    assert spool.read(5, 3) == bytes(5)
    spool.close()


def test_a_long_spool_has_no_name_while_it_is_there(spools: Spools) -> None:
    spool = spools.open()
    spool.append(bytes(2 * RAM_BYTES_MAX))
    assert files_of(spools) == []
    spool.close()
    assert files_of(spools) == []


def test_its_file_is_gone_with_the_last_who_reads(tmp_path: Path) -> None:
    spool = Spools(str(tmp_path)).open()
    spool.append(bytes(2 * RAM_BYTES_MAX))
    reading = spool._file  # as a thread holds it that is in the middle of a read
    assert len(open_spools(tmp_path)) == 1
    spool.close()
    assert reading is not None
    assert reading.read(3, 0) == bytes(3)
    del reading
    assert open_spools(tmp_path) == []


def open_spools(directory: Path) -> list[str]:
    """Give the files without a name that this process has open in a directory."""
    found: list[str] = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return [link for link in found if link.startswith(str(directory))]


def test_nothing_is_added_to_a_closed_spool(spools: Spools) -> None:
    spool = spools.open()
    spool.close()
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        spool.append(bytes(2 * RAM_BYTES_MAX))
    assert spools.held_bytes == 0


def test_spools_leave_as_much_room_as_they_take() -> None:
    files = simulated()
    files.free_bytes_max = 8 * RAM_BYTES_MAX
    spools = Spools("/run/x", files)
    first, second = spools.open(), spools.open()
    first.append(bytes(6 * RAM_BYTES_MAX))
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as caught:
        second.append(bytes(3 * RAM_BYTES_MAX))
    assert caught.value.errno == errno.ENOSPC
    assert spools.held_bytes == 6 * RAM_BYTES_MAX
    first.close()
    second.append(bytes(3 * RAM_BYTES_MAX))
    second.close()
    assert spools.held_bytes == 0


def test_a_disk_that_fails_leaves_no_file_and_no_count() -> None:
    for verb in ("create", "write"):
        files = simulated()
        files.failures.append(Failure(errno.EIO, verb))
        spools = Spools("/run/x", files)
        spool = spools.open()
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            spool.append(bytes(2 * RAM_BYTES_MAX))
        spool.close()
        assert files.names("/run/x") == []
        assert spools.held_bytes == 0


def test_the_next_server_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    path = tmp_path / "run"
    RunDir.open(str(path)).close()
    files: Files = OsFiles()
    files.create(str(path / "0123456789abcdef.spool")).close()
    run_dir = RunDir.open(str(path))
    assert files.names(str(path)) == ["lock"]
    run_dir.close()
