"""Request and Response: what a route function sees, and what its answers become."""

from typing import Any

import pytest

from lithair import Hidden, LithairError, Model, Request, Response, ValidationFailed
from lithair.http import Headers, Pairs, Path, RequestContext, response_of


class User(Model):
    name: str
    password: Hidden[str] = ""


def no_handle(model: object) -> Any:
    raise NotImplementedError(model)


def request(body: bytes = b"", content_type: str = "application/json") -> Request:
    return Request(
        "POST",
        Path("/users/7", {"id": "7"}),
        query=Pairs([("a", "1"), ("b", "2"), ("a", "3")]),
        headers=Headers([("Content-Type", content_type), ("X-Tag", "a"), ("x-tag", "b")]),
        body=body,
        context=RequestContext(no_handle),
    )


def test_the_path_is_text_and_its_segments_have_names() -> None:
    path = request().path
    assert path == "/users/7"
    assert path["id"] == "7"
    assert path[0] == "/"
    assert path[1:6] == "users"
    with pytest.raises(KeyError):
        path["other"]


def test_the_last_of_several_values_counts_and_all_are_there() -> None:
    query = request().query
    assert query["a"] == "3"
    assert query.get_all("a") == ["1", "3"]
    assert query.get("c") is None
    assert list(query) == ["a", "b"]


def test_headers_have_names_in_any_case() -> None:
    headers = request().headers
    assert headers["x-TAG"] == "a, b"
    assert headers.get_all("X-Tag") == ["a", "b"]
    assert "content-type" in headers
    assert len(headers) == 2


def test_a_body_is_decoded_as_the_type_asked_for() -> None:
    user = request(b'{"name":"a"}').json(User)
    assert (user.name, user.id) == ("a", "")
    assert request(b"[1]", "Application/JSON; charset=utf-8").json() == [1]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "field"),
    [
        (b'{"name":1}', "application/json", 422, "name"),
        (b"[]", "application/json", 422, ""),
        (b"{", "application/json", 400, None),
        (b"\xff", "application/json", 400, None),
        (b"{}", "text/plain", 415, None),
        (b"{}", "", 415, None),
    ],
)
def test_a_body_that_does_not_fit_is_refused_with_its_status(
    body: bytes, content_type: str, status: int, field: str | None
) -> None:
    with pytest.raises(ValidationFailed) as caught:
        request(body, content_type).json(User)
    assert caught.value.status == status
    assert [error.field for error in caught.value.errors] == ([] if field is None else [field])


def test_sessions_without_with_sessions_say_so() -> None:
    assert request().session is None
    with pytest.raises(LithairError, match="with_sessions"):
        assert request().sessions is not None


@pytest.mark.parametrize(
    ("answer", "status", "body", "content_type"),
    [
        (None, 204, b"", None),
        ({"a": 1}, 200, b'{"a":1}', "application/json"),
        ([1, "b"], 200, b'[1,"b"]', "application/json"),
        (User(id="1", name="a"), 200, b'{"id":"1","name":"a"}', "application/json"),
        ([User(id="1", name="a")], 200, b'[{"id":"1","name":"a"}]', "application/json"),
        (
            {"user": User(id="1", name="a", password="x")},
            200,
            b'{"user":{"id":"1","name":"a"}}',
            "application/json",
        ),
        ({"path": request().path}, 200, b'{"path":"/users/7"}', "application/json"),
        (Response("text", 201), 201, b"text", "text/plain; charset=utf-8"),
        (Response(b"raw"), 200, b"raw", "application/octet-stream"),
        (Response(None, 404), 404, b"", None),
        (Response("<p>", headers={"content-type": "text/html"}), 200, b"<p>", "text/html"),
    ],
)
def test_an_answer_becomes_a_response_without_hidden_fields(
    answer: object, status: int, body: bytes, content_type: str | None
) -> None:
    response = response_of(answer)
    assert (response.status, response.body) == (status, body)
    headers = Headers(response.headers)
    assert headers.get("Content-Type") == content_type


def test_a_header_may_come_twice() -> None:
    response = Response(b"", headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    assert Headers(response.headers).get_all("set-cookie") == ["a=1", "b=2"]
