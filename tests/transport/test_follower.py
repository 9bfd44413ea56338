"""A follower delivers every event once, in order, whatever the feed loses or repeats."""

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lithair.transport.follower import EVENT_BYTES, KEPT_BYTES_MAX, Follower
from lithair.wire.messages import FeedBatch, FeedEvent

FIRST, SECOND = b"a" * 16, b"b" * 16
PAGE_MAX = 4  # events looked at for a page


def event(seq: int, size: int = 0) -> FeedEvent:
    return FeedEvent(seq, seq, 1, f"k{seq}", bytes(size), b"")


def batch(*seqs: int, epoch: bytes = FIRST) -> FeedBatch:
    return FeedBatch(epoch, seqs[-1], [event(seq) for seq in seqs])


def beat(seq: int, epoch: bytes = FIRST) -> FeedBatch:
    return FeedBatch(epoch, seq, [])


def seqs(events: list[FeedEvent]) -> list[int]:
    return [each.seq for each in events]


def joined(last: int) -> Follower:
    """Give a follower that has asked what it has missed by joining: nothing."""
    follower = Follower(last)
    assert follower.page(last, []) == []
    assert follower.wants is None
    return follower


class Following(RuleBasedStateMachine):
    """A log that grows, a feed that may lose and repeat messages, and answers at any later time."""

    by_pages = False

    @initialize(present=st.integers(0, 5), behind=st.integers(0, 5))
    def begin(self, present: int, behind: int) -> None:
        self.log = present  # the last event
        self.erased: set[int] = set()
        self.life = 1
        self.on_the_way: deque[FeedBatch] = deque()
        self.asked: int | None = None
        self.start = max(0, present - behind)
        self.follower = Follower(self.start, by_pages=self.by_pages)
        self.delivered: list[int] = []

    @property
    def epoch(self) -> bytes:
        return self.life.to_bytes(16, "big")

    @rule(count=st.integers(1, 4), is_told=st.booleans())
    def write(self, count: int, is_told: bool) -> None:
        told = list(range(self.log + 1, self.log + count + 1))
        self.log += count
        if is_told:
            self.on_the_way.append(batch(*told, epoch=self.epoch))

    @rule(first=st.integers(1, 3), count=st.integers(2, 3))
    def write_with_a_hole(self, first: int, count: int) -> None:
        """A message whose middle is missing: it can't be, and costs no more than a question."""
        told = [*range(self.log + 1, self.log + first + 1), self.log + first + count]
        self.log += first + count
        self.on_the_way.append(batch(*told, epoch=self.epoch))

    @rule()
    def be_idle(self) -> None:
        self.on_the_way.append(beat(self.log, self.epoch))

    @rule(seq=st.integers(1, 30))
    def erase(self, seq: int) -> None:
        self.erased.add(min(seq, self.log))

    @rule()
    def restart(self) -> None:
        self.life += 1

    @precondition(lambda self: self.on_the_way)
    @rule(is_repeated=st.booleans())
    def hear(self, is_repeated: bool) -> None:
        told = self.on_the_way.popleft()
        self.delivered += seqs(self.follower.feed(told))
        if is_repeated:
            self.delivered += seqs(self.follower.feed(told))

    @precondition(lambda self: self.on_the_way)
    @rule()
    def lose(self) -> None:
        self.on_the_way.popleft()

    @precondition(lambda self: self.asked is None and self.follower.wants is not None)
    @rule()
    def ask(self) -> None:
        self.asked = self.follower.wants

    @precondition(lambda self: self.asked is not None)
    @rule()
    def get_no_answer(self) -> None:
        self.asked = None

    @precondition(lambda self: self.asked is not None)
    @rule()
    def get_answer(self) -> None:
        since, self.asked = self.asked, None
        assert since is not None
        upto = min(self.log, since + PAGE_MAX)
        told = [event(seq) for seq in range(since + 1, upto + 1) if seq not in self.erased]
        self.delivered += seqs(self.follower.page(upto, told))

    @invariant()
    def has_delivered_all_in_order(self) -> None:
        last = self.follower.last
        assert self.delivered == sorted(set(self.delivered))
        there = set(range(self.start + 1, last + 1))
        assert there - self.erased <= set(self.delivered) <= there
        assert self.follower.wants in (None, last)
        assert not self.follower.is_reset

    def teardown(self) -> None:
        """Once the feed is idle, and every question is answered, nothing is missing."""
        if not hasattr(self, "follower"):
            return
        self.asked = None
        self.on_the_way.append(beat(self.log, self.epoch))
        while self.on_the_way:
            self.hear(False)
        while self.follower.wants is not None:
            self.ask()
            self.get_answer()
        self.has_delivered_all_in_order()
        assert self.follower.last == self.log


