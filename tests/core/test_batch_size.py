"""How many writes go to the disk together."""

from hypothesis import given
from hypothesis import strategies as st

from lithair.core.batch_size import SMALL, BatchSize

FAST_S, SLOW_S = 100e-6, 50e-3
WAITING = st.integers(1, 10_000)


@given(st.lists(st.tuples(WAITING, WAITING, st.floats(0, 1)), max_size=50), WAITING)
def test_something_is_taken_and_never_more_than_waits(
    before: list[tuple[int, int, float]], waiting: int
) -> None:
    size = BatchSize()
    for number, unanswered, sync_s in before:
        size.of(number)
        size.synced(sync_s, unanswered)
    assert min(waiting, SMALL) <= size.of(waiting) <= waiting


@given(st.integers(2 * SMALL, 2000), st.integers(1, 1000))
def test_clients_that_wait_in_step_are_divided_in_two(clients: int, rounds: int) -> None:
    """Each sends its next write once it is answered: half are with the disk, half have theirs."""
    size = BatchSize()
    waiting = clients
    for _ in range(rounds):
        taken = size.of(waiting)
        assert abs(taken - clients / 2) <= 1
        waiting = clients - taken  # the others have come when the disk is done
        size.synced(FAST_S, clients)


@given(st.integers(SMALL + 1, 1000))
def test_a_slow_disk_gets_all_at_once(clients: int) -> None:
    size = BatchSize()
    for _ in range(50):
        size.of(clients)
        size.synced(SLOW_S, clients)
    assert size.of(clients) == clients


def test_few_writes_go_to_the_disk_together() -> None:
    size = BatchSize()
    assert [size.of(waiting) for waiting in (1, 5, SMALL)] == [1, 5, SMALL]


def test_a_crowd_that_has_gone_is_forgotten() -> None:
    size = BatchSize()
    assert size.of(4000) == 2000
    assert size.of(40) == 40
    for _ in range(10_000):
        size.synced(FAST_S, 40)
    assert size.of(40) == 20
