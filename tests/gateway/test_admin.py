"""Everything below /_admin: who gets in, what is found there, and what it asks of the models."""

import stat
import threading
from collections.abc import Generator
from pathlib import Path

import httpx2
import msgspec
import pytest

from lithair import Lithair, Model
from lithair.core.figures import ModelFigures
from lithair.gateway.admin_routes import ROUTES, ModelStats
from lithair.http import Request
from lithair.storage.run_dir import TOKEN_NAME
from lithair.transport.sockets import model_endpoint
from lithair.wire.messages import Reply
from lithair.wire.messages import Request as WireRequest
from lithair.wire.protocol import TRUSTED, Verb
from tests.gateway.harness import gateway
from tests.gateway.mailbox import problem_of
from tests.support.waiting import wait_until
from tests.transport.little_model import LittleModel

STATS = "/_admin/data/models/letters/_stats"
COMPACT = "/_admin/data/models/letters/compact"
GIVEN = "a-given-token"
STATS_FIELDS = {
    "item_count", "hot_count", "warm_count", "approx_ram_bytes", "raftlog_size_bytes",
    "events_since_last_compaction", "last_compaction_at", "seq", "compactions",
    "compaction_running", "damaged", "process",
}  # fmt: skip


class Letter(Model):
    text: str = ""


async def anything(request: Request) -> dict[str, str]:
    return {name: request.path[name] for name in ("one", "two")}


def application(folder: Path) -> Lithair:
    return (
        Lithair()
        .with_model(Letter, folder / "letters", "/api/letters")
        .with_route("GET", "/{one}/{two}", anything)
        .with_run_dir(folder / "run")
        .with_port(0)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("admin")


@pytest.fixture(scope="module")
def stranger(transport: str, folder: Path) -> Generator[httpx2.Client]:
    """Somebody who has no token."""
    with application(folder).running() as server, httpx2.Client(base_url=server.url) as http:
        yield http


@pytest.fixture
def token(folder: Path, stranger: httpx2.Client) -> str:
    return (folder / "run" / TOKEN_NAME).read_text(encoding="ascii").strip()


@pytest.fixture
def admin(stranger: httpx2.Client, token: str) -> Generator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=stranger.base_url, headers=headers) as http:
        yield http


@pytest.mark.parametrize(
    "path", [STATS, COMPACT, "/_admin", "/_admin/", "/_admin/x", "/%5Fadmin/x", "/%5fadmin/data"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "BREW"])
