"""A listener's cursor: whatever a crash leaves of its file, it is one that was once written."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithair.storage.listener_cursor import (
    CURSOR_BYTES,
    SLOT_EVERY_BYTES,
    Cursor,
    CursorFile,
    DamagedCursor,
)
from tests.support.simulated_files import Failure, SimulatedFiles

DIRECTORY = "/data/listeners/indexer"
PATH = f"{DIRECTORY}/cursor"
LONG = "é" * 255  # the longest id there is, in bytes


def read(disk: SimulatedFiles) -> Cursor:
    return CursorFile.open(disk, DIRECTORY).cursor


def crash_states(disk: SimulatedFiles) -> Iterator[SimulatedFiles]:
    """Give what a power loss can leave: any part of the unsynced bytes, and pages lost."""
    pending = disk.pending_bytes()
    for kept in range(pending + 1):
        for lost in ((), (0,), (1,), (0, 1)):
            for names in range(len(disk.name_changes) + 1):
                yield disk.after_power_loss(kept, names, lost)


@pytest.mark.parametrize(
    "cursor", [Cursor(0), Cursor(41), Cursor(2**64 - 1), Cursor(7, ""), Cursor(7, LONG)]
)
def test_a_cursor_is_read_as_it_was_written(cursor: Cursor) -> None:
    disk = SimulatedFiles()
    file = CursorFile.place(disk, DIRECTORY, Cursor(1))
    file.move(cursor)
    assert file.cursor == cursor
    assert read(disk) == cursor
    assert disk.open(PATH).size() == CURSOR_BYTES


def test_a_cursor_that_was_made_is_there_after_a_power_loss() -> None:
    disk = SimulatedFiles()
    CursorFile.place(disk, DIRECTORY, Cursor(9))
    assert read(disk.after_power_loss()) == Cursor(9)


def test_while_it_is_made_it_is_there_whole_or_not_at_all() -> None:
    """Every call that changes the disk is a moment at which the power may go."""
    whole = SimulatedFiles()
    moments: list[SimulatedFiles] = []
    whole.watch = lambda _verb, _path: moments.append(whole.fork())
    CursorFile.place(whole, DIRECTORY, Cursor(9))
    whole.watch = None
    found: set[Cursor | None] = set()
    for moment in moments:
        pending = moment.pending_bytes()
        for kept in {0, 1, 30, pending // 2, pending}:
            for names in range(len(moment.name_changes) + 1):
                disk = moment.after_power_loss(kept, names)
                try:
                    found.add(read(disk))
                except FileNotFoundError:
                    found.add(None)
    assert found == {None, Cursor(9)}


def test_after_any_crash_it_is_between_what_was_synced_and_what_was_written() -> None:
    """Of 3 moves between two syncs, and syncs in all places, each byte that may be lost."""
    looked = 0
    for pattern in itertools.product((False, True), repeat=5):
        disk = SimulatedFiles()
        file = CursorFile.place(disk, DIRECTORY, Cursor(0))
        synced = 0
        for seq, is_synced in enumerate(pattern, 1):
            file.move(Cursor(seq, "" if seq == 3 else None))
            for state in crash_states(disk):
                assert synced <= read(state).seq <= seq
                looked += 1
            assert read(disk.fork()).seq == seq, "the death of the process alone takes nothing"
            if is_synced:
                file.sync()
                synced = seq
                assert file.is_synced
    assert looked > 10_000


def test_a_process_that_takes_over_an_unsynced_cursor_does_not_write_over_the_synced_one() -> None:
    for syncs_first in (False, True):
        disk = SimulatedFiles()
        before = CursorFile.place(disk, DIRECTORY, Cursor(1))
        before.move(Cursor(2))
        if syncs_first:
            before.sync()
        disk = disk.fork()  # it was killed
        after = CursorFile.open(disk, DIRECTORY, writable=True)
        assert after.cursor == Cursor(2)
        after.move(Cursor(3))
        assert {read(state).seq for state in crash_states(disk)} == {2, 3}


@given(st.integers(0, 2 * SLOT_EVERY_BYTES - 1), st.integers(1, 255), st.booleans())
def test_a_slot_with_a_changed_byte_is_not_trusted(at: int, flip: int, is_moved: bool) -> None:
    disk = SimulatedFiles()
    file = CursorFile.place(disk, DIRECTORY, Cursor(5, "mail-1"))
    file.sync()
    if is_moved:
        file.move(Cursor(6, "mail-2"))
        file.sync()
    data = bytearray(disk.open(PATH).read(CURSOR_BYTES, 0))
    data[at] ^= flip
    try:
        found = read(disk.with_bytes(PATH, bytes(data)))
    except DamagedCursor:
        assert not is_moved, "the other slot is whole"
    else:
        assert found in {Cursor(5, "mail-1"), Cursor(6, "mail-2")}


@pytest.mark.parametrize("length", [0, 1, 26, SLOT_EVERY_BYTES])
def test_a_file_without_a_whole_slot_is_damage_and_says_what_to_do(length: int) -> None:
    disk = SimulatedFiles()
    CursorFile.place(disk, DIRECTORY, Cursor(5, LONG))
    short = disk.with_bytes(PATH, bytes(length))
    with pytest.raises(DamagedCursor, match=r"cursor: neither of .* Remove the file"):
        read(short)


def test_a_position_that_does_not_fit_on_a_full_disk_leaves_the_one_before() -> None:
    disk = SimulatedFiles()
    file = CursorFile.place(disk, DIRECTORY, Cursor(5))
    disk.failures.append(Failure(28, "write"))
    with pytest.raises(OSError, match="No space"):
        file.move(Cursor(6))
    assert read(disk) == Cursor(5)
    assert file.cursor == Cursor(5)
    file.move(Cursor(6))
    assert read(disk) == Cursor(6)
