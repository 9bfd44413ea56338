"""Webhooks of a whole server: a receiver that fails, a process that is killed, giving up."""

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from lithair.webhooks import verify
from tests.support.certificates import make_certificate
from tests.support.commands import lithair
from tests.support.receiver import Delivery, Receiver
from tests.support.started import Started
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

pytestmark = pytest.mark.usefixtures("no_leaks")

SECRET = "the-secret-of-this-test-0123456789"
LISTENER = "listener hook"
EVENTS = 120
KILLED_AT = {20, 60, 61, 100}  # events: the process dies before it can note their answer
REFUSED_AT = 40  # once with 500; the next try comes 5 s later
DELIVERED_MAX_S = 120.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def start(directory: Path, receiver: Receiver, **environ: str) -> Started:
    shutil.copy(ROOT / "tests/end_to_end/hooked.py", directory / "app.py")
    own = {"HOOK_URL": receiver.url, "HOOK_SECRET": SECRET, "PYTHONPATH": str(ROOT)}
    return Started(directory, environ={**own, **environ})


def send(url: str, *names: str) -> list[str]:
    """Create parcels, and give their ids."""
    found: list[str] = []
    for name in names:
        answer = httpx.post(f"{url}/api/parcels", json={"to": name, "code": "whisper"}, timeout=60)
        assert answer.status_code == 201, answer.text
        found.append(answer.json()["id"])
    return found


