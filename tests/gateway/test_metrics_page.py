"""/metrics: who may read it, and that one scrape of any gateway tells of all processes."""

from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lithair import Lithair, Model
from lithair.gateway.metrics import TEXT_FORMAT
from tests.gateway.mailbox import problem_of
from tests.support.waiting import wait_until

TOKEN = "scraper"


class Letter(Model):
    text: str = ""


class Stamp(Model):
    value: int = 0


def application(folder: Path) -> Lithair:
    return (
        Lithair()
        .with_model(Letter, folder / "letters", "/api/letters")
        .with_model(Stamp, folder / "stamps", "/api/stamps")
        .with_gateways(2)
        .with_run_dir(folder / "run")
        .with_port(0)
    )


@pytest.fixture(scope="module")
def url(transport: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with application(tmp_path_factory.mktemp("metrics")).running() as server:
        yield server.url


def scrape(url: str) -> dict[tuple[str, ...], float]:
    """Read the page over a connection of its own: whichever gateway answers."""
    answer = httpx2.get(url + "/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def requests_of(url: str) -> dict[str, float]:
    """Give how many requests each gateway has answered."""
    found: dict[str, float] = {}
    for key, value in scrape(url).items():
        if key[0] == "lithair_http_requests_total":
            found[key[1]] = found.get(key[1], 0) + value
    return found


def test_the_page_is_prometheus_text_and_never_kept(url: str) -> None:
    answer = httpx2.get(url + "/metrics")
    assert answer.headers["Content-Type"] == TEXT_FORMAT
    assert answer.headers["Cache-Control"] == "no-store"
    head = httpx2.head(url + "/metrics")
    assert (head.status_code, head.content) == (200, b"")
    assert httpx2.post(url + "/metrics").status_code == 405


def test_all_models_and_all_processes_are_in_one_scrape(url: str) -> None:
    httpx2.post(url + "/api/letters", json={"text": "hello"})
    found = scrape(url)
    assert found["lithair_model_items", "letters"] == 1
    assert found["lithair_model_items", "stamps"] == 0
    assert found["lithair_model_events_total", "letters", "create"] == 1
    processes = {key[1:] for key in found if key[0] == "lithair_process_resident_memory_bytes"}
    assert processes == {
        ("supervisor", "supervisor"),
        ("model", "letters"),
        ("model", "stamps"),
        ("gateway", "gateway-0"),
        ("gateway", "gateway-1"),
    }
    memory = [value for key, value in found.items() if key[0].endswith("resident_memory_bytes")]
    assert min(memory) > 1 << 20


def test_any_gateway_tells_what_both_have_answered(url: str) -> None:
    """Each connection goes to either; what they tell is the same."""
    before = sum(requests_of(url).values())

    def both_have_answered() -> bool:
        httpx2.get(url + "/api/letters/count")
        return min(requests_of(url).get(f"gateway-{number}", 0) for number in (0, 1)) > 0

    wait_until(both_have_answered, "both gateways to have answered and told it", 20)
    for _ in range(20):
        assert httpx2.get(url + "/api/letters/count").status_code == 200
    wait_until(lambda: sum(requests_of(url).values()) >= before + 20, "all to be told", 20)


def test_a_counter_never_goes_back_whichever_gateway_is_asked(url: str) -> None:
    seen: dict[str, float] = {}
    for _ in range(50):
        httpx2.get(url + "/api/letters/count")
        now = requests_of(url)
        assert {name: count for name, count in now.items() if count < seen.get(name, 0)} == {}
        seen = now


def test_requests_of_every_kind_are_counted_the_refused_ones_too(url: str) -> None:
    def counted() -> dict[str, float]:
        found: dict[str, float] = {}
        for key, value in scrape(url).items():
            if key[0] == "lithair_http_requests_total":
                found[key[2]] = found.get(key[2], 0) + value
        return found

    before = counted()
    httpx2.get(url + "/nothing/here")  # the application's
    httpx2.get(url + "/api/letters/none")  # a model's
    httpx2.put(url + "/api/letters", json={})  # refused by its head

    def difference(status: str) -> float:
        return counted().get(status, 0) - before.get(status, 0)

    wait_until(lambda: difference("404") >= 2, "the 404s to be counted")
    wait_until(lambda: difference("405") >= 1, "the 405 to be counted")
    assert (difference("404"), difference("405")) == (2, 1)


def test_with_a_token_only_its_bearer_reads_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LT_METRICS_TOKEN", TOKEN)
    with application(tmp_path).running() as server, httpx2.Client(base_url=server.url) as http:
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            refused = http.get("/metrics", headers=given)
            assert refused.status_code == 401
            assert refused.headers["WWW-Authenticate"].startswith("Bearer")
            problem_of(refused)
        assert http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).is_success
