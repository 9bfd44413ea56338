"""The docs: what they point at is there, and what can be set is in them."""

import re

from lithair.cli.main import COMMANDS
from lithair.config import SETTINGS
from lithair.retention import OVERRIDES
from tests.tidy.source import ROOT

LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_every_link_of_the_docs_leads_somewhere() -> None:
    found = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md")]
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
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
