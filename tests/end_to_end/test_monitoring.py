"""deploy/prometheus and deploy/grafana: they ask for what there is, and Prometheus understands."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lithair.gateway.metrics import METRICS
from tests.tidy.source import ROOT

PROMETHEUS = ROOT / "deploy/prometheus"
GRAFANA = ROOT / "deploy/grafana"
DASHBOARD: dict[str, Any] = json.loads(
    (GRAFANA / "dashboards/lithair.json").read_text(encoding="utf-8")
)
RULES: list[dict[str, Any]] = yaml.safe_load(
    (PROMETHEUS / "alerts.yml").read_text(encoding="utf-8")
)["groups"][0]["rules"]
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")

OF_HISTOGRAMS = ("_bucket", "_sum", "_count")
OF_PROMETHEUS = {"instance", "job", "le"}  # labels that come from no metric of ours
NAME = re.compile(r"\blithair_\w+")
SELECTOR = re.compile(r"(\blithair_\w+)\{([^}]*)\}")
GROUPING = re.compile(r"\bby ?\(([^)]*)\)")


def series_of(metric: str) -> tuple[str, ...]:
    """Give the names under which a metric is found in Prometheus."""
    if METRICS[metric].kind != "histogram":
        return (metric,)
    return tuple(metric + suffix for suffix in OF_HISTOGRAMS)


SERIES = {series: metric for metric in METRICS for series in series_of(metric)}


def queries() -> Iterator[tuple[str, str]]:
    """Give each query of the dashboard with its legend."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"], target["legendFormat"]


def labels_of(query: str) -> set[str]:
    """Give the labels by which a query chooses and groups."""
    chosen = {
        re.split(r"[=!]", each.strip())[0]
        for _, inside in SELECTOR.findall(query)
        for each in inside.split(", ")
    }
    return chosen | {
        label.strip() for group in GROUPING.findall(query) for label in group.split(",")
    }


def promtool(*arguments: str) -> None:
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_and_the_alerts_ask_for_metrics_that_there_are() -> None:
    asked = [query for query, _ in queries()] + [rule["expr"] for rule in RULES]
    names = {name for query in asked for name in NAME.findall(query)}
    assert names - set(SERIES) == set()
    shown = {SERIES[name] for query, _ in queries() for name in NAME.findall(query)}
    assert set(METRICS) - shown == set()  # and the dashboard shows each of them


def test_the_dashboard_and_the_alerts_name_labels_that_the_metrics_have() -> None:
    asked = [*queries(), *((rule["expr"], rule["annotations"]["summary"]) for rule in RULES)]
    for query, told in asked:
        metrics = [METRICS[SERIES[name]] for name in NAME.findall(query)]
        known = {label for metric in metrics for label in metric.labels} | OF_PROMETHEUS
        named = labels_of(query) | set(re.findall(r"\{\{ ?(?:\$labels\.)?(\w+) ?\}\}", told))
        assert named <= known, query


@needs_promtool
def test_prometheus_understands_every_query_of_the_dashboard(tmp_path: Path) -> None:
    def plain(query: str) -> str:
        """Put in what Grafana puts in."""
        filled = query.replace("$__rate_interval", "1m")
        return filled.replace("$instance", ".*").replace("$model", ".*")

    rules = [
        {"record": f"shown:{number}", "expr": plain(query)}
        for number, (query, _) in enumerate(queries())
    ]
    assert len(rules) >= len(METRICS)
    place = tmp_path / "rules.yml"
    place.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(place))


@needs_promtool
def test_prometheus_takes_the_configuration_and_each_alert_fires_for_its_reason() -> None:
    promtool("check", "config", str(PROMETHEUS / "prometheus.yml"))
    promtool("test", "rules", str(PROMETHEUS / "alerts.test.yml"))
    tested = (PROMETHEUS / "alerts.test.yml").read_text(encoding="utf-8")
    assert [rule["alert"] for rule in RULES if f"alertname: {rule['alert']}\n" not in tested] == []


def test_the_dashboard_is_one_that_grafana_finds_and_draws() -> None:
    compose: dict[str, Any] = yaml.safe_load(
        (ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")
    )
    mounts = dict(mount.split(":")[:2] for mount in compose["services"]["grafana"]["volumes"])
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/lithair.yaml").read_text("utf-8"))
    assert provider["providers"][0]["options"]["path"] == mounts["./grafana/dashboards"]
    source = yaml.safe_load(
        (GRAFANA / "provisioning/datasources/prometheus.yaml").read_text("utf-8")
    )
    assert source["datasources"][0]["type"] == "prometheus"
    taken: set[tuple[int, int]] = set()
    panels = DASHBOARD["panels"]
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]  # none lies upon another
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or (panel["description"] and panel["targets"])
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_the_docs_say_of_each_alert_what_to_do() -> None:
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert [rule["alert"] for rule in RULES if f"`{rule['alert']}`" not in text] == []
