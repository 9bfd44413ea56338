"""A whole file is there completely or not; what an import leaves says no more than was done."""

import errno
import os
from pathlib import Path

import pytest

from lithair.errors import LithairError
from lithair.storage.files import OsFile, OsFiles
from lithair.storage.import_files import ProgressFile, RefusedRows
from lithair.storage.whole_file import BUFFER_BYTES, WholeFile


class FullDisk(OsFiles):
    """A disk that takes no byte."""

    def create(self, path: str) -> OsFile:
        return _Full(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


class _Full(OsFile):
    def write(self, data: bytes | memoryview, offset: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_nothing_is_seen_of_a_file_before_it_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"before")
    with WholeFile(OsFiles(), str(path)) as file:
        file.write(b"x" * BUFFER_BYTES)
        file.write(b"y")
        assert path.read_bytes() == b"before"
        file.finish()
    assert path.read_bytes() == b"x" * BUFFER_BYTES + b"y"
    assert os.listdir(tmp_path) == ["out"]


def write(files: OsFiles, path: Path, *, fails: bool) -> None:
    with WholeFile(files, str(path)) as file:
        file.write(b"x" * (BUFFER_BYTES - 1))
        if fails:
            raise ZeroDivisionError
        file.finish()


def test_one_that_ends_with_an_error_was_never_there(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write(OsFiles(), tmp_path / "out", fails=True)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(LithairError, match=r"out can't be written: No space.*nothing is kept"):
        write(FullDisk(), tmp_path / "out", fails=False)
    assert os.listdir(tmp_path) == []


def test_progress_is_exchanged_whole_and_may_be_gone(tmp_path: Path) -> None:
    file = ProgressFile(OsFiles(), str(tmp_path / "in.progress"))
    assert file.read() is None
    file.write(b"one, long")
    file.write(b"two")
    assert file.read() == b"two"
    file.remove()
    file.remove()
    assert os.listdir(tmp_path) == []


def test_refused_rows_go_on_where_the_progress_says_and_begin_anew_otherwise(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bad"
    rows = RefusedRows(OsFiles(), str(path), 0)
    rows.append(b"first\n")
    kept = rows.size
    rows.append(b"second, which the progress knows nothing of\n")
    rows.close()
    rows = RefusedRows(OsFiles(), str(path), kept)
    rows.append(b"second\n")
    rows.close()
    assert path.read_bytes() == b"first\nsecond\n"
    RefusedRows(OsFiles(), str(path), 0).close()
    assert not path.exists()


def test_refused_rows_that_can_not_be_kept_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(LithairError, match="name another with --bad"):
        RefusedRows(OsFiles(), str(tmp_path), 0)
    rows = RefusedRows(OsFiles(), str(tmp_path / "no/such/place"), 0)
    with pytest.raises(LithairError, match="name another with --bad"):
        rows.append(b"x")
