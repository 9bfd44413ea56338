"""Who may read a stream, what of it, and for how long."""

import contextlib
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest

from lithair import (
    Lithair,
    MemorySessionStore,
    Model,
    Owner,
    Request,
    SessionManager,
)
from tests.gateway import market
from tests.gateway.guarded import COOKIE
from tests.gateway.listening import Heard, Listener, listening
from tests.gateway.mailbox import problem_of
from tests.gateway.market import OTHER, USER, credentials
from tests.support.waiting import wait_until

GOODS, ORDERS = "/api/goods", "/api/orders"
HEARTBEAT = "LT_SSE_HEARTBEAT"
BEAT = "200ms"


async def log_out(request: Request) -> None:
    assert request.session is not None
    await request.sessions.end(request.session)


@contextlib.contextmanager
def serving(folder: Path, gateways: int = 1) -> Generator[httpx2.Client]:
    app = market.application(folder).with_route("POST", "/out", log_out, require_session=True)
    with (
        app.with_gateways(gateways).running() as server,
        httpx2.Client(base_url=server.url) as http,
    ):
        yield http


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Generator[httpx2.Client]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HEARTBEAT, BEAT)
        with serving(tmp_path_factory.mktemp("gated")) as client:
            yield client


@pytest.fixture(scope="module")
def admin(http: httpx2.Client) -> dict[str, str]:
    return credentials(http, "Admin", "root")


def write(http: httpx2.Client, admin: dict[str, str], path: str, **fields: object) -> str:
    """Write an item as an administrator; give its id."""
    answer = http.post(path, json=fields, headers=admin)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def change(http: httpx2.Client, admin: dict[str, str], path: str, **fields: object) -> None:
    answer = http.patch(path, json=fields, headers=admin)
    assert answer.status_code == 200, answer.text


def told(heard: Heard) -> tuple[str, object]:
    return heard.event, heard.item.get("note")


def test_without_a_session_there_is_no_stream(http: httpx2.Client) -> None:
    for path in (f"{GOODS}/stream", f"{GOODS}/x/stream"):
        assert problem_of(http.get(path))["status"] == 401
        assert problem_of(http.get(path, headers={"Last-Event-ID": "0"}))["status"] == 401
        assert http.get(path, headers=credentials(http, "guest")).status_code == 403


def test_a_stream_says_that_it_is_for_its_reader_alone(http: httpx2.Client) -> None:
    with listening(http, f"{GOODS}/stream", credentials(http, "clerk")) as stream:
        assert stream.response.headers["Cache-Control"] == "private, no-cache"
        assert stream.response.headers["Vary"] == "Authorization, Cookie"


# Fields


def test_a_field_that_a_role_may_not_read_is_in_nothing_of_its_stream(
    http: httpx2.Client, admin: dict[str, str]
) -> None:
    canary = 918273645
    clerk, auditor = credentials(http, "clerk"), credentials(http, "auditor")
    kept = write(http, admin, GOODS, cost=canary, margin=canary, code="canary-1", secret="canary-2")
    seq = int(http.get(GOODS, headers=admin).headers["Lithair-Seq"])
    params = {"snapshot": "true"}
    with (
        listening(http, f"{GOODS}/stream", clerk, params) as blind,
        listening(http, f"{GOODS}/{kept}/stream", clerk, params) as of_item,
        listening(http, f"{GOODS}/stream", auditor, params) as sees,
    ):
        change(http, admin, f"{GOODS}/{kept}", cost=canary + 1, code="canary-3")
        change(http, admin, f"{GOODS}/{kept}", name="last")
        http.delete(f"{GOODS}/{kept}", headers=admin)
        told_blind = until(blind, "delete") + until(of_item, "delete")
        told_sees = until(sees, "delete")
    with listening(http, f"{GOODS}/stream", {**clerk, "Last-Event-ID": str(seq - 1)}) as replayed:
        told_blind += until(replayed, "delete")
    text = "".join(heard.data for heard in told_blind)
    assert "canary" not in text
    assert str(canary)[:-1] not in text
    for heard in told_blind:
        if heard.event not in ("live", "connected"):
            assert set(heard.item) == {"id", "name", "price"}
    assert str(canary + 1) in "".join(heard.data for heard in told_sees)
    assert "canary-2" not in "".join(heard.data for heard in told_sees), "hidden from everybody"


