"""Every route of administration, for whoever comes: generated from the map of all routes."""

from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest

from lithair.gateway.admin_routes import ROUTES
from lithair.gateway.data_routes import DATA_ROUTES
from lithair.gateway.gate import Rule
from lithair.gateway.route_map import route_map
from tests.gateway import office
from tests.gateway.guarded import application as application_without
from tests.gateway.harness import gateway
from tests.gateway.mailbox import problem_of

PREFIX = "/_admin"
NAMES = {"{name}": "letters", "{model}": "letters", "{id}": "one", "{listener}": "post"}
ENDS = ("DELETE", "/_admin/session")  # what let in is worth nothing behind it


def rows(folder: Path) -> list[tuple[str, str]]:
    """Give method and path of every route that asks for an administrator."""
    declaration = office.application(folder).declaration({}, {})
    found = [(row.method, row.path) for row in route_map(declaration) if row.rule is Rule.ADMIN]
    assert {path for _, path in found} == {*ROUTES, *DATA_ROUTES, PREFIX + "/…"}
    return [(method, path) for method, path in found if not path.endswith("…")]


def asked(path: str) -> str:
    for name, value in NAMES.items():
        path = path.replace(name, value)
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Path, httpx2.Client]]:
    folder = tmp_path_factory.mktemp("office")
    app = office.application(folder)
    with app.running() as server, httpx2.Client(base_url=server.url) as http:
        http.post("/api/letters", json={"id": "one"})
        yield folder, http


def strangers(url: str, token: str) -> Generator[tuple[str, int, dict[str, str]]]:
    """Give who is not let in, and what he is told."""
    yield "nobody", 401, {}
    yield "a wrong token", 401, office.bearer(token[:-1] + "!")
    yield "the token as a cookie", 401, office.cookie(office.ADMIN_COOKIE, token)
    yield "a cookie nobody has given", 401, office.cookie(office.ADMIN_COOKIE, "A" * 43)
    yield "a cookie that leads elsewhere", 401, office.cookie(office.ADMIN_COOKIE, "../admin-token")
    given = office.exchanged(url, token)
    yield "the cookie as a bearer", 401, office.bearer(given)
    yield "the cookie under another name", 401, office.cookie("session_token", given)
    yield "the cookie of TLS", 401, office.cookie("__Host-" + office.ADMIN_COOKIE, given)
    yield "the cookie, twice", 401, {"Cookie": f"{office.ADMIN_COOKIE}={given}; "
                                     f"{office.ADMIN_COOKIE}={'B' * 43}"}  # fmt: skip
    for role in ("", "clerk", "admin"):
        for kind, fields in office.credentials(office.session_of(url, "alice", role)):
            yield f"a session of role {role!r} by {kind}", 403, fields


def administrators(url: str, token: str) -> Generator[tuple[str, dict[str, str]]]:
    yield "the token", office.bearer(token)
    yield "its cookie", office.cookie(office.ADMIN_COOKIE, office.exchanged(url, token))
    for kind, fields in office.credentials(office.session_of(url, "ada", "Admin")):
        yield f"a session by {kind}", fields
    clerk = office.session_of(url, "alice", "clerk")
    both = f"session_token={clerk}; {office.ADMIN_COOKIE}={office.exchanged(url, token)}"
    yield "its cookie beside a clerk's", {"Cookie": both}


def test_nobody_else_gets_anywhere(place: tuple[Path, httpx2.Client]) -> None:
    folder, http = place
    wrong: list[str] = []
    for caller, status, headers in strangers(str(http.base_url), office.admin_token(folder)):
        for method, path in [*rows(folder), ("GET", "/_admin/x"), ("BREW", "/_admin/data")]:
            answer = http.request(method, asked(path), headers=headers)
            if answer.status_code != status:
                wrong.append(f"{method} {path}, {caller}: {answer.status_code}")
            elif method != "HEAD":
                problem_of(answer)
    assert not wrong, "\n".join(wrong)


def test_an_administrator_gets_everywhere(place: tuple[Path, httpx2.Client]) -> None:
    folder, http = place
    wrong: list[str] = []
    for caller, headers in administrators(str(http.base_url), office.admin_token(folder)):
        for method, path in rows(folder):
            if (method, path) == ENDS or path.endswith("/backup"):
                continue
            answer = http.request(method, asked(path), headers=headers)
            # 404: of the session, the failing event; 400, 415: of what was not sent with it.
            if answer.status_code not in (200, 204, 400, 404, 415, 422):
                wrong.append(f"{method} {path}, {caller}: {answer.status_code}")
            if "Cache-Control" not in answer.headers:
                wrong.append(f"{method} {path}, {caller}: {answer.headers}")
        assert http.get("/_admin/x", headers=headers).status_code == 404
        assert http.get("/api/wares", headers=headers).status_code == 200
    assert not wrong, "\n".join(wrong)


