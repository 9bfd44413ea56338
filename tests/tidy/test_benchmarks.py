"""What the benchmarks say of their figures: what moved, what was asked, and whether it is met."""

import json

import pytest

from bench import asked, figures, quick


def test_a_comparison_of_counts_says_what_moved_and_what_came_and_went() -> None:
    before = {"same": 1000, "near": 1000, "more": 1000, "less": 1000, "gone": 1000}
    now = {"same": 1000, "near": 1030, "more": 1250, "less": 900, "new": 1000}
    compared = {one.work: one for one in quick.compare(before, now)}
    assert {work: one.verdict for work, one in compared.items()} == {
        "same": "as before",
        "near": "as before",
        "more": "**25% more**",
        "less": "**10% less**",
        "gone": "gone",
        "new": "new",
    }
    assert [work for work, one in compared.items() if one.is_worse] == ["more"]


def test_the_baseline_has_every_work_that_is_counted() -> None:
    baseline = quick.Kept(**json.loads(quick.BASELINE.read_text(encoding="utf-8")))
    works = {f"{kind}: {work}" for kind in quick.KINDS for work in quick.works("token")}
    assert set(baseline.instructions) == works
    assert set(baseline.software) == set(quick.software())


def test_a_row_is_met_when_each_of_its_bounds_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(pocketbase: float, fastapi: float) -> str:
        ratios = {"PocketBase": [pocketbase, 1.0, 99.0], "FastAPI + SQLite": [fastapi, 1.0, 99.0]}
        found = {"versus": {"measured": "2026-11-21", "works": {"gated": {"ratios": ratios}}}}
        monkeypatch.setattr(figures, "kept", lambda: found)
        (line,) = [one for one in asked.measure().splitlines() if "session-gated" in one]
        return line

    assert told(6.1, 7.2).endswith(
        "| 6.1 x PocketBase; 7.2 x FastAPI + SQLite | versus, 2026-11-21 | yes |"
    )
    assert told(6.1, 6.9).endswith("| **no** |")
    assert told(5.9, 7.2).endswith("| **no** |")


def test_what_was_not_measured_is_not_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "kept", dict)
    section = asked.measure()
    assert section.count("| not measured |") == len(asked.ROWS)
    assert f"0 of {len(asked.ROWS)} met" in section