@pytest.mark.parametrize("field", ["cost", "margin", "code", "secret"])
@pytest.mark.parametrize("test", ["1", "!1", ">1", "~1", "null", "[1,2]"])
def test_a_field_that_a_role_may_not_read_filters_nothing(
    http: httpx2.Client, field: str, test: str
) -> None:
    clerk = credentials(http, "clerk")
    for more in ({}, {"snapshot": "true"}, {"since": "0"}):
        answer = http.get(f"{GOODS}/stream", headers=clerk, params={field: test, **more})
        assert answer.status_code == 400
        unknown = http.get(f"{GOODS}/stream", headers=clerk, params={"no-such": test, **more})
        assert answer.text.replace(field, "no-such") == unknown.text, "as of a field there is not"


def until(stream: Listener, event: str) -> list[Heard]:
    found: list[Heard] = []
    while not found or found[-1].event != event:
        found.append(stream.next())
    return found


# Owners


def test_of_own_items_alone_nothing_of_somebody_elses_is_told(
    http: httpx2.Client, admin: dict[str, str]
) -> None:
    me, them = credentials(http, "customer", USER), credentials(http, "customer", OTHER)
    seq = int(http.get(ORDERS, headers=admin).headers["Lithair-Seq"])
    params = {"snapshot": "true"}
    with (
        listening(http, f"{ORDERS}/stream", me, params) as mine,
        listening(http, f"{ORDERS}/stream", them, params) as theirs,
    ):
        until(mine, "live")
        until(theirs, "live")
        given = write(http, admin, ORDERS, note="given", buyer=USER)
        kept = write(http, admin, ORDERS, note="kept", buyer=USER)
        alien = write(http, admin, ORDERS, note="alien", buyer=OTHER)
        nobodys = write(http, admin, ORDERS, note="nobody", buyer=None)
        change(http, admin, f"{ORDERS}/{given}", buyer=OTHER, note="not yours")
        change(http, admin, f"{ORDERS}/{given}", note="still not")
        change(http, admin, f"{ORDERS}/{alien}", note="alien too")
        http.delete(f"{ORDERS}/{nobodys}", headers=admin)
        http.delete(f"{ORDERS}/{given}", headers=admin)
        http.delete(f"{ORDERS}/{kept}", headers=admin)
        heard = mine.take(4)
        http.delete(f"{ORDERS}/{alien}", headers=admin)
        heard_by_them = theirs.take(6)
    expected = [("create", "given"), ("create", "kept"), ("leave", None), ("delete", "kept")]
    assert [told(each) for each in heard] == expected
    assert heard[2].item == {"id": given}, "of what is not his any more, the id alone"
    assert [told(each) for each in heard_by_them] == [
        ("create", "alien"),
        ("update", "not yours"),
        ("update", "still not"),
        ("update", "alien too"),
        ("delete", "still not"),
        ("delete", "alien too"),
    ]
    with listening(http, f"{ORDERS}/stream", {**me, "Last-Event-ID": str(seq)}) as replayed:
        replayed.next()
        again = replayed.take(4)
    assert [(each.id, each.data) for each in again] == [(each.id, each.data) for each in heard]


def test_the_stream_of_somebody_elses_item_is_not_there(
    http: httpx2.Client, admin: dict[str, str]
) -> None:
    mine = write(http, admin, ORDERS, note="mine", buyer=USER)
    alien = write(http, admin, ORDERS, note="alien", buyer=OTHER)
    me = credentials(http, "customer", USER)
    none = http.get(f"{ORDERS}/none/stream", headers=me)
    answer = http.get(f"{ORDERS}/{alien}/stream", headers=me)
    assert (answer.status_code, answer.text) == (none.status_code, none.text)
    assert answer.status_code == 404
    past = {**me, "Last-Event-ID": "0"}
    with (
        listening(http, f"{ORDERS}/{mine}/stream", me) as stream,
        listening(http, f"{ORDERS}/{alien}/stream", past) as silent,
    ):
        assert stream.next().event == "connected"
        assert silent.next().event == "connected"
        change(http, admin, f"{ORDERS}/{alien}", note="more")
        change(http, admin, f"{ORDERS}/{mine}", note="more", buyer=OTHER)
        change(http, admin, f"{ORDERS}/{mine}", note="and more")
        change(http, admin, f"{ORDERS}/{alien}", buyer=USER, note="now yours")
        assert stream.next().event == "leave"
        assert told(silent.next()) == ("update", "now yours")


