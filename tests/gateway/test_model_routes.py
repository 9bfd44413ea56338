"""A model over HTTP, through real processes: methods, headers, preconditions, refusals."""

import os
import uuid
from urllib.parse import quote, urlsplit

import httpx2
import msgspec
import pytest

from lithair.gateway.routes import ALLOW, METHOD_ORDER, SHAPES, Shape
from tests.gateway.harness import RawConnection
from tests.gateway.mailbox import (
    ITEMS,
    SHOP,
    at,
    create,
    email,
    problem_of,
)


@pytest.fixture
def client(mailbox_client: httpx2.Client) -> httpx2.Client:
    return mailbox_client


def test_an_item_is_created_read_changed_and_deleted(client: httpx2.Client) -> None:
    created = create(client)
    item = created.json()
    path = at(created)
    assert path == f"{ITEMS}/{item['id']}"
    assert "secret" not in item
    assert created.headers["Content-Type"] == "application/json"
    seq = int(created.headers["Lithair-Seq"])
    assert created.headers["ETag"] == f'"{seq}"'
    read = client.get(path)
    assert read.content == created.content
    assert read.headers["ETag"] == created.headers["ETag"]
    assert read.headers["Cache-Control"] == "no-cache"
    patched = client.patch(path, json={"subject": "new"})
    assert patched.status_code == 200
    assert patched.json() == {**item, "subject": "new"}
    assert patched.headers["ETag"] == f'"{seq + 1}"'
    replaced = client.put(path, json=email(subject="newer"))
    assert replaced.json() == {**item, "subject": "newer"}
    deleted = client.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert "Content-Length" not in deleted.headers
    assert deleted.headers["Lithair-Seq"] == str(seq + 3)
    assert problem_of(client.get(path))["status"] == 404
    assert len(client.get(path + "/history").json()) == 4


def test_head_answers_like_get_without_a_body(client: httpx2.Client) -> None:
    path = at(create(client))
    for tail in ("", "/history"):
        whole, head = client.get(path + tail), client.head(path + tail)
        assert head.content == b""
        assert head.headers["Content-Length"] == str(len(whole.content))
        for name in ("Content-Type", "Lithair-Seq", "Cache-Control"):
            assert head.headers[name] == whole.headers[name]
    for known in (ITEMS, ITEMS + "/count", ITEMS + "/random-id"):
        assert client.head(known).status_code == 200
    absent = client.head(ITEMS + "/absent")
    assert (absent.status_code, absent.content) == (404, b"")


def test_a_bulk_is_all_or_nothing(client: httpx2.Client) -> None:
    ids = [str(uuid.uuid4()) for _ in range(3)]
    answer = client.post(f"{ITEMS}/_bulk", json=[email(id=one) for one in ids])
    assert answer.status_code == 201
    assert [item["id"] for item in answer.json()] == ids
    assert "Location" not in answer.headers
    assert "ETag" not in answer.headers
    before = client.get(f"{ITEMS}/count").json()
    answer = client.post(f"{ITEMS}/_bulk", json=[email(), email(id=ids[0])])
    assert answer.status_code == 409
    assert client.get(f"{ITEMS}/count").json() == before
    answer = client.post(f"{ITEMS}/_bulk", json=[])
    assert (answer.status_code, answer.json()) == (201, [])


def test_lists_counts_and_filters_take_decoded_queries(client: httpx2.Client) -> None:
    subject = "ü & ö + " + uuid.uuid4().hex[:8]
    create(client, subject=subject, body="1")
    create(client, subject=subject, body="2")
    page = client.get(ITEMS, params={"subject": subject, "sort": "-body", "take": "1"})
    assert page.status_code == 200
    found = page.json()
    assert [item["body"] for item in found["data"]] == ["2"]
    assert {**found, "data": []} == {
        "data": [],
        "total": 2,
        "skip": 0,
        "take": 1,
        "has_more": True,
    }
    assert client.get(f"{ITEMS}/count?subject={quote(subject)}").json() == {"count": 2}
    plus = quote(subject, safe="").replace("%20", "+")
    assert client.get(f"{ITEMS}/count?subject={plus}").json() == {"count": 2}
    for query in ("nosuch=1", "take=-1", "take=x", "secret=1", "sort=nosuch", "subject=%zz"):
        answer = client.get(f"{ITEMS}?{query}")
        assert answer.status_code == 400, query
        problem_of(answer)
        assert "Lithair-Seq" in answer.headers


def test_random_id_is_the_id_of_an_item(client: httpx2.Client) -> None:
    create(client)
    chosen = client.get(f"{ITEMS}/random-id").json()["id"]
    assert client.get(f"{ITEMS}/{chosen}").status_code == 200


def test_paths_without_a_query_refuse_parameters(client: httpx2.Client) -> None:
    path = at(create(client))
    for tail in (path, path + "/history", f"{ITEMS}/random-id"):
        answer = client.get(tail + "?colour=red")
        assert answer.status_code == 400
        assert "colour" in str(problem_of(answer)["detail"])


