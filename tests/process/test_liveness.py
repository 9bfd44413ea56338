"""When a process that still exists counts as hanging."""

from hypothesis import given
from hypothesis import strategies as st

from lithair.core.liveness import (
    ENDING_MAX_MS,
    FIRST_WORD_MAX_MS,
    SILENCE_MAX_MS,
    STANDSTILL_MAX_MS,
    STARTING_MAX_MS,
    SYNC_MAX_MS,
    Liveness,
)


def beating(
    phase: str, until_ms: int, *, detail: str = "", pending: bool = False, moves: bool = False
) -> Liveness:
    """Give a process that has beaten every half second and still does."""
    liveness = Liveness(0)
    for now in range(0, until_ms + 1, 500):
        liveness.heard(phase, detail, now if moves else 0, pending, now)
    return liveness


def test_a_process_has_time_for_its_first_word_and_less_for_the_next() -> None:
    liveness = Liveness(0)
    assert liveness.verdict(FIRST_WORD_MAX_MS) is None
    assert "not heard of" in str(liveness.verdict(FIRST_WORD_MAX_MS + 1))
    liveness.heard("serving", "", 0, False, 1000)
    assert liveness.verdict(1000 + SILENCE_MAX_MS) is None
    assert "silent" in str(liveness.verdict(1001 + SILENCE_MAX_MS))


def test_work_that_waits_without_progress_is_a_hang_and_idleness_is_none() -> None:
    end = STANDSTILL_MAX_MS + 500
    assert "waiting work" in str(beating("serving", end, pending=True).verdict(end))
    assert beating("serving", end, pending=True, moves=True).verdict(end) is None
    assert beating("serving", end, pending=False).verdict(end) is None


def test_a_long_idle_process_is_not_judged_by_work_that_has_just_arrived() -> None:
    liveness = beating("serving", 60_000)
    liveness.heard("serving", "", 0, True, 60_500)
    assert liveness.verdict(60_500 + SILENCE_MAX_MS) is None


def test_replaying_has_to_count_up() -> None:
    end = STANDSTILL_MAX_MS + 500
    assert "replaying" in str(beating("replaying", end).verdict(end))
    assert beating("replaying", end, moves=True).verdict(end) is None


def test_a_sync_may_take_longer_than_other_work() -> None:
    end = SYNC_MAX_MS
    assert beating("serving", end, detail="syncing", pending=True).verdict(end) is None
    end += 500
    assert beating("serving", end, detail="syncing", pending=True).verdict(end) is not None


def test_starting_and_ending_are_bounded() -> None:
    end = STARTING_MAX_MS + 500
    assert "still starting" in str(beating("starting", end).verdict(end))
    end = ENDING_MAX_MS + 500
    assert "after it was done" in str(beating("stopping", end).verdict(end))
    assert "after it was done" in str(beating("finished", end).verdict(end))


@given(st.sampled_from(["starting", "replaying", "serving"]), st.integers(0, 10_000_000))
def test_time_in_which_the_listener_did_not_run_is_not_held_against_anyone(
    phase: str, gap_ms: int
) -> None:
    liveness = beating(phase, 2_000, pending=True)
    liveness.forgive(gap_ms)
    assert liveness.verdict(2_000 + gap_ms) is None