def test_nothing_below_the_prefix_is_told_without_the_token(
    stranger: httpx2.Client, path: str, method: str
) -> None:
    answer = stranger.request(method, path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="lithair"'


@pytest.mark.parametrize(
    "given", ["Bearer wrong", "Bearer ,", "Bearer", "Basic {}", "{}", "bearer"]
)
def test_what_is_not_the_token_gets_nobody_in(
    stranger: httpx2.Client, token: str, given: str
) -> None:
    answer = stranger.get(STATS, headers={"Authorization": given.format(token)})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert token not in answer.text
    problem_of(answer)


def test_the_scheme_is_written_in_either_case_and_the_token_is_not(
    stranger: httpx2.Client, token: str
) -> None:
    def ask(given: str) -> int:
        return stranger.get(STATS, headers={"Authorization": given}).status_code

    assert ask(f"bearer {token}") == 200
    assert ask(f"Bearer {token.swapcase()}") == 401


def test_the_token_lies_in_the_run_directory_for_its_owner_alone(folder: Path, token: str) -> None:
    path = folder / "run" / TOKEN_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(token) >= 32


@pytest.mark.parametrize("name", ["letters", "letter"])
def test_stats_tell_a_models_figures_under_both_of_its_names(
    admin: httpx2.Client, name: str
) -> None:
    answer = admin.get(f"/_admin/data/models/{name}/_stats")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.json()
    assert set(told) == STATS_FIELDS
    assert set(told["process"]) == {"pid", "cpu_percent", "rss_bytes", "restarts"}
    assert told["last_compaction_at"] is None


def test_stats_follow_what_is_written(admin: httpx2.Client) -> None:
    before = admin.get(STATS).json()
    admin.post("/api/letters", json={"text": "hello"})
    after = admin.get(STATS).json()
    assert after["item_count"] == before["item_count"] + 1
    assert after["seq"] == before["seq"] + 1
    assert after["raftlog_size_bytes"] > before["raftlog_size_bytes"]
    assert after["approx_ram_bytes"] > before["approx_ram_bytes"]


def test_a_name_that_is_no_models_is_404(admin: httpx2.Client) -> None:
    for path in ("/_admin/data/models/Letter/_stats", "/_admin/data/models/x/compact"):
        answer = admin.request("POST" if path.endswith("compact") else "GET", path)
        assert answer.status_code == 404
        problem_of(answer)


def test_a_path_that_is_not_there_is_404_also_where_a_route_would_match(
    stranger: httpx2.Client, admin: httpx2.Client
) -> None:
    assert stranger.get("/some/where").json() == {"one": "some", "two": "where"}
    for path in ("/_admin", "/_admin/x", "/_admin/data/models/letters/_stats/", "/_admin//_stats"):
        assert admin.get(path).status_code == 404


def test_other_methods_are_405_with_allow(admin: httpx2.Client) -> None:
    answer = admin.delete(STATS)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    answer = admin.get(COMPACT)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, OPTIONS")


def test_options_need_no_token_because_a_preflight_has_none(stranger: httpx2.Client) -> None:
    answer = stranger.options(STATS)
    assert (answer.status_code, answer.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    assert stranger.options("/_admin/x").status_code == 404


def test_head_answers_like_get_without_a_body(admin: httpx2.Client) -> None:
    answer = admin.head(STATS)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 422),
        (b'{"keep_history": 1}', "application/json", 422),
        (b'{"keep_histroy": true}', "application/json", 422),
        (b"keep_history=true", "application/x-www-form-urlencoded", 415),
    ],
)
def test_compact_refuses_a_body_that_it_does_not_understand(
    admin: httpx2.Client, body: bytes, kind: str, status: int
) -> None:
    answer = admin.post(COMPACT, content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    problem_of(answer)


def test_a_given_token_is_the_only_one_and_no_file_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LT_ADMIN_TOKEN", GIVEN)
    with application(tmp_path).running() as server, httpx2.Client(base_url=server.url) as http:
        assert not (tmp_path / "run" / TOKEN_NAME).exists()
        assert http.get(STATS).status_code == 401
        given = {"Authorization": f"Bearer {GIVEN}"}
        assert http.get(STATS, headers=given).status_code == 200


def test_a_token_is_made_anew_by_each_start_and_gone_after_the_end(tmp_path: Path) -> None:
    path = tmp_path / "run" / TOKEN_NAME
    tokens: set[str] = set()
    for _ in range(2):
        with application(tmp_path).running():
            tokens.add(path.read_text(encoding="ascii"))
        assert not path.exists()
    assert len(tokens) == 2


def test_without_any_token_nobody_gets_in(tmp_path: Path) -> None:
    """A gateway whose supervisor made none, and none was given."""
    with gateway(application(tmp_path), tmp_path) as running:
        for given in ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer None"}):
            assert httpx2.get(running.url + STATS, headers=given).status_code == 401


def test_every_field_of_stats_is_one_that_the_process_tells() -> None:
    assert set(ModelStats.__struct_fields__) == STATS_FIELDS
    told = msgspec.structs.fields(ModelFigures)
    assert {field.name for field in told} >= STATS_FIELDS


class Letters(LittleModel):
    """A model that does not come to an end with what it is asked to do with `verb`."""

    verb: Verb | None = None

    def answer(self, request: WireRequest) -> Reply | None:
        return None if request.verb == self.verb else super().answer(request)


@pytest.fixture
def little(tmp_path: Path) -> Generator[tuple[Letters, str]]:
    """A gateway in front of a model in miniature; both end with the test."""
    (tmp_path / TOKEN_NAME).write_text(GIVEN, encoding="ascii")
    model = Letters(model_endpoint(str(tmp_path), "letters"))
    over = threading.Event()

    def turn() -> None:
        while not over.is_set():
            model.turn(20)

    thread = threading.Thread(target=turn)
    thread.start()
    app = application(tmp_path).with_timeout(1.0)
    try:
        with gateway(app, tmp_path) as running:
            yield model, running.url
    finally:
        over.set()
        thread.join(10)
        model.close()


def compact(url: str, asked: object = None) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {GIVEN}"}
    return httpx2.post(url + COMPACT, json=asked, headers=headers, timeout=10)


def test_compact_asks_the_models_process_as_one_that_is_trusted(
    little: tuple[Letters, str],
) -> None:
    model, url = little
    for asked in (None, {}, {"keep_history": False}, {"keep_history": True}):
        assert compact(url, asked).status_code == 200
    asked_for = model.asked(Verb.COMPACT)
    assert [getattr(one, "argument", None) for one in asked_for] == [
        (), (), (), (("keep_history", "true"),),
    ]  # fmt: skip
    assert {one.access for one in asked_for} == {TRUSTED}


def test_a_compaction_that_takes_longer_than_a_request_may_is_202_and_goes_on(
    little: tuple[Letters, str],
) -> None:
    model, url = little
    assert compact(url).status_code == 200  # it is known to live
    asking = threading.Thread(target=lambda: answers.append(compact(url)))
    answers: list[httpx2.Response] = []
    model.verb = Verb.COMPACT
    asking.start()
    wait_until(lambda: len(model.asked(Verb.COMPACT)) == 2, "the model to be asked")
    asking.join(10)
    assert answers[0].status_code == 202
    assert answers[0].json()["running"] is True


def test_every_route_is_behind_the_door() -> None:
    assert all(path.startswith("/_admin/") for path in ROUTES)
