"""/metrics of a real server: a stuck process is told as down, and a real Prometheus reads it."""

import shutil
import signal
import subprocess
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.ports import free_port
from tests.support.started import Started
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("no_leaks")

PROMETHEUS = shutil.which("prometheus")
SCRAPE_MAX_S = 1.0  # what a process that does not answer may cost a scrape
SLACK_S = 0.5  # this machine may be busy with other tests
REPLACED_MAX_S = 30.0  # silent for 5 s, killed, started again
TOGETHER = 10
ITEMS = 7
APP = """
from lithair import Lithair, Model

class Letter(Model):
    text: str = ""

class Stamp(Model):
    value: int = 0

app = (
    Lithair()
    .with_model(Letter, "./data/letters", "/api/letters")
    .with_model(Stamp, "./data/stamps", "/api/stamps")
)
"""


@pytest.fixture
def server(tmp_path: Path) -> Generator[Started]:
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    with Started(tmp_path) as server:
        yield server
        server.stop()


def scrape(server: Started) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(httpx.get(server.url + "/metrics").text)
        for sample in family.samples
    }


def test_a_stopped_model_process_is_told_as_down_within_a_second_and_is_replaced(
    server: Started,
) -> None:
    httpx.post(server.url + "/api/letters", json={"text": "kept"})
    before = scrape(server)
    assert before["lithair_model_up", "letters"] == before["lithair_model_up", "stamps"] == 1
    server.child("model letters").send_signal(signal.SIGSTOP)
    for _ in range(2):
        asked_s = time.monotonic()
        found = scrape(server)
        assert time.monotonic() - asked_s < SCRAPE_MAX_S + SLACK_S
        assert found["lithair_model_up", "letters"] == 0
        assert ("lithair_model_items", "letters") not in found
        assert found["lithair_model_up", "stamps"] == 1
        assert found["lithair_model_items", "stamps"] == 0

    def replaced() -> dict[tuple[str, ...], float] | None:
        found = scrape(server)
        restarts = found["lithair_process_restarts_total", "model", "letters"]
        return found if restarts == found["lithair_model_up", "letters"] == 1 else None

    after = wait_until(replaced, "another process in its place", REPLACED_MAX_S)
    assert after["lithair_process_restarts_total", "model", "stamps"] == 0
    assert after["lithair_model_items", "letters"] == 1


def test_scrapes_that_come_together_wait_for_a_stuck_model_together(server: Started) -> None:
    """One after the other they would take a second each."""
    server.child("model letters").send_signal(signal.SIGSTOP)
    asked_s = time.monotonic()
    scrape(server)
    one_s = max(time.monotonic() - asked_s, SCRAPE_MAX_S)  # longer on a busy machine
    with ThreadPoolExecutor(TOGETHER) as threads:
        asked_s = time.monotonic()
        answers = list(threads.map(scrape, [server] * TOGETHER))
        assert time.monotonic() - asked_s < 2 * one_s + SLACK_S
    assert {found["lithair_model_up", "stamps"] for found in answers} == {1.0}


@pytest.mark.skipif(
    PROMETHEUS is None, reason="prometheus is not there: apt-get install prometheus"
)
def test_a_real_prometheus_scrapes_the_server_and_answers_for_its_items(
    server: Started, tmp_path: Path
) -> None:
    for _ in range(ITEMS):
        assert httpx.post(server.url + "/api/stamps", json={}).status_code == 201
    with Prometheus(tmp_path, server.url.removeprefix("http://")) as url:

        def ask(query: str) -> dict[str, float]:
            answer = httpx.get(url + "/api/v1/query", params={"query": query}).json()
            rows = answer["data"]["result"]
            return {row["metric"].get("model", ""): float(row["value"][1]) for row in rows}

        found = wait_until(lambda: ask("lithair_model_items"), "a first scrape", 30)
        assert found == {"letters": 0, "stamps": ITEMS}
        assert ask("lithair_model_up") == {"letters": 1, "stamps": 1}
        quantile = "histogram_quantile(0.9, lithair_model_commit_duration_seconds_bucket)"
        assert ask(quantile)["stamps"] > 0
        assert ask('up{job="lithair"}') == {"": 1}


class Prometheus:
    """A Prometheus that scrapes one target; leaving it ends it."""

    def __init__(self, directory: Path, target: str) -> None:
        assert PROMETHEUS is not None
        config = directory / "prometheus.yml"
        config.write_text(
            "scrape_configs:\n"
            "  - job_name: lithair\n"
            "    scrape_interval: 1s\n"
            "    static_configs:\n"
            f"      - targets: ['{target}']\n",
            encoding="utf-8",
        )
        self._url = f"http://127.0.0.1:{free_port()}"
        self._log = (directory / "prometheus.log").open("wb")
        self._process = subprocess.Popen(
            [
                PROMETHEUS,
                f"--config.file={config}",
                f"--storage.tsdb.path={directory / 'tsdb'}",
                f"--web.listen-address={self._url.removeprefix('http://')}",
            ],
            stdout=self._log,
            stderr=self._log,
        )

    def __enter__(self) -> str:
        wait_until(self._is_ready, "Prometheus to be ready", 30)
        return self._url

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(10)
        self._log.close()

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, "Prometheus has ended; see its log"
        try:
            return httpx.get(self._url + "/-/ready").is_success
        except httpx.HTTPError:
            return False
