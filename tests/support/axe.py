"""axe-core, which finds faults of pages for those who can't see or use a mouse.

It is 0.6 MB, so it is fetched from npm when it is first wanted, and kept in the user's cache. Law:
the version is a fixed one; where it can't be had the caller skips, with the reason.
"""

import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

from tests.support.browser import Browser

VERSION = "4.14.1"
FETCH_MAX_S = 60.0
BAD = ("serious", "critical")
# What it finds is left in the page: a script that is run by WebDriver can't wait for it.
RUN = """
window.axeFound = null;
axe.run(document, { resultTypes: ['violations'] }).then((told) => {
  window.axeFound = told.violations.map(({ id, impact, help, nodes }) =>
    ({ id, impact, help, where: nodes.slice(0, 3).map((one) => one.html.slice(0, 160)) }));
}, (error) => { window.axeFound = [{ id: 'axe', impact: 'critical', help: String(error) }]; });
"""


def source() -> str:
    """Give axe.min.js, or skip the test."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / f"lithair-tests/axe-core-{VERSION}.min.js"
    if not place.is_file():
        _fetch(place)
    return place.read_text(encoding="utf-8")


def _fetch(place: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("axe-core is not in the cache, and npm is not installed")
    with tempfile.TemporaryDirectory() as directory:
        command = [npm, "pack", f"axe-core@{VERSION}", "--silent"]
        try:
            subprocess.run(
                command, cwd=directory, check=True, capture_output=True, timeout=FETCH_MAX_S
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"npm can't fetch axe-core: {error}")
        (packed,) = Path(directory).glob("*.tgz")
        with tarfile.open(packed) as archive:
            member = archive.extractfile("package/axe.min.js")
            assert member is not None
            content = member.read()
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_suffix(f".{os.getpid()}")  # another test run may be fetching it, too
    part.write_bytes(content)
    part.replace(place)


def faults(window: Browser, script: str) -> list[dict[str, object]]:
    """Look at the page as it is, and give what is bad about it."""
    if not window.run("return Boolean(window.axe)"):
        window.run(script)
    window.run(RUN)
    found: list[dict[str, object]] = window.wait_for("window.axeFound && [window.axeFound]")[0]
    return [one for one in found if one["impact"] in BAD]
