"""`lithair listeners` without a server: what it reads of listeners' files, and asks by them."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lithair.cli.listeners import why
from lithair.core.listening import Failing
from lithair.storage.dead_letters import DeadLetters, Letter
from lithair.storage.files import OsFiles
from lithair.storage.listener_book import Doing, Place, listed
from lithair.storage.listener_cursor import CURSOR_NAME, Cursor, CursorFile
from lithair.storage.listener_files import ListenerFiles, Replay, Skip
from tests.support.commands import lithair

NOW_MS = 1_800_000_000_000
FAILS = Failing(42, 7, NOW_MS - 60_000, NOW_MS, "answered 500")
IS_OFF = msgspec.structs.replace(FAILS, disabled_ms=NOW_MS)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    directory = tmp_path / "data/emails"
    directory.mkdir(parents=True)
    return directory


def listener(
    model: Path, name: str, seq: int = 41, failing: Failing | None = None
) -> ListenerFiles:
    own = ListenerFiles(OsFiles(), str(model), name)
    CursorFile.place(OsFiles(), own.directory, Cursor(seq)).close()
    if failing is not None:
        own.keep_failing(failing)
    return own


def keep_letters(own: ListenerFiles, *seqs: int) -> None:
    letters = DeadLetters(OsFiles(), own.directory)
    for seq in seqs:
        at = "2027-01-15T08:00:00.000Z"
        item = msgspec.Raw(b'{"id":"m1"}')
        letters.append(Letter(seq, "update", "emails", "m1", item, at, "no", at, 3))
    letters.close()


def run(model: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the command with the directory of a model."""
    done = lithair(model.parent.parent, "listeners", *arguments, "--data-dir", "data/emails")
    return done.returncode, done.stdout, done.stderr


def told(model: Path, *arguments: str) -> Any:
    status, said, errors = run(model, *arguments, "--json")
    assert (status, errors) == (0, "")
    return json.loads(said)


def test_listeners_are_listed_with_how_far_they_are_and_what_they_fail_at(model: Path) -> None:
    listener(model, "calm", 40)
    listener(model, "failing", 41, FAILS)
    off = listener(model, "off", 41, IS_OFF)
    keep_letters(off, 3, 5)
    off.ask_skip(42)
    calm, failing, disabled = told(model, "list")
    assert calm == {
        "name": "calm",
        "model": "emails",
        "state": None,
        "seq": 40,
        "behind": None,
        "dead_letters": 0,
        "failing": None,
        "detail": "",
        "asked": [],
        "directory": str(model / "listeners/calm"),
    }
    assert (failing["state"], failing["failing"]["disabled"]) == ("failing", None)
    assert disabled["state"] == "disabled"
    assert disabled["failing"] == {
        "seq": 42,
        "tries": 7,
        "since": "2027-01-15T07:59:00.000Z",
        "last": "2027-01-15T08:00:00.000Z",
        "error": "answered 500",
        "disabled": "2027-01-15T08:00:00.000Z",
    }
    assert (disabled["dead_letters"], disabled["asked"]) == (2, ["skip"])


def test_the_table_says_why_a_listener_does_not_go_on(model: Path) -> None:
    """An error of several lines does not break it."""
    listener(model, "off", 41, msgspec.structs.replace(IS_OFF, error="answered\n  500"))
    status, said, _ = run(model)
    head, line = said.strip().split("\n")
    assert status == 0
    assert head.split() == ["name", "model", "state", "handled", "behind", "dead", "letters", "why"]
    assert line.split()[:6] == ["off", "emails", "disabled", "41", "-", "0"]
    assert "event 42, 7 tries, since " in line
    assert line.endswith(": answered 500")


def test_of_a_process_that_does_not_get_as_far_as_an_event_its_end_is_told(model: Path) -> None:
    listener(model, "calm", 40)
    place = Place(
        "emails", str(model), {"calm": Doing("starting", "ended with\nexit status 3")}, 41
    )
    (one,) = listed(place)
    assert (one.state, one.behind) == ("starting", 1)
    assert why(one) == "ended with exit status 3"


def test_no_listener_is_an_empty_list_and_no_error(model: Path) -> None:
    assert told(model, "list") == []
    assert run(model)[0] == 0


