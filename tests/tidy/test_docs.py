"""The docs: what they point at is there, and what can be set is in them."""

import re

from lithair.cli.main import COMMANDS
from lithair.config import SETTINGS
from lithair.gateway.admin_routes import ROUTES, ModelStats
from lithair.gateway.admin_session import SESSION_PATH
from lithair.gateway.data_routes import DATA_ROUTES
from lithair.gateway.metrics import METRICS
from lithair.gateway.routes import allow
from lithair.retention import OVERRIDES
from tests.tidy.source import ROOT

LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
PART = re.compile(r"\[[^\]]*\]\(([^)#\s]*)#([^)\s]+)\)")


def test_every_link_of_the_docs_leads_somewhere() -> None:
    found = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md")]
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not found, "\n".join(found)


def anchors(text: str) -> set[str]:
    """Give the names by which a page's headings are reached, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_part_of_a_page_that_is_pointed_at_is_there() -> None:
    found = [
        f"{page.relative_to(ROOT)}: {target}#{part}"
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/*.md")]
        for target, part in PART.findall(page.read_text(encoding="utf-8"))
        if "://" not in target
        and part not in anchors((page.parent / target if target else page).read_text("utf-8"))
    ]
    assert not found, "\n".join(found)


def test_every_page_is_in_the_index_of_the_docs() -> None:
    index = LINK.findall((ROOT / "docs/README.md").read_text(encoding="utf-8"))
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages <= set(index)


def test_every_setting_is_in_the_docs() -> None:
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    variables = [setting.variable for setting in SETTINGS.values()]
    variables += [f"LT_<MODEL>{suffix}" for suffix, _, _ in OVERRIDES.values()]
    assert [name for name in variables if f"`{name}`" not in text] == []


def test_every_command_is_in_the_docs() -> None:
    text = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"## lithair {name}" not in text] == []


def rows_below(page: str, heading: str) -> list[list[str]]:
    """Give the cells of the first table below a heading, without its head."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    table = re.search(r"(?:^\|.*\n)+", text.partition(f"\n{heading}\n")[2], re.MULTILINE)
    assert table is not None, f"{page} has no table below {heading}"
    lines = table.group().strip().split("\n")[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_metric_is_in_the_docs_as_it_describes_itself() -> None:
    told = [
        [f"`{name}`", metric.kind, ", ".join(metric.labels), metric.says]
        for name, metric in METRICS.items()
    ]
    assert rows_below("operations.md", "## `/metrics`") == told


def test_every_route_of_administration_is_in_the_docs() -> None:
    documented = {row[0].strip("`"): row[1] for row in rows_below("operations.md", "## `/_admin`")}
    served = {**ROUTES, **DATA_ROUTES}
    assert documented == {
        path: allow({**acts, "HEAD": None} if "GET" in acts else acts)
        for path, acts in served.items()
    }


def test_every_route_of_data_administration_is_on_its_page() -> None:
    text = (ROOT / "docs/admin.md").read_text(encoding="utf-8")
    for path, acts in DATA_ROUTES.items():
        assert path in text
        if path != SESSION_PATH:
            assert [method for method in acts if f"`{method} {path}" not in text] == []


def test_every_figure_of_a_model_is_in_the_docs() -> None:
    documented = [row[0].strip("`") for row in rows_below("operations.md", "### `_stats`")]
    assert documented == list(ModelStats.__struct_fields__)
