"""Requests are carried over deaths and lost connections: in order, exactly once, or refused."""

import logging
from collections.abc import Generator
from pathlib import Path

import pytest

from lithair.transport.request_client import OVERDUE_MS, RequestClient
from lithair.transport.sockets import Socket, bind_router, context, model_endpoint
from lithair.wire.codec import decode_requests, encode_replies
from lithair.wire.messages import Reply, Request, WriteRequest
from lithair.wire.protocol import Verb
from tests.transport.asking import Asking, Clock, greet, run_until, settle
from tests.transport.little_model import LittleModel, Memory


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return model_endpoint(str(tmp_path), "things")


@pytest.fixture
def asking(endpoint: str) -> Generator[Asking]:
    with Asking(endpoint) as asking:
        yield asking


def restarted(model: LittleModel, endpoint: str) -> LittleModel:
    """Give the process that follows this one: same memory, new epoch."""
    model.close()
    return LittleModel(endpoint, model.memory)


def test_requests_wait_for_a_process_that_is_not_there_yet(asking: Asking, endpoint: str) -> None:
    asking.put("a")
    asking.turn()
    assert not asking.client.is_greeted
    model = LittleModel(endpoint)
    settle(asking, model)
    assert asking.status("a") == 201
    assert model.received[0].verb == Verb.HELLO
    model.close()


def test_requests_asked_before_an_endpoint_is_known_are_sent_once_it_is(endpoint: str) -> None:
    model = LittleModel(endpoint)
    with Asking() as asking:
        asking.put("a")
        asking.turn()
        asking.client.connect(endpoint)
        settle(asking, model)
        assert asking.status("a") == 201
    model.close()


def test_answers_come_in_the_order_asked_with_all_their_fields(
    asking: Asking, endpoint: str
) -> None:
    model = LittleModel(endpoint)
    labels = [f"item-{number}" for number in range(50)]
    for label in labels:
        asking.put(label, {"of": label})
    settle(asking, model)
    assert asking.order == labels
    assert asking.replies["item-7"][1:] == (201, b'{"of": "item-7"}', 8, 8, "item-7")
    assert asking.client.seq == 50
    model.close()


def test_what_is_unanswered_at_a_death_is_sent_again_in_its_order(
    asking: Asking, endpoint: str
) -> None:
    model = LittleModel(endpoint)
    greet(asking, model)
    model.is_silent = True
    labels = [f"item-{number}" for number in range(20)]
    for label in labels[:10]:
        asking.put(label)
    run_until(lambda: len(model.received) >= 10, "ten at the first process", asking, model)
    for label in labels[10:]:
        asking.put(label)
    successor = restarted(model, endpoint)
    settle(asking, successor)
    assert asking.order == labels
    assert [r.status for r in asking.replies.values()] == [201] * 20
    sent = [write.key for write in successor.writes]
    assert sent == labels
    successor.close()


def test_a_write_that_was_carried_out_before_the_death_is_answered_and_not_repeated(
    asking: Asking, endpoint: str
) -> None:
    model = LittleModel(endpoint)
    greet(asking, model)
    model.is_silent = True
    asking.put("once", {"n": 1})
    run_until(lambda: model.memory.seq, "the write to be carried out", asking, model)
    successor = restarted(model, endpoint)
    settle(asking, successor)
    assert asking.replies["once"][1:4] == (201, b'{"n": 1}', 1)
    assert successor.memory.keys == ["once"]
    (sent,) = successor.writes
    assert sent.command_id in successor.memory.carried_out  # under the command id of the first time
    successor.close()


def test_what_was_in_flight_at_two_deaths_is_answered_500_and_not_sent_again(
    asking: Asking, endpoint: str
) -> None:
    model = LittleModel(endpoint)
    asking.put("poison", {"wait": 1})
    run_until(lambda: model.writes, "the first sending", asking, model)
    second = restarted(model, endpoint)
    run_until(lambda: second.writes, "the second sending", asking, second)
    asking.put("later")  # asked between the deaths: in flight at one of them alone
    third = restarted(second, endpoint)
    settle(asking, third)
    assert asking.status("poison") == 500
    assert "died twice" in asking.problem("poison")
    assert asking.status("later") == 201
    assert [write.key for write in third.writes] == ["later"]
    third.close()


def test_deaths_while_a_request_waits_unsent_do_not_count(asking: Asking, endpoint: str) -> None:
    """Only a request that reached a process can have been what killed it."""
    model = LittleModel(endpoint)
    greet(asking, model)
    model.close()
    run_until(lambda: not asking.client.is_greeted, "the loss to be noticed", asking)
    asking.put("patient")
    for _ in range(3):
        model = LittleModel(endpoint, model.memory)
        model.is_silent = True
        model.close()
    model = LittleModel(endpoint, model.memory)
    settle(asking, model)
    assert asking.status("patient") == 201
    model.close()