@pytest.mark.parametrize("tail", ["/", "//", "/x/", "//history", "/x/history/", "/x/y", "/a%2Fb"])
def test_odd_paths_are_not_found(client: httpx2.Client, tail: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        answer = client.request(method, ITEMS + tail, json=email())
        assert answer.status_code == 404, method
        problem_of(answer)


def test_reserved_words_are_never_ids(client: httpx2.Client) -> None:
    for word in ("count", "random-id", "stream", "_bulk", "c%6funt"):
        for method in ("PUT", "PATCH", "DELETE"):
            answer = client.request(method, f"{ITEMS}/{word}", json=email())
            assert answer.status_code == 405, (method, word)
            assert method not in answer.headers["Allow"]
        assert client.get(f"{ITEMS}/{word}/history").status_code == 404
    assert client.get(f"{ITEMS}/_bulk").status_code == 405
    assert client.post(ITEMS, json=email(id="count")).status_code == 422


def test_an_id_is_percent_decoded_and_encoded_again(client: httpx2.Client) -> None:
    name = "a b/ü?#%+" + uuid.uuid4().hex[:6]
    name = name.replace("/", "")
    created = create(client, id=name)
    assert at(created) == f"{ITEMS}/{quote(name, safe='')}"
    assert client.get(at(created)).json()["id"] == name
    assert client.get(f"{ITEMS}/{quote(name, safe='+')}").json()["id"] == name


def test_options_and_other_methods_name_what_is_allowed(client: httpx2.Client) -> None:
    path = at(create(client))
    for shape in Shape:
        tail = shape.value.replace("/{id}", path.removeprefix(ITEMS))
        answer = client.options(ITEMS + tail)
        assert answer.status_code == 204
        assert answer.headers["Allow"] == ALLOW[shape]
        assert "Lithair-Seq" in answer.headers
        for method in (*METHOD_ORDER, "PROPFIND"):
            if method in SHAPES[shape] or method == "OPTIONS":
                continue
            answer = client.request(method, ITEMS + tail, json=email())
            assert answer.status_code == 405, (method, tail)
            assert answer.headers["Allow"] == ALLOW[shape]
            if method != "HEAD":
                problem_of(answer)


def test_other_origins_read_what_they_need(client: httpx2.Client) -> None:
    path = at(create(client))
    for tail, method in ((path, "GET"), (path, "POST"), (f"{ITEMS}/nosuch", "GET")):
        answer = client.request(method, tail, headers={"Origin": SHOP})
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP
        exposed = answer.headers["Access-Control-Expose-Headers"]
        assert exposed == "ETag, Lithair-Seq, Location, Retry-After, X-Request-Id"
    answer = client.get(path, headers={"Origin": "https://other.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Vary"] == "Origin"
    answer = client.options(
        path,
        headers={
            "Origin": SHOP,
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "if-match, x-own",
        },
    )
    assert answer.status_code == 204
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == "if-match, x-own"


def test_pipelined_requests_see_the_writes_before_them(client: httpx2.Client) -> None:
    where = urlsplit(str(client.base_url))
    assert where.hostname is not None
    assert where.port is not None
    with RawConnection.to(where.hostname, where.port) as connection:
        name = uuid.uuid4().hex
        body = msgspec.json.encode(email(id=name))
        head = "POST /api/emails HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        connection.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        connection.send(f"GET /api/emails/{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert connection.answer().status == 201
        assert connection.answer().status == 200


def test_raw_utf8_in_a_path_is_understood(client: httpx2.Client) -> None:
    name = "grün-" + uuid.uuid4().hex
    create(client, id=name)
    where = urlsplit(str(client.base_url))
    assert where.hostname is not None
    assert where.port is not None
    with RawConnection.to(where.hostname, where.port) as connection:
        connection.send(f"GET /api/emails/{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert connection.answer().status == 200
        connection.send(b"GET /api/emails/\xff HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.answer().status == 400


def test_a_route_reads_and_writes_models(client: httpx2.Client) -> None:
    sender = uuid.uuid4().hex
    answer = client.post("/send", json={**email(secret="s", code=sender), "from": sender})
    assert answer.status_code == 200, answer.text
    assert "secret" not in answer.json()
    assert client.get(f"/subjects/{sender}").json() == ["hi"]
    again = client.post("/send", json=email(code=sender))
    assert again.status_code == 409
    problem_of(again)
    answer = client.get("/unknown")
    assert answer.status_code == 500
    problem_of(answer)
    assert "Unknown" not in answer.text


def test_no_error_names_our_insides(client: httpx2.Client) -> None:
    answers = [
        client.get("/nothing"),
        client.get(f"{ITEMS}/absent"),
        client.post(ITEMS, content=b"{", headers={"Content-Type": "application/json"}),
        client.post(ITEMS, json={"from": 1}),
        client.get(f"{ITEMS}?nosuch=1"),
    ]
    for answer in answers:
        for word in ("lithair", "tornado", "msgspec", "Traceback", os.sep + "work", ".py"):
            assert word not in answer.text
