"""What the asking end promises about time and space: deadlines, requests in flight, cancelling."""

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from lithair.transport.pending import Asked
from lithair.transport.request_client import (
    ACKNOWLEDGE_BYTES,
    ALIVE_MS,
    IN_FLIGHT_BYTES_MAX,
    IN_FLIGHT_REQUESTS_MAX,
    OVERDUE_MS,
    UNREACHABLE,
)
from lithair.transport.request_server import UNREAD_BYTES_MAX
from lithair.transport.sockets import model_endpoint
from lithair.wire.messages import Reply
from lithair.wire.protocol import (
    BATCH_BYTES_MAX,
    BATCH_REQUESTS_MAX,
    BODY_BYTES_MAX,
    TRUSTED,
    Verb,
)
from tests.transport.asking import Asking, Clock, greet, run_until, settle
from tests.transport.little_model import LittleModel

MIB = 1 << 20


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return model_endpoint(str(tmp_path), "things")


@pytest.fixture
def model(endpoint: str) -> Generator[LittleModel]:
    model = LittleModel(endpoint)
    yield model
    model.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def asking(endpoint: str, clock: Clock) -> Generator[Asking]:
    with Asking(endpoint, clock) as asking:
        yield asking


def test_a_deadline_passed_is_504_when_the_process_lives(
    asking: Asking, clock: Clock, model: LittleModel
) -> None:
    greet(asking, model)
    asking.put("slow", {"wait": 1}, within_ms=100)
    asking.put("no hurry", {"wait": 1}, within_ms=10_000)
    run_until(lambda: len(model.writes) == 2, "the requests", asking, model)
    clock.now_ms += 99
    asking.turn()
    assert not asking.replies
    clock.now_ms += 1
    asking.turn()
    assert asking.status("slow") == 504
    assert "did not answer in time" in asking.problem("slow")
    assert "no hurry" not in asking.replies


def test_a_deadline_passed_is_503_when_nobody_is_there(asking: Asking, clock: Clock) -> None:
    asking.put("a", within_ms=100)
    asking.turn()
    clock.now_ms += 100
    asking.turn()
    assert asking.status("a") == 503
    assert asking.problem("a") == UNREACHABLE


def test_a_deadline_passed_is_503_when_the_process_stands_still(
    asking: Asking, clock: Clock, model: LittleModel
) -> None:
    """Connected, but its hello is not answered: a stopped process."""
    greet(asking, model)
    asking.put("a", {"wait": 1}, within_ms=5000)
    run_until(lambda: model.writes, "the request", asking, model)
    for _ in range(3):
        clock.now_ms += OVERDUE_MS
        asking.turn()
    assert asking.client.is_alive(clock.now_ms)
    clock.now_ms += ALIVE_MS + 1
    assert not asking.client.is_alive(clock.now_ms)
    clock.now_ms += 5000
    asking.turn()
    assert asking.status("a") == 503


def test_what_a_503_says_is_for_the_owner_to_say(asking: Asking, clock: Clock) -> None:
    asking.client.unreachable = "Is the server running?"
    asking.get("a", within_ms=1)
    clock.now_ms += 1
    asking.turn()
    assert asking.problem("a") == "Is the server running?"


def test_a_request_asked_when_another_expires_has_a_deadline_too(
    asking: Asking, clock: Clock
) -> None:
    """Trying once more from the callback must not lose the new request's deadline."""

    def ask_again(reply: Reply) -> None:
        asking.get("again", within_ms=100)

    asking.client.ask_read(Verb.GET, clock.now_ms + 100, TRUSTED, "first", ask_again)
    clock.now_ms += 100
    asking.turn()
    clock.now_ms += 100
    asking.turn()
    assert asking.status("again") == 503


def test_a_request_without_a_deadline_waits_for_good(asking: Asking, clock: Clock) -> None:
    asking.get("a")
    clock.now_ms += 10 * 60_000
    asking.turn()
    assert len(asking.client) == 1


def test_past_16384_requests_in_flight_the_next_is_503_at_once(asking: Asking) -> None:
    for number in range(IN_FLIGHT_REQUESTS_MAX):
        assert asking.get(f"{number}") > 0
    assert asking.get("one more") == 0
    assert asking.status("one more") == 503
    assert "Too many" in asking.problem("one more")
    asking.client.refuse_all(503, "room again")
    assert asking.get("next") > 0


def test_past_64_mib_in_flight_the_next_is_503_at_once(asking: Asking) -> None:
    body = bytes(15 * MIB)
    for number in range(4):
        assert asking.write(f"{number}", body) > 0
    assert 4 * len(body) + 5 * MIB > IN_FLIGHT_BYTES_MAX
    assert asking.write("one more", bytes(5 * MIB)) == 0
    assert asking.status("one more") == 503
    assert asking.write("small", b"{}") > 0


def test_a_body_longer_than_a_message_carries_is_413(asking: Asking) -> None:
    assert asking.write("long", bytes(BODY_BYTES_MAX + 1000)) == 0
    assert asking.status("long") == 413