class FollowingByPages(Following):
    by_pages = True


TestFollowing = Following.TestCase
TestFollowing.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestFollowingByPages = FollowingByPages.TestCase
TestFollowingByPages.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)


def test_events_that_follow_are_delivered_without_a_question() -> None:
    follower = joined(3)
    assert seqs(follower.feed(batch(4, 5))) == [4, 5]
    assert seqs(follower.feed(batch(5, 6))) == [6]
    assert follower.feed(beat(6)) == []
    assert follower.wants is None


def test_a_beat_that_is_ahead_shows_what_was_lost() -> None:
    follower = joined(3)
    assert follower.feed(beat(5)) == []
    assert follower.wants == 3
    assert seqs(follower.page(4, [event(4)])) == [4]
    assert follower.wants == 4
    assert seqs(follower.page(5, [event(5)])) == [5]
    assert follower.wants is None


def test_what_came_while_it_asked_is_delivered_behind_the_answer() -> None:
    follower = joined(0)
    for told in (batch(2, 3), batch(4)):
        assert follower.feed(told) == []
    assert seqs(follower.page(1, [event(1)])) == [1, 2, 3, 4]
    assert follower.wants is None


def test_an_answer_that_says_more_than_the_feed_has_is_not_repeated_by_it() -> None:
    follower = joined(0)
    follower.feed(beat(1))
    assert seqs(follower.page(3, [event(1), event(2), event(3)])) == [1, 2, 3]
    assert follower.feed(batch(1, 2)) == []
    assert seqs(follower.feed(batch(3, 4))) == [4]


@given(st.integers(1, 6))
def test_what_is_kept_is_bounded_and_the_rest_asked_for_again(sizes: int) -> None:
    follower = joined(0)
    size = KEPT_BYTES_MAX // sizes
    follower.feed(FeedBatch(FIRST, 2, [event(2)]))
    for seq in range(3, 20):
        follower.feed(FeedBatch(FIRST, seq, [event(seq, size - EVENT_BYTES)]))
    assert seqs(follower.page(1, [event(1)])) == [1]
    assert follower.wants == 1
    first_kept = 20 - sizes
    page = [event(seq) for seq in range(2, first_kept)]
    assert seqs(follower.page(first_kept - 1, page)) == list(range(2, 20))
    assert follower.wants is None


def test_a_new_life_that_goes_on_is_followed_and_one_that_ends_before_is_a_reset() -> None:
    follower = joined(3)
    assert seqs(follower.feed(batch(4))) == [4]
    assert seqs(follower.feed(batch(5, epoch=SECOND))) == [5]
    assert follower.feed(batch(4)) == []
    assert follower.is_reset
    assert follower.wants is None
    assert follower.head == 4
    assert follower.page(9, [event(9)]) == []


def test_a_feed_that_is_behind_the_answers_is_no_reset() -> None:
    follower = joined(0)
    follower.feed(beat(1))
    follower.page(5, [event(seq) for seq in range(1, 6)])
    follower.feed(beat(3, SECOND))  # said by the process that has answered, before it did
    assert not follower.is_reset
    assert seqs(follower.feed(batch(4, 5, 6, epoch=SECOND))) == [6]
