"""The control socket: asked by commands that wait, by an event loop, by a thread's driver."""

import asyncio
import stat
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from lithair.transport.control_asker import ControlAsker, LoopControl
from lithair.transport.control_socket import Answer, ControlClient, ControlServer
from lithair.transport.driver import ByHand
from lithair.transport.sockets import (
    bind_router,
    connect_dealer,
    control_endpoint,
    monotonic_ms,
)
from lithair.wire.codec import decode_control, encode_control
from lithair.wire.protocol import PROTOCOL_VERSION, REFUSAL_MARK, ProtocolMismatch
from tests.support.waiting import wait_until
from tests.transport.asking import take

THEIRS = PROTOCOL_VERSION + 1
ANSWER = {"models": ({"name": "things", "pid": 7},), "url": "http://[::1]:8000", "ok": True}


class Supervisor:
    """Answers in a thread of its own until it is left; `answer` says what."""

    def __init__(self, run_dir: Path, answer: Callable[[Answer], Answer | None]) -> None:
        self._server = ControlServer(str(run_dir))
        self._answer = answer
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Supervisor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._server.close()

    def _run(self) -> None:
        while not self._is_over.wait(0.005):
            for peer, question in self._server.receive():
                answer = self._answer(question)
                if answer is not None:
                    self._server.send(peer, answer)


def echo(question: Answer) -> Answer:
    return {"asked": question, **ANSWER}


def silence(_question: Answer) -> None:
    return None


@pytest.fixture
def refusing(tmp_path: Path) -> Generator[None]:
    """A supervisor of the next version of the protocol."""
    socket = bind_router(control_endpoint(str(tmp_path)))
    is_over = threading.Event()

    def run() -> None:
        while not is_over.is_set():
            if socket.poll(5):
                peer, _ = socket.recv_multipart()
                socket.send_multipart((peer, bytes((REFUSAL_MARK, THEIRS, PROTOCOL_VERSION))))
        socket.close(linger=0)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    is_over.set()
    thread.join()


def test_a_command_gets_the_answer_to_its_question(tmp_path: Path) -> None:
    with Supervisor(tmp_path, echo), ControlClient(str(tmp_path)) as client:
        question = {"ask": "restart", "name": "things"}
        assert client.ask(question, 5) == {"asked": question, **ANSWER}
        assert client.ask({"ask": "stop"}, 5) == {"asked": {"ask": "stop"}, **ANSWER}


def test_an_event_loop_gets_the_answer_to_its_question(tmp_path: Path) -> None:
    control = LoopControl(str(tmp_path))

    async def ask() -> list[Answer | None]:
        return [await control.ask({"ask": "where", "n": n}, 5) for n in range(3)]

    with Supervisor(tmp_path, echo):
        answers = asyncio.run(ask())
    assert answers == [{"asked": {"ask": "where", "n": n}, **ANSWER} for n in range(3)]


def test_several_questions_of_one_loop_at_once_get_their_own_answers(tmp_path: Path) -> None:
    control = LoopControl(str(tmp_path))

    async def ask() -> list[Answer | None]:
        return await asyncio.gather(*(control.ask({"n": n}, 5) for n in range(20)))

    with Supervisor(tmp_path, echo):
        answers = asyncio.run(ask())
    assert [answer and answer["asked"] for answer in answers] == [{"n": n} for n in range(20)]


@pytest.mark.parametrize("run_dir", ["", "missing", "m" * 150])
def test_nobody_there_is_none_when_the_time_is_up(tmp_path: Path, run_dir: str) -> None:
    """An empty run directory, none at all, and none whose path is long."""
    where = str(tmp_path / run_dir)
    assert ControlClient(where).ask({"ask": "where"}, 0.05) is None
    assert asyncio.run(LoopControl(where).ask({"ask": "where"}, 0.05)) is None