# The end of it


def test_a_stream_ends_when_its_session_does(http: httpx2.Client) -> None:
    for form in ("bearer", "cookie"):
        headers = credentials(http, "clerk")
        if form == "cookie":
            token = headers["Authorization"].removeprefix("Bearer ")
            headers = {"Cookie": f"{COOKIE}={token}"}
        with listening(http, f"{GOODS}/stream", headers) as stream:
            stream.next()
            assert http.post("/out", headers=headers).status_code == 204
            assert stream.has_ended()
        assert http.get(f"{GOODS}/stream", headers=headers).status_code == 401


class Memo(Model):
    text: str = ""
    author: Owner[str | None] = None


class Moody:
    """A checker whose mind is a file."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def has_permission(self, role: str, permission: str) -> bool:
        return permission in self._place.read_text(encoding="utf-8").split()


def test_a_stream_ends_when_what_its_reader_may_see_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HEARTBEAT, BEAT)
    mind = tmp_path / "mind"
    mind.write_text("MemoRead", encoding="utf-8")
    app = (
        Lithair()
        .with_model_full(Memo, tmp_path / "m", "/api/memos", permission_checker=Moody(mind))
        .with_sessions(SessionManager(MemorySessionStore(), max_age=3))
        .with_route("POST", "/in", market.log_in)
        .with_run_dir(tmp_path / "run")
        .with_port(0)
    )
    with app.running() as server, httpx2.Client(base_url=server.url) as http:
        headers = credentials(http, "reader")
        with listening(http, "/api/memos/stream", headers) as stream:
            stream.next()
            mind.write_text("MemoReadOwn", encoding="utf-8")
            assert stream.has_ended()
        headers = credentials(http, "reader")
        with listening(http, "/api/memos/stream", headers) as stream:
            server.handle(Memo).create(Memo(id="x", text="not his"))
            server.handle(Memo).create(Memo(id="y", text="his", author=USER))
            stream.next()
            assert stream.next().item["id"] == "y"
            assert stream.has_ended(), "a session that has expired is no longer good"


def test_a_session_that_is_ended_at_one_gateway_ends_streams_at_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HEARTBEAT, "60s")  # so that it is not a heartbeat that ends them
    with serving(tmp_path, gateways=2) as http:
        headers = credentials(http, "clerk")
        with contextlib.ExitStack() as stack:
            streams = [
                stack.enter_context(listening(http, f"{GOODS}/stream", headers)) for _ in range(8)
            ]
            for stream in streams:
                stream.next()
            assert http.post("/out", headers=headers).status_code == 204
            assert all(stream.has_ended() for stream in streams)


def readers(http: httpx2.Client, model: str) -> float:
    found = [
        line
        for line in http.get("/metrics").text.splitlines()
        if line.startswith("lithair_stream_readers{") and f'"{model}"' in line
    ]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def test_who_has_left_is_not_counted_any_more(http: httpx2.Client) -> None:
    headers = credentials(http, "clerk")
    wait_until(lambda: readers(http, "goods") == 0, "nobody to read")
    with listening(http, f"{GOODS}/stream", headers) as one:
        one.next()
        with listening(http, f"{GOODS}/stream", headers, {"name": "x"}) as other:
            other.next()
            wait_until(lambda: readers(http, "goods") == 2, "two readers")
        wait_until(lambda: readers(http, "goods") == 1, "one reader")
    wait_until(lambda: readers(http, "goods") == 0, "nobody to read")
