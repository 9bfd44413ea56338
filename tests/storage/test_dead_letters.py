"""Dead letters: kept before the cursor moves, whole or not at all, and erased where they stand."""

import errno
import json
from collections.abc import Iterator

import msgspec
import pytest

from lithair.core.listening import Failing
from lithair.errors import LithairError
from lithair.storage.dead_letters import DeadLetters, Letter, erase_letters, read_letters
from lithair.storage.listener_files import (
    ListenerFiles,
    Replay,
    Skip,
    erase_item,
    listener_directory,
    listener_names,
)
from tests.support.simulated_files import Failure, SimulatedFiles

MODEL = "/data/emails"
DIRECTORY = listener_directory(MODEL, "indexer")
PATH = f"{DIRECTORY}/dead-letters.ndjson"


def letter(seq: int, item_id: str = "m1") -> Letter:
    item = msgspec.Raw(msgspec.json.encode({"id": item_id, "text": "a\nb \u2028 \U0001f642"}))
    at = "2027-01-15T08:00:00.000Z"
    return Letter(seq, "create", "emails", item_id, item, at, "ValueError: no", at, 3)


@pytest.fixture
def disk() -> SimulatedFiles:
    made = SimulatedFiles()
    made.make_directory(DIRECTORY)
    return made


def seqs(disk: SimulatedFiles) -> list[int]:
    return [each.seq for each in read_letters(disk, DIRECTORY)]


def test_a_letter_is_a_line_of_json_that_says_everything(disk: SimulatedFiles) -> None:
    letters = DeadLetters(disk, DIRECTORY)
    letters.append(letter(41))
    letters.append(letter(42, "m2"))
    lines = disk.open(PATH).read(1 << 20, 0).decode().split("\n")
    assert lines.pop() == ""
    assert json.loads(lines[0]) == {
        "seq": 41,
        "operation": "create",
        "model": "emails",
        "id": "m1",
        "item": {"id": "m1", "text": "a\nb \u2028 \U0001f642"},
        "timestamp": "2027-01-15T08:00:00.000Z",
        "error": "ValueError: no",
        "failed_at": "2027-01-15T08:00:00.000Z",
        "tries": 3,
    }
    assert letters.count == 2
    assert list(read_letters(disk, DIRECTORY))[1] == letter(42, "m2")


def test_a_letter_is_on_the_disk_when_it_was_appended(disk: SimulatedFiles) -> None:
    letters = DeadLetters(disk, DIRECTORY)
    for seq in range(1, 4):
        letters.append(letter(seq))
        assert seqs(disk.after_power_loss()) == list(range(1, seq + 1))


def moments(disk: SimulatedFiles, seq: int) -> Iterator[SimulatedFiles]:
    """Give what each crash while a letter is appended leaves."""
    found: list[SimulatedFiles] = []
    letters = DeadLetters(disk, DIRECTORY)
    disk.watch = lambda _verb, _path: found.append(disk.fork())
    letters.append(letter(seq))
    disk.watch = None
    for moment in [*found, disk.fork()]:
        yield moment.fork()
        for kept in range(moment.pending_bytes() + 1):
            for names in range(len(moment.name_changes) + 1):
                yield moment.after_power_loss(kept, names)


@pytest.mark.parametrize("before", [[], [1]])
def test_after_any_crash_a_letter_is_there_once_or_not_at_all(
    disk: SimulatedFiles, before: list[int]
) -> None:
    """The event comes again, and with it the letter."""
    for seq in before:
        DeadLetters(disk, DIRECTORY).append(letter(seq))
    looked = 0
    for moment in moments(disk, 2):
        moment.make_directory(DIRECTORY)
        assert seqs(moment) in (before, [*before, 2])
        again = DeadLetters(moment, DIRECTORY)
        again.append(letter(2))
        again.append(letter(3))
        assert seqs(moment) == [*before, 2, 3]
        assert again.count == len(before) + 2
        looked += 1
    assert looked > 200


def test_a_letter_that_is_done_with_is_erased_and_the_others_stay(disk: SimulatedFiles) -> None:
    letters = DeadLetters(disk, DIRECTORY)
    for seq in (1, 2, 3):
        letters.append(letter(seq))
    for line in list(letters.lines())[1:2]:
        letters.erase(line)
    assert seqs(disk.after_power_loss()) == [1, 3]
    letters.append(letter(4))
    assert seqs(disk) == [1, 3, 4]
    assert letters.count == 3
    assert DeadLetters(disk.fork(), DIRECTORY).count == 3