def test_a_supervisor_that_does_not_answer_is_none_when_the_time_is_up(tmp_path: Path) -> None:
    with Supervisor(tmp_path, silence):
        assert ControlClient(str(tmp_path)).ask({"ask": "where"}, 0.05) is None
        assert asyncio.run(LoopControl(str(tmp_path)).ask({"ask": "where"}, 0.05)) is None


@pytest.mark.usefixtures("refusing")
def test_a_supervisor_of_another_version_is_told_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(ProtocolMismatch) as caught:
        ControlClient(str(tmp_path)).ask({"ask": "where"}, 5)
    assert (caught.value.theirs, caught.value.ours) == (THEIRS, PROTOCOL_VERSION)
    answer = asyncio.run(LoopControl(str(tmp_path)).ask({"ask": "where"}, 5))
    assert answer == {"error": str(caught.value)}


def test_the_supervisor_refuses_another_version_and_passes_over_what_is_no_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = ControlServer(str(tmp_path))
    socket = connect_dealer(control_endpoint(str(tmp_path)))
    socket.send(b"")
    socket.send(b"\x01\xc1\xc1")
    socket.send_multipart((b"\x01", b"\x90"))
    socket.send(bytes((THEIRS,)) + b"anything")
    refusal = take(socket, server.receive)
    assert refusal == bytes((REFUSAL_MARK, PROTOCOL_VERSION, THEIRS))
    assert caplog.text.count("refused a question") == 4
    socket.send(encode_control(3, {"ask": "where"}))
    wait_until(server.has_pending, "the question")
    ((peer, question),) = server.receive()
    server.send(peer, {"ok": True})
    assert question == {"ask": "where"}
    assert decode_control(take(socket)) == (3, {"ok": True})
    socket.close(linger=0)
    server.close()


def test_answering_a_command_that_is_gone_does_nothing(tmp_path: Path) -> None:
    server = ControlServer(str(tmp_path))
    socket = connect_dealer(control_endpoint(str(tmp_path)))
    socket.send(encode_control(1, {}))
    wait_until(server.has_pending, "the question")
    ((peer, _),) = server.receive()
    socket.close(linger=0)
    server.send(peer, {"ok": True})
    server.send(peer._replace(routing_id=b"nobody"), {"ok": True})
    server.close()


def test_the_answer_to_stop_leaves_before_the_supervisor_is_gone(tmp_path: Path) -> None:
    server = ControlServer(str(tmp_path))
    socket = connect_dealer(control_endpoint(str(tmp_path)))
    socket.send(encode_control(1, {"ask": "stop"}))
    wait_until(server.has_pending, "the question")
    ((peer, _),) = server.receive()
    server.send(peer, {"ok": True})
    server.close()
    assert decode_control(take(socket)).content == {"ok": True}
    socket.close(linger=0)


def test_the_control_socket_is_for_its_owner_alone(tmp_path: Path) -> None:
    server = ControlServer(str(tmp_path))
    assert stat.S_IMODE((tmp_path / "control").stat().st_mode) == 0o600
    server.close()


def test_an_asker_driven_by_hand_answers_each_question_once(tmp_path: Path) -> None:
    answers: list[Answer | None] = []
    asker = ControlAsker(str(tmp_path), ByHand())
    with Supervisor(tmp_path, echo):
        now_ms = monotonic_ms()
        asker.ask({"n": 1}, now_ms + 60_000, answers.append)
        assert not asker.is_idle
        asker.ask({"n": 2}, now_ms + 60_000, answers.append)  # the first is forgotten

        def look() -> bool:
            asker.tick(now_ms)
            return asker.is_idle

        wait_until(look, "the answer")
        assert [answer and answer["asked"] for answer in answers] == [{"n": 2}]
        asker.tick(now_ms + 60_000)
        assert len(answers) == 1


def test_an_asker_answers_none_at_its_deadline(tmp_path: Path) -> None:
    answers: list[Answer | None] = []
    asker = ControlAsker(str(tmp_path / ("m" * 150)), ByHand())
    asker.ask({"ask": "where"}, 1000, answers.append)
    asker.tick(999)
    assert answers == []
    asker.tick(1000)
    assert answers == [None]
