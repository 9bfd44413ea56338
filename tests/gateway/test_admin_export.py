"""Exports over HTTP: every item once, at the client's pace, and never half of them as if all."""

import threading
from collections.abc import Generator
from pathlib import Path

import httpx2
import msgspec
import pytest

from lithair.core.problem import problem_body
from lithair.gateway.admin_items import PAGE_ITEMS
from lithair.transport.sockets import model_endpoint
from lithair.wire.messages import ReadRequest, Reply, Request
from lithair.wire.protocol import PUBLIC, Verb
from tests.gateway import office
from tests.gateway.harness import RawConnection, RunningGateway, gateway
from tests.gateway.mailbox import problem_of
from tests.support.waiting import wait_until
from tests.transport.little_model import LittleModel

EXPORT = "/_admin/data/models/letters/export"
TOKEN = office.bearer("the-token")
ITEM_BYTES = 20_000
PAGES = 40


class Letters(LittleModel):
    """A model whose list is long; at page `fails_at` it can't be read any more."""

    fails_at = 0
    fails_with: tuple[int, bytes] = (503, problem_body(503, "It is away"))

    def answer(self, request: Request) -> Reply | None:
        if request.verb != Verb.LIST or not isinstance(request, ReadRequest):
            return super().answer(request)
        assert request.access == PUBLIC
        pairs = dict(msgspec.convert(request.argument, tuple[tuple[str, str], ...]))
        if pairs["take"] == "1":  # whether it can be asked at all
            return Reply(request.request_id, 200, self.page(0, 1))
        assert pairs["take"] == str(PAGE_ITEMS)
        begin = int(pairs.get("after", "-1")) + 1
        if self.fails_at and begin >= self.fails_at * PAGE_ITEMS:
            return Reply(request.request_id, *self.fails_with)
        return Reply(request.request_id, 200, self.page(begin, PAGE_ITEMS))

    def page(self, begin: int, take: int) -> bytes:
        end = min(begin + take, PAGES * PAGE_ITEMS)
        items = [{"id": str(number), "text": "x" * ITEM_BYTES} for number in range(begin, end)]
        has_more = end < PAGES * PAGE_ITEMS
        return msgspec.json.encode(
            {"data": items, "total": 1, "skip": 0, "take": take, "has_more": has_more}
        )

    @property
    def pages(self) -> int:
        return len(self.asked(Verb.LIST)) - 1


@pytest.fixture
def little(transport: str, tmp_path: Path) -> Generator[tuple[Letters, RunningGateway]]:
    """A gateway in front of a model in miniature; both end with the test."""
    run_dir = tmp_path / "run"
    run_dir.mkdir(mode=0o700)
    (run_dir / "admin-token").write_text("the-token", encoding="ascii")
    model = Letters(model_endpoint(str(run_dir), "letters"))
    over = threading.Event()

    def turn() -> None:
        while not over.is_set():
            model.turn(20)

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        with gateway(office.application(tmp_path), run_dir) as running:
            yield model, running
    finally:
        over.set()
        thread.join(10)
        model.close()


def test_a_client_that_does_not_read_is_not_read_for(
    little: tuple[Letters, RunningGateway],
) -> None:
    model, running = little
    connection = RawConnection.to("127.0.0.1", running.port)
    head = f"GET {EXPORT} HTTP/1.1\r\nHost: x\r\nAuthorization: {TOKEN['Authorization']}\r\n\r\n"
    connection.sock.sendall(head.encode())
    assert connection.sock.recv(1000).startswith(b"HTTP/1.1 200 ")
    wait_until(lambda: model.pages > 0, "the first page")
    seen = -1
    while seen != model.pages:  # until it goes no further though the gateway works on
        seen = model.pages
        for _ in range(20):
            httpx2.get(running.url + "/health")
    # What the system itself holds of a connection is a few MB; all of it would be 160.
    assert seen <= 5
    connection.sock.close()
    assert httpx2.get(running.url + "/health").status_code == 200


@pytest.mark.parametrize("said", [Letters.fails_with, (200, b"no page")], ids=["away", "mistake"])
def test_one_that_was_cut_off_can_not_be_taken_for_a_whole_one(
    little: tuple[Letters, RunningGateway], said: tuple[int, bytes]
) -> None:
    model, running = little
    model.fails_at, model.fails_with = 2, said
    with httpx2.stream("GET", running.url + EXPORT, headers=TOKEN) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx2.RemoteProtocolError):
            answer.read()
    assert model.pages == 3
    assert httpx2.get(running.url + "/health").status_code == 200


def test_a_head_is_answered_without_going_through_the_items(
    little: tuple[Letters, RunningGateway],
) -> None:
    model, running = little
    answer = httpx2.head(running.url + EXPORT, headers=TOKEN)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert model.pages == 0


@pytest.fixture(scope="module")
def admin(transport: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[httpx2.Client]:
    folder = tmp_path_factory.mktemp("export")
    with office.application(folder).running() as server:
        headers = office.bearer(office.admin_token(folder))
        with httpx2.Client(base_url=server.url, headers=headers) as http:
            yield http


def lines_of(answer: httpx2.Response) -> list[object]:
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert answer.text == "" or answer.text.endswith("\n")
    return [msgspec.json.decode(line) for line in answer.text.splitlines()]


def test_every_item_is_there_once_and_as_the_list_has_it(admin: httpx2.Client) -> None:
    many = [{"id": f"m{number}", "from": f"f{number % 3}"} for number in range(2 * PAGE_ITEMS + 7)]
    assert admin.post("/api/letters/_bulk", json=many).status_code == 201
    answer = admin.get(EXPORT)
    assert lines_of(answer) == admin.get("/api/letters").json()["data"]
    assert answer.headers["Content-Disposition"] == 'attachment; filename="letters.ndjson"'
    some = {"from": "f1", "fields": "from"}
    assert lines_of(admin.get(EXPORT, params=some)) == [
        {"id": one["id"], "from": "f1"} for one in many if one["from"] == "f1"
    ]
    assert lines_of(admin.get("/_admin/data/models/wares/export")) == []
    for wrong in ("sort=text", "take=1", "skip=1", "after=m1", "as_of=1", "code=x", "no=1"):
        problem_of(admin.get(f"{EXPORT}?{wrong}"))
    assert admin.get("/_admin/data/models/nothing/export").status_code == 404
