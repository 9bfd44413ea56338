"""Writes and reads over HTTP under conditions: preconditions, keys, bodies and their limits."""

import uuid
from collections.abc import Generator
from typing import cast

import httpx2
import msgspec
import pytest

from tests.gateway.mailbox import (
    ITEMS,
    SINGLE_MAX,
    at,
    create,
    email,
    problem_of,
)


@pytest.fixture
def client(mailbox_client: httpx2.Client) -> httpx2.Client:
    return mailbox_client


def test_if_match_keeps_a_write_off_a_changed_item(client: httpx2.Client) -> None:
    created = create(client)
    path, tag = at(created), created.headers["ETag"]
    for method, body in (("PUT", email()), ("PATCH", {"body": "x"})):
        stale = client.request(method, path, json=body, headers={"If-Match": '"999999"'})
        assert stale.status_code == 412
        problem_of(stale)
        fresh = client.request(method, path, json=body, headers={"If-Match": f'"7777", {tag}'})
        assert fresh.status_code == 200
        tag = fresh.headers["ETag"]
    assert client.patch(path, json={}, headers={"If-Match": "W/" + tag}).status_code == 412
    assert client.patch(path, json={"body": "y"}, headers={"If-Match": "*"}).status_code == 200
    assert client.patch(path, json={}, headers={"If-Match": "41"}).status_code == 400
    assert client.delete(path, headers={"If-Match": tag}).status_code == 412
    assert client.delete(path, headers={"If-Match": "*"}).status_code == 204
    assert client.delete(path, headers={"If-Match": '"1"'}).status_code == 404


def test_if_none_match_saves_the_body(client: httpx2.Client) -> None:
    created = create(client)
    path, tag = at(created), created.headers["ETag"]
    for value in (tag, "W/" + tag, f'"1x", {tag}', "*"):
        for method in ("GET", "HEAD"):
            answer = client.request(method, path, headers={"If-None-Match": value})
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["ETag"] == tag
            assert "Lithair-Seq" in answer.headers
    assert client.get(path, headers={"If-None-Match": '"999999"'}).status_code == 200
    assert client.get(path, headers={"If-None-Match": "nonsense"}).status_code == 400
    assert client.put(path, json=email(), headers={"If-None-Match": "*"}).status_code == 412
    absent = f"{ITEMS}/absent"
    assert client.get(absent, headers={"If-None-Match": "*"}).status_code == 404
    assert client.put(absent, json=email(), headers={"If-None-Match": "*"}).status_code == 404


def test_a_repeat_with_its_idempotency_key_writes_once(client: httpx2.Client) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first = client.post(ITEMS, json=email(), headers=key)
    again = client.post(ITEMS, json=email(), headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert at(again) == at(first)
    assert again.headers["ETag"] == first.headers["ETag"]
    other = client.post(ITEMS, json=email(body="other"), headers=key)
    assert other.status_code == 422
    for bad in ("", "x" * 256):
        answer = client.post(ITEMS, json=email(), headers={"Idempotency-Key": bad})
        assert answer.status_code == 400
    path = at(first)
    one = client.patch(path, json={"body": "1"}, headers=key)
    assert one.status_code == 200
    assert client.patch(path, json={"body": "1"}, headers=key).content == one.content
    assert client.delete(path, headers=key).status_code == 204
    assert client.delete(path, headers=key).status_code == 204


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 201),
        ("Application/JSON; charset=UTF-8", 201),
        ('application/json; charset="utf-8"', 201),
        ("application/json; charset=latin-1", 415),
        ("text/plain", 415),
        ("application/merge-patch+json", 415),
        ("application/x-www-form-urlencoded", 415),
        (None, 415),
    ],
)
def test_a_body_has_to_say_that_it_is_json(
    client: httpx2.Client, content_type: str | None, status: int
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = client.post(ITEMS, content=msgspec.json.encode(email()), headers=headers)
    assert answer.status_code == status
    if status == 415:
        problem_of(answer)


def test_a_patch_may_say_merge_patch(client: httpx2.Client) -> None:
    path = at(create(client))
    headers = {"Content-Type": "application/merge-patch+json"}
    assert client.patch(path, content=b'{"body": "x"}', headers=headers).status_code == 200


def test_faulty_bodies_are_problems(client: httpx2.Client) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (b"", b"{", b"\xef\xbb\xbf{}", b'{"from": NaN}', b"[" * 100 + b"]" * 100):
        answer = client.post(ITEMS, content=body, headers=headers)
        assert answer.status_code == 400, body
        problem_of(answer)
    answer = client.post(ITEMS, json={"from": 5, "subject": "x" * 21})
    assert answer.status_code == 422
    faulty = cast("list[dict[str, str]]", problem_of(answer)["errors"])
    assert {entry["field"] for entry in faulty} == {"from", "subject"}
    create(client, code="taken")
    answer = client.post(ITEMS, json=email(code="taken"))
    assert answer.status_code == 409
    problem_of(answer)


def test_bodies_have_limits_of_their_own(client: httpx2.Client) -> None:
    answer = client.post(ITEMS, json=email(body="x" * SINGLE_MAX))
    assert answer.status_code == 413
    assert "Lithair-Seq" in answer.headers
    assert str(SINGLE_MAX) in str(problem_of(answer)["detail"])
    many = [email(body="x" * 1000) for _ in range(10)]
    assert client.post(f"{ITEMS}/_bulk", json=many).status_code == 201
    answer = client.post(f"{ITEMS}/_bulk", json=many * 3)
    assert answer.status_code == 413

    def parts() -> Generator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    headers = {"Content-Type": "application/json"}
    assert client.post(ITEMS, content=parts(), headers=headers).status_code == 413
    assert client.get(f"{ITEMS}/count").status_code == 200