def test_options_is_open_as_everywhere(place: tuple[Path, httpx2.Client]) -> None:
    folder, http = place
    for method, path in rows(folder):
        answer = http.options(asked(path))
        assert answer.status_code == 204
        assert method in answer.headers["Allow"].split(", ")


def test_a_change_has_to_come_from_a_page_of_this_server(
    place: tuple[Path, httpx2.Client],
) -> None:
    folder, http = place
    token = office.admin_token(folder)
    by_cookie = office.cookie(office.ADMIN_COOKIE, office.exchanged(str(http.base_url), token))
    edit, ware = "/_admin/data/models/letters/one/edit", "/api/wares"
    for site in ("cross-site", "same-site"):
        from_there = {**by_cookie, "Sec-Fetch-Site": site}
        assert http.post(edit, json={"text": "x"}, headers=from_there).status_code == 403
        assert http.post(ware, json={}, headers=from_there).status_code == 403
        assert http.delete("/_admin/session", headers=from_there).status_code == 403
        asked_for = {"Sec-Fetch-Site": site}
        answer = http.post("/_admin/session", json={"token": token}, headers=asked_for)
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers
    from_here = {**by_cookie, "Sec-Fetch-Site": "same-origin"}
    assert http.post(edit, json={"text": "x"}, headers=from_here).status_code == 200
    assert http.post(ware, json={}, headers=from_here).status_code == 201
    elsewhere = {**by_cookie, "Origin": "https://evil.example"}
    assert http.post(edit, json={"text": "x"}, headers=elsewhere).status_code == 403


def test_the_dashboards_files_are_open_and_ask_browsers_for_caution(
    place: tuple[Path, httpx2.Client],
) -> None:
    _, http = place
    page = http.get("/_admin/")
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-cache"
    assert page.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    again = http.get("/_admin/", headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    moved = http.get("/_admin")
    assert (moved.status_code, moved.headers["Location"]) == (301, "/_admin/")
    assert http.get("/_admin/index.html").content == page.content
    assert http.head("/_admin/").headers["Content-Length"] == page.headers["Content-Length"]
    whole = http.get("/_admin/", headers={"Accept-Encoding": "br, gzip;q=0"})
    assert page.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in whole.headers
    assert whole.content == page.content
    assert whole.headers["ETag"] != page.headers["ETag"]
    for path in ("/_admin/%2e%2e/server.py", "/_admin/vendor", "/_admin/x.js"):
        assert http.get(path).status_code == 401
    assert http.post("/_admin/").status_code == 401


def run_dir(folder: Path) -> Path:
    """Make a run directory with the token of a server in it."""
    (folder / "run").mkdir(mode=0o700)
    (folder / "run" / "admin-token").write_text("the-token", encoding="ascii")
    return folder / "run"


def test_without_data_administration_there_is_nothing_of_it(tmp_path: Path) -> None:
    with (
        gateway(application_without(tmp_path), run_dir(tmp_path)) as running,
        httpx2.Client(base_url=running.url) as http,
    ):
        headers = office.bearer("the-token")
        for path, acts in DATA_ROUTES.items():
            for method in acts:
                answer = http.request(method, asked(path), headers=headers)
                assert answer.status_code == 404, (method, path)
                assert http.request(method, asked(path)).status_code == 401
        for path in ("/_admin", "/_admin/"):
            assert http.get(path).status_code == 401


def test_the_page_may_be_elsewhere_and_the_routes_stay(tmp_path: Path) -> None:
    app = office.application(tmp_path, "/office/panel")
    app.with_route("GET", "/{one}/{two}", office.who)
    with (
        gateway(app, run_dir(tmp_path)) as running,
        httpx2.Client(base_url=running.url) as http,
    ):
        assert http.get("/office/panel").headers["Location"] == "/office/panel/"
        assert http.get("/office/panel/").headers["Content-Type"].startswith("text/html")
        assert http.get("/office/other").json() == {"user": None}
        assert http.get("/_admin/").status_code == 401
        headers = office.bearer("the-token")
        assert http.get("/_admin/data/routes", headers=headers).status_code == 200