def test_a_damaged_cursor_is_shown_and_keeps_no_other_from_being_listed(model: Path) -> None:
    listener(model, "calm", 40)
    listener(model, "hurt")
    (model / "listeners/hurt" / CURSOR_NAME).write_bytes(b"x" * 8192)
    calm, hurt = told(model, "list")
    assert (calm["seq"], hurt["state"], hurt["seq"]) == (40, "damaged", None)


def test_skip_asks_for_the_event_that_fails(model: Path) -> None:
    own = listener(model, "failing", 41, FAILS)
    assert told(model, "skip", "failing") == {"name": "failing", "model": "emails", "seq": 42}
    assert own.skip() == Skip(42)
    assert own.failing() == FAILS


def test_nothing_is_skipped_where_nothing_fails(model: Path) -> None:
    own = listener(model, "calm")
    status, said, error = run(model, "skip", "calm")
    assert (status, said) == (1, "")
    assert error == "calm fails at no event; nothing is skipped\n"
    assert own.skip() is None


@pytest.mark.parametrize("failing", [FAILS, IS_OFF])
def test_enable_has_the_event_tried_again(model: Path, failing: Failing) -> None:
    own = listener(model, "hook", 41, failing)
    assert told(model, "enable", "hook") == {"name": "hook", "model": "emails", "seq": 42}
    assert own.failing() is None


def test_enable_of_one_that_is_enabled_is_done_already(model: Path) -> None:
    listener(model, "calm")
    status, said, _ = run(model, "enable", "calm")
    assert (status, said) == (0, "calm is neither disabled nor failing\n")


def test_replay_asks_for_all_dead_letters_or_for_some(model: Path) -> None:
    own = listener(model, "hook")
    keep_letters(own, 3, 5, 9)
    assert told(model, "replay", "hook")["seqs"] == [3, 5, 9]
    assert own.replay() == Replay(())
    assert told(model, "replay", "hook", "9", "3")["seqs"] == [3, 9]
    assert own.replay() == Replay((9, 3))


def test_a_dead_letter_that_is_not_there_is_not_asked_for(model: Path) -> None:
    own = listener(model, "hook")
    keep_letters(own, 3)
    status, _, error = run(model, "replay", "hook", "3", "4")
    assert (status, error) == (1, "hook has no dead letter of event 4\n")
    assert own.replay() is None


def test_no_dead_letters_are_none_to_replay(model: Path) -> None:
    own = listener(model, "hook")
    assert told(model, "replay", "hook")["seqs"] == []
    assert run(model, "replay", "hook")[:2] == (0, "hook has no dead letters\n")
    assert own.replay() is None


@pytest.mark.parametrize("name", ["nobody", "../listeners/hook", "", "."])
def test_a_name_that_is_no_listeners_is_refused(model: Path, name: str) -> None:
    """A name is never a way out of the directory of listeners."""
    listener(model, "hook", 41, FAILS)
    status, _, error = run(model, "enable", name)
    assert (status, error) == (1, f"there is no listener {name!r}; see: lithair listeners list\n")


def test_one_name_in_two_models_has_to_be_made_clear(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "data/letters"
    own = listener(model, "hook", 41, FAILS)
    listener(other, "hook", 41, FAILS)
    status, _, error = run(model, "enable", "hook", "--data-dir", str(other))
    assert status == 1
    assert error.startswith("2 models have a listener 'hook'; name one's directory with --data-dir")
    assert own.failing() == FAILS


def test_a_directory_that_is_not_there_and_no_server_have_their_own_statuses(
    tmp_path: Path,
) -> None:
    missing = lithair(tmp_path, "listeners", "--data-dir", "nowhere")
    assert missing.returncode == 1
    assert missing.stderr == f"there is no directory {tmp_path / 'nowhere'}\n"
    unreachable = lithair(tmp_path, "listeners")
    assert unreachable.returncode == 4
    assert unreachable.stderr.endswith("name a model's directory with --data-dir\n")


def test_options_in_front_of_a_command_are_not_taken_for_nothing(model: Path) -> None:
    done = lithair(model, "listeners", "--json", "list")
    assert done.returncode == 2
    assert "write the options behind `list`" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to others")
def test_another_users_listener_is_not_asked_what_it_could_not_read(model: Path) -> None:
    own = listener(model, "hook", 41, FAILS)
    os.chown(own.directory, 65534, 65534)
    status, _, error = run(model, "skip", "hook")
    assert status == 1
    assert "belongs to another user: run this command as that one" in error
    assert own.skip() is None
