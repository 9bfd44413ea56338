"""What the admin API tells of models, the server, sessions and listeners; who made a change."""

import os
import signal
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lithair import connect
from lithair.core.histogram import LATENCY_BOUNDS_S
from lithair.declaration import Declaration
from lithair.gateway.route_map import route_map
from tests.gateway import office
from tests.gateway.mailbox import problem_of
from tests.support.waiting import wait_until

DATA = "/_admin/data"
ROW = {
    "name", "class_name", "path", "rule", "has_roles", "has_streams", "phase", "detail", "since_s",
    "restarts", "pid", "retention", "stats", "counters", "streams", "listeners",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def url(folder: Path) -> Generator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LT_LETTER_MEMORY_RETENTION", "5")
        with office.application(folder).running() as server:
            yield server.url


@pytest.fixture
def admin(folder: Path, url: str) -> Generator[httpx2.Client]:
    """Ada, who has a session of the role Admin."""
    headers = office.bearer(office.session_of(url, "ada", "Admin"))
    with httpx2.Client(base_url=url, headers=headers) as http:
        yield http


@pytest.fixture
def token(folder: Path, url: str) -> Generator[httpx2.Client]:
    """Somebody who has the admin token."""
    headers = office.bearer(office.admin_token(folder))
    with httpx2.Client(base_url=url, headers=headers) as http:
        yield http


def row_of(http: httpx2.Client, name: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = http.get(f"{DATA}/models").json()["models"]
    (row,) = (one for one in rows if one["name"] == name)
    return row


def authors(http: httpx2.Client, name: str, item: str) -> list[str | None]:
    history = http.get(f"{DATA}/models/{name}/{item}/history")
    assert history.status_code == 200
    return [entry["by"] for entry in history.json()]


def test_every_model_is_told_with_its_state_and_figures(admin: httpx2.Client) -> None:
    answer = admin.get(f"{DATA}/models")
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.json()
    assert [row["name"] for row in told["models"]] == ["letters", "wares"]
    assert told["bounds_s"] == list(LATENCY_BOUNDS_S)
    letters, wares = told["models"]
    assert set(letters) == set(wares) == ROW
    assert (letters["phase"], letters["rule"], letters["has_roles"]) == ("serving", "open", False)
    assert (wares["rule"], wares["has_roles"]) == ("gated", True)
    assert letters["retention"]["count"] == {
        "value": 5, "declared": 10, "variable": "LT_LETTER_MEMORY_RETENTION",
    }  # fmt: skip
    assert letters["stats"]["process"]["pid"] == letters["pid"]


def test_counters_grow_with_what_is_asked(admin: httpx2.Client) -> None:
    before = row_of(admin, "letters")
    for _ in range(7):
        admin.post("/api/letters", json={"text": "hello"})
    admin.get("/api/letters")
    after = row_of(admin, "letters")
    assert after["stats"]["item_count"] == before["stats"]["item_count"] + 7
    assert after["counters"]["writes"] == before["counters"]["writes"] + 7
    assert after["counters"]["reads"] > before["counters"]["reads"]
    assert after["stats"]["warm_count"] > 0
    commits = after["counters"]["commits"]
    assert commits["count"] == sum(commits["counts"]) >= 7
    assert len(commits["counts"]) == len(LATENCY_BOUNDS_S) + 1
    assert 0 < commits["p50_s"] <= commits["p99_s"]


def test_one_model_is_told_with_its_fields(admin: httpx2.Client) -> None:
    for name in ("letters", "letter"):
        told = admin.get(f"{DATA}/models/{name}").json()
        assert told["class_name"] == "Letter"
    fields = {field["name"]: field for field in told["fields"]}
    assert list(fields) == ["id", "text", "from", "code"]
    assert told["key"] == "id"
    assert fields["id"]["immutable"]
    assert fields["from"]["python_name"] == "from_"
    assert (fields["from"]["in_ram"], fields["text"]["in_ram"]) == (True, False)
    assert fields["from"]["markers"] == ["Pinned"]
    assert (fields["code"]["hidden"], fields["code"]["sortable"]) == (True, False)
    assert (fields["text"]["type"], fields["text"]["default"]) == ("str", "")
    ware = admin.get(f"{DATA}/models/ware").json()
    (price,) = (field for field in ware["fields"] if field["name"] == "price")
    assert price["permission"] == {"read": "WareSeePrice", "write": "WareSetPrice"}
    assert price["schema"]["type"] == "integer"
    problem_of(admin.get(f"{DATA}/models/nothing"))


def test_the_server_is_told_with_its_processes(admin: httpx2.Client) -> None:
    def told() -> dict[str, Any]:
        found: dict[str, Any] = admin.get(f"{DATA}/server").json()
        return found

    admin.get("/api/letters")

    def has_answered_a_get() -> bool:
        return any("GET" in one["latencies"] for one in told()["gateways"])

    wait_until(has_answered_a_get, "the gateway to tell")
    server = told()
    kinds = {one["name"]: one["kind"] for one in server["processes"]}
    assert kinds == {
        "supervisor": "supervisor", "letters": "model", "wares": "model", "_sessions": "model",
        "gateway-0": "gateway", "post": "listener",
    }  # fmt: skip
    assert all(one["rss_bytes"] > 0 for one in server["processes"])
    assert server["url"] == str(admin.base_url).rstrip("/")
    assert (server["has_sessions"], server["has_users"]) == (True, False)
    latency = server["gateways"][0]["latencies"]["GET"]
    assert latency["count"] == sum(latency["counts"]) > 0


def test_the_list_of_routes_is_the_map_that_the_gate_is_tested_with(
    folder: Path, admin: httpx2.Client
) -> None:
    declaration: Declaration = office.application(folder).declaration({}, {})
    told = admin.get(f"{DATA}/routes").json()["routes"]
    listed = {(one["path"], method, one["rule"]) for one in told for method in one["methods"]}
    assert listed == {(row.path, row.method, row.rule.value) for row in route_map(declaration)}


def test_an_edit_is_a_patch_in_the_administrators_name(
    admin: httpx2.Client, token: httpx2.Client
) -> None:
    made = httpx2.post(f"{admin.base_url}/api/letters", json={"id": "e1", "text": "a"})
    edit = f"{DATA}/models/letters/e1/edit"
    tag = {"If-Match": made.headers["ETag"]}
    changed = admin.post(edit, json={"text": "b", "code": "new"}, headers=tag)
    assert changed.status_code == 200
    assert changed.json() == {"id": "e1", "text": "b", "from": ""}
    assert changed.headers["ETag"] == f'"{changed.headers["Lithair-Seq"]}"'
    problem_of(admin.post(edit, json={"text": "c"}, headers=tag))
    merge = {"Content-Type": "application/merge-patch+json"}
    assert token.post(edit, content=b'{"text": "c"}', headers=merge).status_code == 200
    assert authors(admin, "letters", "e1") == [None, "ada", "admin token"]
    history = admin.get(f"{DATA}/models/letters/e1/history").json()
    assert history[1]["changes"] == {"text": {"old": "a", "new": "b"}}
    public = httpx2.get(f"{admin.base_url}/api/letters/e1/history").json()
    assert public == [
        {name: value for name, value in entry.items() if name != "by"} for entry in history
    ]


@pytest.mark.parametrize(
    ("item", "body", "status"),
    [("nobody", b"{}", 404), ("e2", b'{"text": 1}', 422), ("e2", b'{"no": 1}', 422),
     ("e2", b"{", 400), ("e2", b"[]", 422), ("e2", b'{"id": "x"}', 422)],
)  # fmt: skip
def test_an_edit_is_refused_as_a_patch_is(
    admin: httpx2.Client, item: str, body: bytes, status: int
) -> None:
    admin.post("/api/letters", json={"id": "e2"})
    kind = {"Content-Type": "application/json"}
    edited = admin.post(f"{DATA}/models/letters/{item}/edit", content=body, headers=kind)
    patched = admin.patch(f"/api/letters/{item}", content=body, headers=kind)
    assert edited.status_code == patched.status_code == status
    assert edited.json() == patched.json()
    assert admin.post(f"{DATA}/models/letters/e2/edit", content=b"{}").status_code == 415


def test_an_edit_with_a_key_is_done_once(admin: httpx2.Client) -> None:
    admin.post("/api/letters", json={"id": "e3"})
    key = {"Idempotency-Key": "once"}
    edit = f"{DATA}/models/letters/e3/edit"
    first, second = (admin.post(edit, json={"text": "x"}, headers=key) for _ in range(2))
    assert first.headers["ETag"] == second.headers["ETag"]
    assert len(authors(admin, "letters", "e3")) == 2


def test_every_write_of_an_administrator_has_his_name_and_nobody_elses_has(
    admin: httpx2.Client, token: httpx2.Client, url: str
) -> None:
    clerk = office.bearer(office.session_of(url, "carla", "clerk"))
    for name in ("letters", "wares"):
        path = f"/api/{name}"
        assert admin.post(path, json={"id": "w1"}).status_code == 201
        assert admin.post(f"{path}/_bulk", json=[{"id": "w2"}, {"id": "w3"}]).status_code == 201
        assert token.put(f"{path}/w1", json={"text": "put"}).status_code == 200
        assert admin.patch(f"{path}/w1", json={"text": "patched"}).status_code == 200
        assert admin.delete(f"{path}/w1").status_code == 204
        assert authors(admin, name, "w1") == ["ada", "admin token", "ada", "ada"]
        assert authors(admin, name, "w2") == authors(admin, name, "w3") == ["ada"]
    assert httpx2.patch(f"{url}/api/letters/w2", json={"text": "anybody"}).status_code == 200
    assert httpx2.patch(f"{url}/api/letters/w2", json={}, headers=clerk).status_code == 200
    assert authors(admin, "letters", "w2") == ["ada", None, None]
    wares = admin.get("/api/wares/w2").json()
    assert wares["owner"] == "ada"  # as of everybody who creates something


def test_a_handle_tells_who_and_a_compaction_keeps_it_with_the_items_state(
    folder: Path, admin: httpx2.Client
) -> None:
    admin.post("/api/letters", json={"id": "h1"})
    admin.patch("/api/letters/h1", json={"text": "kept"})
    with connect(str(folder / "run")) as lithair:
        letters = lithair.model(office.Letter)
        letters.patch("h1", {"text": "by a handle"})
        assert [entry.by for entry in letters.history("h1")] == ["ada", "ada", None]
    admin.patch("/api/letters/h1", json={"text": "last"})
    assert admin.post(f"{DATA}/models/letters/compact").status_code == 200
    assert authors(admin, "letters", "h1") == ["ada"]


def test_what_is_hidden_leaves_by_no_route_of_administration(admin: httpx2.Client) -> None:
    admin.post("/api/letters", json={"id": "s1"})
    admin.post(f"{DATA}/models/letters/s1/edit", json={"text": "x"})
    letters = ("models/letters", "models/letters/s1/history", "models/letters/export")
    for path in ("models", *letters, "routes"):
        assert office.SECRET not in admin.get(f"{DATA}/{path}").text
    for path in ("", "/s1", "/s1/history"):
        assert office.SECRET not in admin.get(f"/api/letters{path}").text


def test_sessions_are_listed_without_their_tokens_and_can_be_ended(
    admin: httpx2.Client, url: str
) -> None:
    tokens = [office.session_of(url, "dora", "clerk") for _ in range(3)]
    listed = admin.get(f"{DATA}/sessions", params={"user_id": "dora", "take": 2})
    assert not [token for token in tokens if token in listed.text]
    told = listed.json()
    assert (told["total"], told["has_more"], len(told["sessions"])) == (3, True, 2)
    assert {one["user_id"] for one in told["sessions"]} == {"dora"}
    rest = {"user_id": "dora", "after": told["sessions"][1]["id"]}
    assert len(admin.get(f"{DATA}/sessions", params=rest).json()["sessions"]) == 1
    own = admin.get(f"{DATA}/sessions", params={"user_id": "ada", "take": 1000}).json()
    assert [one["is_own"] for one in own["sessions"]].count(True) == 1

    first = told["sessions"][0]["id"]
    assert admin.delete(f"{DATA}/sessions/{first}").status_code == 204
    assert admin.delete(f"{DATA}/sessions/{first}").status_code == 404

    def live() -> int:
        asked = (httpx2.get(url + "/who", headers=office.bearer(token)) for token in tokens)
        return sum(answer.json()["user"] == "dora" for answer in asked)

    assert live() == 2
    ended = admin.delete(f"{DATA}/sessions", params={"user_id": "dora"})
    assert ended.json() == {"ended": 2}
    assert live() == 0
    for wrong in ({}, {"user": "dora"}, {"user_id": ""}):
        assert admin.delete(f"{DATA}/sessions", params=wrong).status_code == 400
    numbers = ("0", "x", "٣", "9" * 5000)
    for wrong in (*({"take": number} for number in numbers), {"sort": "role"}):
        assert admin.get(f"{DATA}/sessions", params=wrong).status_code == 400


def test_a_listener_that_fails_is_seen_skipped_and_tried_again(admin: httpx2.Client) -> None:
    def listener() -> dict[str, Any]:
        (told,) = admin.get(f"{DATA}/listeners").json()["listeners"]
        found: dict[str, Any] = told
        return found

    post = f"{DATA}/listeners/letters/post"
    wait_until(lambda: listener()["behind"] == 0, "the listener to come up")
    assert admin.post(f"{post}/skip").status_code == 404
    assert admin.post(f"{post}/enable").json()["seq"] is None
    made = admin.post("/api/letters", json={"id": "l1", "text": "unbearable"})
    seq = int(made.headers["ETag"].strip('"'))
    wait_until(lambda: listener()["state"] == "failing", "the listener to fail")
    assert listener()["failing"]["seq"] == seq
    assert admin.post(f"{post}/skip").json() == {"name": "post", "model": "letters", "seq": seq}
    wait_until(lambda: listener()["dead_letters"] == 1, "the event to be given up")
    letters = admin.get(f"{post}/dead-letters").json()
    assert (letters["total"], letters["dead_letters"][0]["seq"]) == (1, seq)
    assert "item" not in letters["dead_letters"][0]
    assert admin.post(f"{post}/replay", json={"seqs": [seq + 1]}).status_code == 404
    assert admin.post(f"{post}/replay", json={"seqs": "x"}).status_code == 422
    assert admin.post(f"{post}/replay").json()["seqs"] == [seq]
    assert admin.post(f"{DATA}/listeners/letters/nobody/skip").status_code == 404
    assert admin.get(f"{DATA}/listeners/nothing/post/dead-letters").status_code == 404


def test_a_model_that_has_died_holds_nothing_up_and_is_told_as_that(
    folder: Path, admin: httpx2.Client
) -> None:
    pid = row_of(admin, "wares")["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        begun_s = time.monotonic()
        told = row_of(admin, "wares")
        assert time.monotonic() - begun_s < 5
        assert (told["stats"], told["counters"]) == (None, None)
        assert row_of(admin, "letters")["stats"] is not None
    finally:
        os.kill(pid, signal.SIGCONT)