def test_when_all_are_done_with_the_file_is_empty(disk: SimulatedFiles) -> None:
    letters = DeadLetters(disk, DIRECTORY)
    for seq in (1, 2):
        letters.append(letter(seq))
    for line in letters.lines():
        letters.erase(line)
    assert (letters.count, disk.open(PATH).size()) == (0, 0)
    letters.append(letter(1))
    assert seqs(disk) == [1]


def test_on_a_full_disk_nothing_of_a_letter_stays(disk: SimulatedFiles) -> None:
    letters = DeadLetters(disk, DIRECTORY)
    letters.append(letter(1))
    disk.capacity_bytes = disk.used_bytes() + 20
    with pytest.raises(OSError) as caught:
        letters.append(letter(2))
    assert caught.value.errno == errno.ENOSPC
    assert seqs(disk) == [1]
    disk.capacity_bytes = 1 << 40
    letters.append(letter(2))
    assert seqs(disk) == [1, 2]


def test_an_item_that_is_purged_is_erased_from_the_letters_of_all_listeners(
    disk: SimulatedFiles,
) -> None:
    letters = DeadLetters(disk, DIRECTORY)
    for seq, item_id in ((1, "m1"), (2, "m2"), (3, "m1"), (9, "m1")):
        letters.append(letter(seq, item_id))
    found = erase_letters(disk, DIRECTORY, lambda each: each.id == "m1" and each.seq <= 5)
    assert found == 2
    assert seqs(disk.after_power_loss()) == [2, 9]
    letters.recount()
    assert letters.count == 2
    letters.append(letter(10))
    assert seqs(disk) == [2, 9, 10]


def test_letters_are_not_looked_for_while_the_file_is_shortened(disk: SimulatedFiles) -> None:
    letters = DeadLetters(disk, DIRECTORY)
    letters.append(letter(1))
    lock = disk.try_lock(f"{DIRECTORY}/dead-letters.lock", "1\n")
    assert lock is not None
    with pytest.raises(LithairError, match="try again"):
        erase_letters(disk, DIRECTORY, lambda _: True)
    for line in letters.lines():
        letters.erase(line)
    assert disk.open(PATH).size() > 0, "shortened another time"
    lock.release()
    assert DeadLetters(disk, DIRECTORY).count == 0
    assert disk.open(PATH).size() == 0
    assert erase_letters(disk, DIRECTORY, lambda _: True) == 0


def test_a_line_that_somebody_has_written_by_hand_is_left_alone(disk: SimulatedFiles) -> None:
    letters = DeadLetters(disk, DIRECTORY)
    letters.append(letter(1))
    own = disk.open(PATH).read(1 << 20, 0)
    edited = disk.with_bytes(PATH, b"# looked at\n" + own)
    again = DeadLetters(edited, DIRECTORY)
    assert again.count == 1
    again.append(letter(2))
    assert seqs(edited) == [1, 2]
    assert edited.open(PATH).read(12, 0) == b"# looked at\n"


def test_where_there_never_was_a_letter_there_is_none(disk: SimulatedFiles) -> None:
    assert DeadLetters(disk, DIRECTORY).count == 0
    assert list(read_letters(disk, DIRECTORY)) == []
    assert erase_letters(disk, DIRECTORY, lambda _: True) == 0
    assert erase_item(disk, "/data/others", "m1", 9) == 0
    assert listener_names(disk, "/data/others") == []


def test_what_is_asked_of_a_listener_is_kept_until_it_is_done(disk: SimulatedFiles) -> None:
    files = ListenerFiles(disk, MODEL, "indexer")
    assert (files.failing(), files.skip(), files.replay(), files.take_recount()) == (
        None,
        None,
        None,
        False,
    )
    failing = Failing(7, 3, 1000, 2000, "ValueError: no")
    files.keep_failing(failing)
    files.ask_skip(7)
    files.ask_replay((1, 2))
    files.ask_recount()
    kept = ListenerFiles(disk.after_power_loss(), MODEL, "indexer")
    assert (kept.failing(), kept.skip(), kept.replay()) == (failing, Skip(7), Replay((1, 2)))
    assert kept.take_recount()
    assert not kept.take_recount()
    kept.end_failing()
    kept.end_skip()
    kept.end_replay()
    kept.end_replay()
    assert (kept.failing(), kept.skip(), kept.replay()) == (None, None, None)


def test_a_request_that_can_not_be_written_was_not_made(disk: SimulatedFiles) -> None:
    files = ListenerFiles(disk, MODEL, "indexer")
    disk.failures.append(Failure(errno.ENOSPC, "write"))
    with pytest.raises(OSError, match="No space"):
        files.ask_skip(7)
    assert files.skip() is None
    assert disk.names(DIRECTORY) == []