def received(server: Socket, asking: Asking) -> tuple[bytes, Request]:
    """Give the next request that arrives at a plain socket, and who sent it."""
    run_until(lambda: server.poll(0), "a request", asking)
    peer, message = server.recv_multipart()
    (request,) = decode_requests(message).requests
    return peer, request


def test_a_connection_lost_without_a_death_counts_for_nothing(tmp_path: Path) -> None:
    """The same epoch on a new connection: everything is sent again, as often as it takes."""
    endpoint = model_endpoint(str(tmp_path), "flaky")
    epoch = bytes(range(16))
    with Asking(endpoint) as asking:
        asking.put("a", {"n": 1})
        command_ids: set[bytes] = set()
        for time in range(4):
            server = bind_router(endpoint, context())
            peer, hello = received(server, asking)
            answer = Reply(hello.request_id, 200, b"{}")
            server.send_multipart((peer, encode_replies(epoch, [answer])))
            _, write = received(server, asking)
            assert isinstance(write, WriteRequest)
            command_ids.add(write.command_id)
            if time == 3:
                last = Reply(write.request_id, 201, b"{}")
                server.send_multipart((peer, encode_replies(epoch, [last])))
                settle(asking)
            server.close(linger=0)
            run_until(lambda: not asking.client.is_greeted, "the loss", asking)
        assert asking.status("a") == 201
        assert len(command_ids) == 1


def test_an_overdue_answer_makes_the_client_say_hello(endpoint: str) -> None:
    """A process that has lost a request silently is found out: it is asked whether it lives."""
    clock = Clock()
    model = LittleModel(endpoint)
    with Asking(endpoint, clock) as asking:
        greet(asking, model)
        asking.put("lost", {"wait": 1})
        run_until(lambda: model.writes, "the request", asking, model)
        hellos = len(model.asked(Verb.HELLO))
        asking.turn()
        clock.now_ms += OVERDUE_MS - 1
        asking.turn()
        model.turn(50)
        assert len(model.asked(Verb.HELLO)) == hellos
        clock.now_ms += 1
        run_until(lambda: len(model.asked(Verb.HELLO)) > hellos, "a hello", asking, model)
    model.close()


def test_a_reply_to_nothing_and_a_message_that_is_none_are_passed_over(
    endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = LittleModel(endpoint)
    with Asking(endpoint) as asking:
        greet(asking, model)
        asking.put("a", {"wait": 1})
        run_until(lambda: model.writes, "the request", asking, model)
        (peer,) = model.server._peers
        model.server._send_message(peer, b"\x01nonsense")
        model.server.send(peer, [Reply(999_999, 200, b"{}", seq=7)])
        run_until(lambda: asking.client.seq == 7, "the reply to nothing", asking)
        assert len(asking.client) == 1
        assert "is no message" in caplog.text
    model.close()


def test_a_callback_that_fails_does_not_take_the_other_answers_along(
    asking: Asking, endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(reply: Reply) -> None:
        raise RuntimeError("of the caller")

    model = LittleModel(endpoint)
    asking.client.ask_read(Verb.GET, 0, "", "a", fail)
    asking.get("b")
    with caplog.at_level(logging.ERROR):
        settle(asking, model)
    assert asking.status("b") == 404
    assert "of the caller" in caplog.text
    model.close()


def test_a_callback_may_ask_again_and_may_close_the_client(endpoint: str) -> None:
    model = LittleModel(endpoint)
    client = RequestClient(endpoint)
    seen: list[int] = []

    def ask_again(reply: Reply) -> None:
        seen.append(reply.status)
        client.ask_read(Verb.GET, 0, "", "b", close)

    def close(reply: Reply) -> None:
        seen.append(reply.status)
        client.close()

    client.ask_read(Verb.GET, 0, "", "a", ask_again)
    asking = Asking()
    asking.client = client
    run_until(lambda: len(seen) == 2, "both answers", asking, model)
    assert seen == [404, 404]
    asking.turn()
    model.close()


def test_closing_answers_what_waits_with_503(endpoint: str) -> None:
    asking = Asking(endpoint)
    asking.get("a")
    asking.client.close()
    assert asking.status("a") == 503
    assert "closed" in asking.problem("a")


def test_refusing_all_answers_each_once_and_the_late_answer_is_dropped(
    asking: Asking, endpoint: str
) -> None:
    model = LittleModel(endpoint)
    greet(asking, model)
    asking.put("a")
    asking.turn()
    asking.client.refuse_all(503, "The model has failed")
    assert asking.problem("a") == "The model has failed"
    run_until(lambda: model.memory.seq, "the write", asking, model)
    asking.get("a-after")
    settle(asking, model)
    assert asking.order == ["a", "a-after"]
    model.close()


def test_another_endpoint_takes_over_what_waits(tmp_path: Path) -> None:
    first, second = (model_endpoint(str(tmp_path), name) for name in ("first", "second"))
    model = LittleModel(second, Memory())
    with Asking(first) as asking:
        asking.put("a")
        asking.turn()
        asking.client.connect(second)
        settle(asking, model)
        assert asking.client.endpoint == second
        assert asking.status("a") == 201
    model.close()
