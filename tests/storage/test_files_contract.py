"""What the log relies on of a disk: real, simulated and in RAM, it keeps one contract."""

from pathlib import Path

import pytest

from lithair.storage.files import Files, OsFiles, place_file, write_whole
from lithair.storage.memory_files import MemoryFiles
from tests.support.simulated_files import SimulatedFiles
from tests.support.waiting import wait_until


@pytest.fixture(params=["os", "simulated", "memory"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Files, str]:
    if request.param == "os":
        return OsFiles(), str(tmp_path)
    files: Files = SimulatedFiles() if request.param == "simulated" else MemoryFiles()
    files.make_directory("/tmp/disk")
    return files, "/tmp/disk"


def test_what_is_written_is_read_back(disk: tuple[Files, str]) -> None:
    files, directory = disk
    file = files.create(f"{directory}/a")
    write_whole(file, b"hello, world", 0)
    assert file.write(b"W", 7) == 1
    assert file.read(5, 7) == b"World"
    assert file.read(100, 7) == b"World"
    assert file.read(5, 100) == b""
    assert file.size() == 12
    file.sync()
    file.cut(5)
    assert file.read(100, 0) == b"hello"
    assert file.size() == 5


def test_what_is_at_hand_is_whole_and_the_same_that_is_read(disk: tuple[Files, str]) -> None:
    files, directory = disk
    file = files.create(f"{directory}/a")
    write_whole(file, b"hello, world", 0)
    if isinstance(files, OsFiles):  # a page may leave the cache, and was asked for by then
        wait_until(lambda: file.read_at_hand(5, 7) == b"world", "the page")
    else:
        assert file.read_at_hand(5, 7) == b"world"
    assert file.read_at_hand(6, 7) is None
    assert file.read_at_hand(5, 100) is None
    assert file.read(5, 7) == b"world"


def test_where_nothing_is_told_of_the_cache_everything_is_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lithair.storage.files.NO_WAIT", 0)
    file = OsFiles().create(str(tmp_path / "a"))
    write_whole(file, b"hello", 0)
    assert file.read_at_hand(5, 0) == b"hello"
    assert file.read_at_hand(6, 0) is None
    file.close()
    assert file.read_at_hand(5, 0) is None


def test_a_file_system_that_refuses_to_tell_is_asked_once(tmp_path: Path) -> None:
    file = OsFiles().create(str(tmp_path / "a"))
    write_whole(file, b"hello", 0)
    file._no_wait = 1 << 30  # a flag that no kernel has
    assert file.read_at_hand(5, 0) is None
    assert file.read_at_hand(5, 0) == b"hello"
    file.close()


def test_a_write_past_the_end_leaves_zeros(disk: tuple[Files, str]) -> None:
    files, directory = disk
    file = files.create(f"{directory}/a")
    assert file.write(memoryview(b"end"), 4) == 3
    assert file.read(9, 0) == b"\0\0\0\0end"


def test_a_file_that_exists_is_not_created(disk: tuple[Files, str]) -> None:
    files, directory = disk
    files.create(f"{directory}/a").close()
    with pytest.raises(FileExistsError):
        files.create(f"{directory}/a")


def test_a_missing_file_is_an_error(disk: tuple[Files, str]) -> None:
    files, directory = disk
    for call in (files.open, files.remove, files.remove_directory):
        with pytest.raises(FileNotFoundError):
            call(f"{directory}/a")
    with pytest.raises(FileNotFoundError):
        files.rename(f"{directory}/a", f"{directory}/b")
    with pytest.raises(FileNotFoundError):
        files.link(f"{directory}/a", f"{directory}/b")
    with pytest.raises(FileNotFoundError):
        files.names(f"{directory}/nowhere")


def test_a_file_opened_to_read_can_not_be_written(disk: tuple[Files, str]) -> None:
    files, directory = disk
    files.create(f"{directory}/a").close()
    with pytest.raises(OSError, match=r"\[Errno 9\]"):
        files.open(f"{directory}/a").write(b"x", 0)
    assert files.open(f"{directory}/a", writable=True).write(b"x", 0) == 1


def test_a_name_given_anew_keeps_the_old_file_readable(disk: tuple[Files, str]) -> None:
    files, directory = disk
    write_whole(files.create(f"{directory}/a"), b"old", 0)
    write_whole(files.create(f"{directory}/b"), b"new", 0)
    old = files.open(f"{directory}/a")
    files.rename(f"{directory}/b", f"{directory}/a")
    files.sync_directory(directory)
    assert old.read(3, 0) == b"old"
    assert files.open(f"{directory}/a").read(3, 0) == b"new"
    files.remove(f"{directory}/a")
    assert files.names(directory) == []


def test_names_are_sorted_and_without_their_directory(disk: tuple[Files, str]) -> None:
    files, directory = disk
    for name in ("b", "c", "a"):
        files.create(f"{directory}/{name}").close()
    assert files.names(directory) == ["a", "b", "c"]


def test_directories_are_made_with_those_above(disk: tuple[Files, str]) -> None:
    files, directory = disk
    files.make_directory(f"{directory}/x/y")
    files.make_directory(f"{directory}/x/y")
    assert files.names(f"{directory}/x/y") == []


def test_a_link_keeps_the_file_when_its_first_name_is_gone(disk: tuple[Files, str]) -> None:
    files, directory = disk
    write_whole(files.create(f"{directory}/a"), b"linked", 0)
    files.link(f"{directory}/a", f"{directory}/b")
    with pytest.raises(FileExistsError):
        files.link(f"{directory}/a", f"{directory}/b")
    files.remove(f"{directory}/a")
    assert files.open(f"{directory}/b").read(9, 0) == b"linked"


def test_what_somebody_reads_or_has_another_name_for_is_opened_by_nobody_alone(
    disk: tuple[Files, str],
) -> None:
    files, directory = disk
    path, other = f"{directory}/a", f"{directory}/b"
    file = files.create(path)
    write_whole(file, b"hello", 0)
    file.close()
    with pytest.raises(FileNotFoundError):
        files.open_alone(other)
    reader = files.open(path)
    assert files.open_alone(path) is None
    reader.close()
    files.link(path, other)
    assert files.open_alone(path) is None
    files.remove(path)
    alone = files.open_alone(other)
    if alone is not None:  # a disk may not know
        assert files.open_alone(other) is None
        alone.cut(2)
        assert alone.read(9, 0) == b"he"
        alone.close()
    assert files.open(other).read(2, 0) == b"he"


def test_a_directory_is_removed_when_nothing_is_in_it(disk: tuple[Files, str]) -> None:
    files, directory = disk
    files.make_directory(f"{directory}/x")
    files.create(f"{directory}/x/a").close()
    with pytest.raises(OSError, match="not empty"):
        files.remove_directory(f"{directory}/x")
    files.remove(f"{directory}/x/a")
    files.remove_directory(f"{directory}/x")
    with pytest.raises(FileNotFoundError):
        files.names(f"{directory}/x")


def test_what_is_free_is_a_part_of_all_there_is_where_that_is_known(
    disk: tuple[Files, str],
) -> None:
    files, directory = disk
    free, total = files.free_bytes(directory), files.total_bytes(directory)
    if isinstance(files, MemoryFiles):
        assert (free, total) == (None, None)
        return
    assert free is not None
    assert total is not None
    assert 0 < free <= total


def test_a_lock_is_held_by_one_and_says_by_whom(disk: tuple[Files, str]) -> None:
    files, directory = disk
    lock = files.try_lock(f"{directory}/lock", "4711\n")
    assert lock
    assert files.try_lock(f"{directory}/lock", "4712\n") is None
    assert files.lock_holder(f"{directory}/lock") == "4711"
    lock.release()
    assert files.try_lock(f"{directory}/lock", "4713\n")
    assert files.lock_holder(f"{directory}/lock") == "4713"


def test_a_placed_file_is_whole_or_not_there(disk: tuple[Files, str]) -> None:
    files, directory = disk
    files.create(f"{directory}/a.tmp").close()  # a leftover
    file = place_file(files, directory, "a", lambda file: write_whole(file, b"whole", 0))
    assert file.read(9, 0) == b"whole"
    assert files.names(directory) == ["a"]
