"""Removal of files: step by step where nobody else uses them, and never found short."""

from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithair.storage import removal
from lithair.storage.files import TEMPORARY_SUFFIX, File, Files, OsFiles, write_whole
from lithair.storage.removal import remove_gently
from tests.support.simulated_files import SimulatedFiles

DIRECTORY = "/log"
STEP = 100


@pytest.fixture(autouse=True, scope="module")
def small_steps() -> Generator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(removal, "STEP_BYTES", STEP)
        yield


class Case(NamedTuple):
    """A file that is to be removed."""

    size: int
    has_link: bool
    has_reader: bool


cases = st.lists(
    st.builds(Case, st.integers(0, 5 * STEP + 1), st.booleans(), st.booleans()), max_size=6
)


def content(number: int, size: int) -> bytes:
    return bytes([number + 1]) * size


def made(
    files: Files, directory: str, given_cases: list[Case]
) -> tuple[list[str], dict[int, File]]:
    """Make the files; gives their paths and who reads them."""
    paths: list[str] = []
    readers: dict[int, File] = {}
    for number, case in enumerate(given_cases):
        path = f"{directory}/{number}"
        file = files.create(path)
        write_whole(file, content(number, case.size), 0)
        file.sync()
        file.close()
        paths.append(path)
        if case.has_link:
            files.link(path, f"{directory}/{number}.link")
        if case.has_reader:
            readers[number] = files.open(path)
    files.sync_directory(directory)
    return paths, readers


def check_removed(files: Files, directory: str, given_cases: list[Case]) -> None:
    paths, readers = made(files, directory, given_cases)
    rests = 0

    def rest() -> None:
        nonlocal rests
        rests += 1

    remove_gently(files, directory, paths, rest)
    linked = {number: case for number, case in enumerate(given_cases) if case.has_link}
    assert files.names(directory) == sorted(f"{number}.link" for number in linked)
    for number, case in linked.items():
        file = files.open(f"{directory}/{number}.link")
        assert file.read(case.size + 1, 0) == content(number, case.size)
        file.close()
        files.remove(f"{directory}/{number}.link")
    for number, reader in readers.items():
        size = given_cases[number].size
        assert reader.read(size + 1, 0) == content(number, size)
        reader.close()
    alone = [case for case in given_cases if not case.has_link and not case.has_reader]
    assert rests == len(given_cases) + sum(max(0, case.size - 1) // STEP for case in alone)


@given(cases)
def test_they_go_in_steps_but_for_those_that_somebody_else_uses(given_cases: list[Case]) -> None:
    files = SimulatedFiles()
    files.make_directory(DIRECTORY)
    check_removed(files, DIRECTORY, given_cases)


def test_a_real_disk_does_the_same(tmp_path: Path) -> None:
    every = [
        Case(size, has_link, has_reader)
        for size in (0, STEP, 5 * STEP + 1)
        for has_link in (False, True)
        for has_reader in (False, True)
    ]
    check_removed(OsFiles(), str(tmp_path), every)


@given(cases, st.integers(0, 8), st.integers(0, 9))
def test_after_a_power_loss_no_file_is_found_short_under_its_name(
    given_cases: list[Case], names_kept: int, cuts_kept: int
) -> None:
    files = SimulatedFiles()
    files.make_directory(DIRECTORY)
    paths, _ = made(files, DIRECTORY, given_cases)

    def look(_verb: str, _path: str) -> None:
        disk = files.after_power_loss(cuts_kept, names_kept)
        for name in disk.names(DIRECTORY):
            if not name.endswith(TEMPORARY_SUFFIX):
                number = int(name.split(".")[0])
                expected = content(number, given_cases[number].size)
                assert disk.open(f"{DIRECTORY}/{name}").read(10 * STEP, 0) == expected

    files.watch = look
    remove_gently(files, DIRECTORY, paths, lambda: None)
