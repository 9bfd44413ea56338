"""docs/from-rust.md, docs/comparison.md: what is said to be here is, and no figure is made up."""

import re

import lithair
from lithair import Handle, Lithair
from lithair.config import SETTINGS
from tests.tidy.source import ROOT

FROM_RUST = (ROOT / "docs/from-rust.md").read_text(encoding="utf-8")
COMPARISON = (ROOT / "docs/comparison.md").read_text(encoding="utf-8")


def cells(heading: str, column: int) -> str:
    """Give a column of the table below a heading."""
    table = FROM_RUST.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [re.split(r"(?<!\\)\|", line) for line in table.splitlines() if line.startswith("|")]
    return "\n".join(row[column] for row in rows[2:])


def test_what_an_attribute_or_a_call_of_rust_is_said_to_be_is_there() -> None:
    markers = set(re.findall(r"`([A-Z]\w+)", cells("Attributes", 2))) - {"Annotated", "Meta"}
    assert markers >= {"Pinned", "Unique", "Owner"}
    assert [name for name in markers if not hasattr(lithair, name)] == []
    calls = set(re.findall(r"\.(with_\w+)", cells("The builder", 2)))
    assert calls >= {"with_model_ref", "with_rate_limit"}
    assert [name for name in calls if not hasattr(Lithair, name)] == []
    methods = set(re.findall(r"`(\w+)\(", cells("A handle", 2)))
    assert methods >= {"apply_replicated_items", "iterate"}
    assert [name for name in methods if not hasattr(Handle, name)] == []


def test_the_settings_that_are_said_to_be_the_same_are_there() -> None:
    said = FROM_RUST.partition("\n## Settings\n")[2].partition(" mean the same")[0]
    variables = {setting.variable for setting in SETTINGS.values()}
    assert set(re.findall(r"`(LT_[A-Z_]+)`", said)) <= variables


def test_the_application_beside_the_one_in_rust_is_one() -> None:
    (source,) = re.findall(r"```python\n(.*?)```", FROM_RUST, re.DOTALL)
    there: dict[str, object] = {"__name__": "from_rust"}
    exec(compile(source, "docs/from-rust.md", "exec"), there)
    assert isinstance(there["app"], Lithair)


def test_the_comparison_has_no_figures_of_its_own() -> None:
    assert re.findall(r"\d[\d,]*(?:/s| ms| times| x\b|%)", COMPARISON) == []
    assert "(../bench/RESULTS.md)" in COMPARISON
