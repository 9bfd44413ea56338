"""The past over HTTP, through real processes: items, lists and counts as they were."""

import datetime as dt
from urllib.parse import quote

import httpx2
import msgspec
import pytest

from tests.gateway.mailbox import ITEMS, at, create, email, problem_of


@pytest.fixture
def client(mailbox_client: httpx2.Client) -> httpx2.Client:
    return mailbox_client


def seq_of(answer: httpx2.Response) -> int:
    return int(answer.headers["Lithair-Seq"])


def refused_parameter(answer: httpx2.Response) -> str:
    assert answer.status_code == 400, answer.text
    errors = msgspec.convert(problem_of(answer)["errors"], list[dict[str, str]])
    return errors[0]["field"]


def test_one_item_takes_fields(client: httpx2.Client) -> None:
    created = create(client, subject="short", secret="x")
    path = at(created)
    some = client.get(path, params={"fields": "subject,from"})
    assert some.status_code == 200
    assert some.json() == {"id": created.json()["id"], "from": "a@b.c", "subject": "short"}
    assert some.headers["ETag"] == created.headers["ETag"]
    head = client.head(path, params={"fields": "subject"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["ETag"] == created.headers["ETag"]
    same = client.get(
        path, params={"fields": "subject"}, headers={"If-None-Match": some.headers["ETag"]}
    )
    assert same.status_code == 304


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("fields=nothing", "fields"),
        ("fields=secret", "fields"),
        ("fields=subject&fields=from", "fields"),
        ("subject=hi", "subject"),
        ("take=1", "take"),
        ("as_of=tomorrow", "as_of"),
        ("as_of=999999999", "as_of"),
        ("as_of=1&as_of=2", "as_of"),
    ],
)
def test_a_query_that_one_item_does_not_take_is_refused_by_name(
    client: httpx2.Client, query: str, parameter: str
) -> None:
    path = at(create(client))
    assert refused_parameter(client.get(f"{path}?{query}")) == parameter
    assert client.head(f"{path}?{query}").status_code == 400


def test_only_reads_of_an_item_take_a_query(client: httpx2.Client) -> None:
    path = at(create(client))
    for method, tail in (("GET", "/history"), ("DELETE", ""), ("PUT", ""), ("PATCH", "")):
        assert client.request(method, f"{path}{tail}?fields=subject").status_code == 400


def test_an_item_as_it_was(client: httpx2.Client) -> None:
    created = create(client, subject="first")
    path, first = at(created), seq_of(created)
    client.patch(path, json={"subject": "second"})
    client.delete(path)
    old = client.get(path, params={"as_of": first})
    assert old.content == created.content
    assert old.headers["ETag"] == created.headers["ETag"]
    assert seq_of(old) == first + 2
    newer = client.get(path, params={"as_of": first + 1, "fields": "subject"})
    assert newer.json()["subject"] == "second"
    assert "from" not in newer.json()
    same = client.get(
        path, params={"as_of": first}, headers={"If-None-Match": created.headers["ETag"]}
    )
    assert same.status_code == 304
    for absent in (first - 1, first + 2):
        assert problem_of(client.get(path, params={"as_of": absent}))["status"] == 404


def test_an_item_as_it_was_at_a_time(client: httpx2.Client) -> None:
    created = create(client, subject="first")
    path = at(created)
    stamp = client.get(path + "/history").json()[0]["timestamp"]
    moment = dt.datetime.fromisoformat(stamp)
    assert client.get(path, params={"as_of": stamp}).json() == created.json()
    elsewhere = moment.astimezone(dt.timezone(dt.timedelta(hours=5))).isoformat()
    assert client.get(f"{path}?as_of={quote(elsewhere)}").json() == created.json()
    before = (moment - dt.timedelta(milliseconds=1)).isoformat()
    assert client.get(f"{path}?as_of={quote(before)}").status_code == 404
    assert client.get(f"{path}?as_of=2999-01-01T00:00:00Z").json() == created.json()
    assert refused_parameter(client.get(f"{path}?as_of={elsewhere}")) == "as_of"  # + is a space


def test_a_list_as_it_was(client: httpx2.Client) -> None:
    mark = f"past-{seq_of(create(client))}"
    bulk = client.post(f"{ITEMS}/_bulk", json=[email(subject=mark, body=str(n)) for n in range(3)])
    then, items = seq_of(bulk), bulk.json()
    client.patch(f"{ITEMS}/{items[0]['id']}", json={"body": "9"})
    client.delete(f"{ITEMS}/{items[1]['id']}")
    last = seq_of(create(client, subject=mark, body="8"))
    asked = {"subject": mark, "as_of": str(then)}
    page = client.get(ITEMS, params=asked)
    assert page.status_code == 200, page.text
    assert page.json() == {"data": items, "total": 3, "skip": 0, "take": 1000, "has_more": False}
    assert seq_of(page) == last
    some = client.get(
        ITEMS, params={**asked, "sort": "-body", "skip": "1", "take": "1", "fields": "body"}
    )
    assert some.json()["data"] == [{"id": items[1]["id"], "body": "1"}]
    assert some.json()["has_more"] is True
    behind = client.get(ITEMS, params={**asked, "after": items[1]["id"]})
    assert behind.json()["data"] == items[2:]
    one_later = client.get(ITEMS, params={"subject": mark, "as_of": str(then + 1)}).json()
    assert [item["body"] for item in one_later["data"]] == ["9", "1", "2"]
    for as_of, expected in ((then - 3, 0), (then - 1, 2), (then, 3), (then + 2, 2), (last, 3)):
        counted = client.get(f"{ITEMS}/count", params={"subject": mark, "as_of": str(as_of)})
        assert counted.json() == {"count": expected}, as_of
    assert client.head(ITEMS, params=asked).headers["Content-Length"] == str(len(page.content))


def test_lists_of_the_past_refuse_what_lists_refuse(client: httpx2.Client) -> None:
    seq = seq_of(create(client))
    for query, parameter in (
        (f"as_of={seq}&after=nobody", "after"),
        (f"as_of={seq}&secret=x", "secret"),
        (f"as_of={seq + 1}", "as_of"),
        ("as_of=now", "as_of"),
    ):
        assert refused_parameter(client.get(f"{ITEMS}?{query}")) == parameter
    assert refused_parameter(client.get(f"{ITEMS}/count?as_of={seq + 1}")) == "as_of"
    assert client.get(f"{ITEMS}?as_of=2999-01-01T00:00:00Z&take=0").status_code == 200
    assert client.get(f"{ITEMS}?as_of=1999-01-01T00:00:00Z").json()["total"] == 0
    assert client.get(f"{ITEMS}?as_of=0").json()["total"] == 0