def shown(directory: Path, *arguments: str) -> dict[str, Any]:
    """Give what `lithair listeners` says of the webhook."""
    done = lithair(directory, "listeners", "list", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    (one,) = json.loads(done.stdout)
    found: dict[str, Any] = one
    return found


def ask(directory: Path, *arguments: str) -> str:
    done = lithair(directory, "listeners", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_for(receiver: Receiver, seq: int) -> None:
    """Wait until an event was delivered, whatever the answer was."""
    wait_until(
        lambda: any(each.seq == seq for each in list(receiver.deliveries)),
        f"event {seq} to be delivered",
        DELIVERED_MAX_S,
    )


def wait_for_state(directory: Path, state: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        one = shown(directory)
        return one if one["state"] == state else None

    return wait_until(look, f"the webhook to be {state}", DELIVERED_MAX_S)


def wait_for_detail(directory: Path) -> None:
    """Wait until `lithair status` says that the webhook, which runs, is disabled."""

    def look() -> bool:
        status = json.loads(lithair(directory, "status", "--json").stdout)["processes"]
        (process,) = [each for each in status if each["name"] == "hook"]
        assert process["kind"] == "listener"
        return bool(process["phase"] == "serving" and process["detail"].startswith("disabled: "))

    wait_until(look, "the status to tell", DELIVERED_MAX_S)


def test_each_event_is_delivered_in_order_through_failures_and_deaths(tmp_path: Path) -> None:
    """Over HTTPS. A repeat is known by its Lithair-Delivery, and nothing hidden leaves."""
    certificate = make_certificate(tmp_path)
    with (
        Receiver(certificate) as receiver,
        start(tmp_path, receiver, SSL_CERT_FILE=str(certificate[0])) as server,
    ):
        url = server.url
        server.child(LISTENER)
        killed: set[int] = set()
        refused: list[int] = []

        def answer(delivery: Delivery) -> int:
            if delivery.seq in KILLED_AT - killed:
                killed.add(delivery.seq)
                server.child(LISTENER).kill()
            if delivery.seq == REFUSED_AT and not refused:
                refused.append(delivery.seq)
                return 500
            return 200

        receiver.answer = answer
        ids = send(url, *(f"person {number}" for number in range(EVENTS - 2)))
        changed = httpx.patch(f"{url}/api/parcels/{ids[0]}", json={"to": "José"}, timeout=60)
        assert changed.status_code == 200
        assert httpx.delete(f"{url}/api/parcels/{ids[1]}", timeout=60).status_code == 204
        wait_for(receiver, EVENTS)
        assert (killed, refused) == (KILLED_AT, [REFUSED_AT])
        assert server.stop() == 0

    came = receiver.deliveries
    seqs = [delivery.seq for delivery in came]
    assert seqs == sorted(seqs)
    assert set(seqs) == set(range(1, EVENTS + 1))
    assert {seq for seq in seqs if seqs.count(seq) > 1} == KILLED_AT | {REFUSED_AT}
    keys = {(delivery.seq, delivery.headers["Lithair-Delivery"]) for delivery in came}
    assert len(keys) == EVENTS  # each event has one, on all of its tries
    assert len({key for _, key in keys}) == EVENTS
    for delivery in came:
        assert verify(SECRET, delivery.body, delivery.headers["Lithair-Signature"])
        assert not verify("another", delivery.body, delivery.headers["Lithair-Signature"])
        assert delivery.headers["Lithair-Event"] == delivery.told["event"]
        assert b"code" not in delivery.body
        assert b"whisper" not in delivery.body
    last = {delivery.seq: delivery.told for delivery in came}
    assert [last[seq]["event"] for seq in (1, EVENTS - 1, EVENTS)] == ["create", "update", "delete"]
    assert last[EVENTS - 1]["item"] == {"id": ids[0], "to": "José"}
    assert (last[EVENTS]["id"], last[EVENTS]["model"]) == (ids[1], "parcels")
    assert last[EVENTS]["item"] == {"id": ids[1], "to": "person 1"}


def test_a_receiver_that_is_down_for_long_is_given_up_until_it_is_enabled(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Writes go on, a restart changes nothing, and no event is lost by it."""
    receiver.answer = lambda _delivery: 503
    with start(tmp_path, receiver, HOOK_GIVE_UP_S="1") as server:
        send(server.url, "ann")
        one = wait_for_state(tmp_path, "disabled")
        assert (one["name"], one["model"], one["seq"]) == ("hook", "parcels", 0)
        assert (one["failing"]["seq"], one["failing"]["tries"]) == (1, 2)
        assert one["failing"]["error"].endswith("answered 503")
        assert "disabled" in ask(tmp_path)
        send(server.url, "ben", "cid")
        assert shown(tmp_path)["behind"] == 3
        wait_for_detail(tmp_path)
        assert "run: lithair listeners enable hook" in server.log
        assert server.stop() == 0
    assert len(receiver.deliveries) == 2

    stopped = ("--data-dir", "data/parcels")
    assert shown(tmp_path, *stopped)["state"] == "disabled"
    with start(tmp_path, receiver, HOOK_GIVE_UP_S="1") as server:
        send(server.url, "dot")
        assert wait_for_state(tmp_path, "disabled")["behind"] == 4
        wait_for_detail(tmp_path)
        assert server.stop() == 0
    assert len(receiver.deliveries) == 2

    told = ask(tmp_path, "enable", "hook", *stopped)
    assert told == "hook is enabled; event 1 is tried again as soon as its server runs\n"
    receiver.answer = lambda _delivery: 200
    with start(tmp_path, receiver, HOOK_GIVE_UP_S="1") as server:
        wait_for(receiver, 4)
        one = wait_for_state(tmp_path, "live")
        wait_until(lambda: shown(tmp_path)["behind"] == 0, "the cursor to be there", 30)
        assert one["failing"] is None
        assert server.stop() == 0
    assert [delivery.seq for delivery in receiver.deliveries] == [1, 1, 1, 2, 3, 4]


def test_a_stop_does_not_wait_for_a_receiver_that_does_not_answer(
    tmp_path: Path, receiver: Receiver
) -> None:
    """It is in time to be told from a process that had to be killed; the event comes again."""
    has_stopped = threading.Event()

    def answer(_delivery: Delivery) -> int:
        has_stopped.wait(60)
        return 500

    receiver.answer = answer
    with start(tmp_path, receiver) as server:
        send(server.url, "ann")
        wait_for(receiver, 1)
        assert server.stop() == 0
        has_stopped.set()
        assert "did not stop within" not in server.log
    assert shown(tmp_path, "--data-dir", "data/parcels")["failing"] is None  # it was no failure

    receiver.answer = lambda _delivery: 200
    with start(tmp_path, receiver) as server:
        send(server.url, "ben")
        wait_for(receiver, 2)
        assert server.stop() == 0
    assert [delivery.seq for delivery in receiver.deliveries] == [1, 1, 2]


def test_an_event_that_no_receiver_takes_is_skipped_and_replayed(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.answer = lambda delivery: 422 if delivery.seq == 2 else 200
    with start(tmp_path, receiver) as server:
        send(server.url, "ann", "ben", "cid")
        assert wait_for_state(tmp_path, "failing")["failing"]["seq"] == 2
        told = ask(tmp_path, "skip", "hook")
        assert told == "hook: event 2 is given up, and kept as a dead letter\n"
        wait_for(receiver, 3)
        wait_until(lambda: shown(tmp_path)["behind"] == 0, "the cursor to be there", 30)
        assert shown(tmp_path)["dead_letters"] == 1

        receiver.answer = lambda _delivery: 200
        assert ask(tmp_path, "replay", "hook", "2") == "hook: 1 dead letter is tried again\n"
        wait_until(lambda: shown(tmp_path)["dead_letters"] == 0, "no dead letter to be left", 30)
        assert server.stop() == 0
    seqs = [delivery.seq for delivery in receiver.deliveries]
    assert (seqs[0], seqs[-2:]) == (1, [3, 2])
    again = [each.headers["Lithair-Delivery"] for each in receiver.deliveries if each.seq == 2]
    assert len(set(again)) == 1