@pytest.mark.parametrize("verb", [Verb.EXISTS, Verb.LIST, Verb.GET])
def test_an_argument_longer_than_a_message_carries_is_413(asking: Asking, verb: Verb) -> None:
    """ZeroMQ would end the connection over it, again and again, under all other requests."""
    text = "x" * (BODY_BYTES_MAX + 1000)
    arguments: dict[Verb, Asked] = {
        Verb.EXISTS: ("a", text),
        Verb.LIST: (("a", text),),
        Verb.GET: text,
    }
    assert asking.read("long", verb, arguments[verb]) == 0
    assert asking.status("long") == 413


def test_what_can_not_be_encoded_is_400_and_its_batch_goes_on(
    asking: Asking, model: LittleModel
) -> None:
    greet(asking, model)
    asking.put("before")
    asking.get("\ud800")
    asking.put("after")
    settle(asking, model)
    assert asking.status("\ud800") == 400
    assert (asking.status("before"), asking.status("after")) == (201, 201)


def test_what_no_longer_waits_takes_no_room_while_nobody_is_connected(asking: Asking) -> None:
    """A model that is replayed for minutes must not cost its callers' cancelled bodies."""
    body = bytes(1000)
    references = sys.getrefcount(body)
    for number in range(3):
        asked = asking.write(f"{number}", body)
        asking.turn()
        asking.client.cancel(asked)
    asking.turn()
    assert sys.getrefcount(body) == references


def test_a_cancelled_request_is_never_answered(asking: Asking, model: LittleModel) -> None:
    greet(asking, model)
    asked = asking.put("a")
    asking.turn()
    asking.client.cancel(asked)
    assert asking.client.is_idle
    run_until(lambda: model.memory.seq, "the write, which happens", asking, model)
    asking.get("b")
    settle(asking, model)
    assert asking.order == ["b"]


def test_a_request_cancelled_before_it_was_sent_is_not_sent(
    asking: Asking, model: LittleModel
) -> None:
    greet(asking, model)
    asking.client.cancel(asking.put("never"))
    asking.put("sent")
    settle(asking, model)
    assert [write.key for write in model.writes] == ["sent"]
    assert model.asked(Verb.CANCEL) == []


@pytest.mark.parametrize(
    ("verb", "argument"), [(Verb.LIST, ()), (Verb.GET, ("a", (("as_of", "1"),)))]
)
def test_cancelling_a_long_read_reaches_the_process(
    asking: Asking, model: LittleModel, verb: Verb, argument: Asked
) -> None:
    greet(asking, model)
    model.is_silent = True
    asked = asking.read("page", verb, argument)
    run_until(lambda: model.asked(verb), "the read", asking, model)
    asking.client.cancel(asked)
    run_until(lambda: model.asked(Verb.CANCEL), "the cancel", asking, model)
    (cancel,) = model.asked(Verb.CANCEL)
    assert cancel[4] == asked


def test_cancelling_what_nobody_knows_does_nothing(asking: Asking, model: LittleModel) -> None:
    greet(asking, model)
    asking.client.cancel(12345)
    asking.get("a")
    settle(asking, model)
    assert model.asked(Verb.CANCEL) == []


def test_what_is_asked_in_one_turn_leaves_as_one_message(
    asking: Asking, model: LittleModel
) -> None:
    greet(asking, model)
    model.batches.clear()
    for number in range(100):
        asking.get(f"{number}")
    settle(asking, model)
    assert model.batches == [100]


def test_a_batch_of_many_requests_is_split_by_their_number(
    asking: Asking, model: LittleModel
) -> None:
    greet(asking, model)
    model.batches.clear()
    for number in range(2 * BATCH_REQUESTS_MAX + 1):
        asking.get(f"{number}")
    settle(asking, model)
    assert model.batches == [BATCH_REQUESTS_MAX, BATCH_REQUESTS_MAX, 1]
    assert asking.order == [f"{number}" for number in range(2 * BATCH_REQUESTS_MAX + 1)]


def test_a_batch_of_long_requests_is_split_by_their_bytes(
    asking: Asking, model: LittleModel
) -> None:
    greet(asking, model)
    model.batches.clear()
    for number in range(5):
        asking.write(f"{number}", bytes(BATCH_BYTES_MAX // 2))
    settle(asking, model)
    assert model.batches == [2, 2, 1]


def test_a_client_that_reads_says_so_and_is_never_held_back(
    asking: Asking, model: LittleModel
) -> None:
    """More passes than may lie unread, because what was read is acknowledged on the way."""
    greet(asking, model)
    model.memory.items["page"] = bytes(16 * MIB)
    for number in range(UNREAD_BYTES_MAX // (16 * MIB) + 2):
        asking.read(f"{number}", Verb.GET, "page")
        settle(asking, model)
    (peer,) = model.server._peers.values()
    model.turn(50)
    assert peer.unread_bytes <= ACKNOWLEDGE_BYTES
