"""The packages of a Debian machine, served, and its index as NDJSON.

apt-cache dumpavail | python -m bench.debian > packages.ndjson
lithair run bench/debian.py
lithair import packages packages.ndjson
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from lithair import Indexed, Lithair, Model, Pinned

DATA = Path(os.environ.get("PACKAGES_DATA") or Path(__file__).resolve().parent / "data/packages")
LISTS = ("Depends", "Recommends", "Suggests", "Provides", "Conflicts", "Tag")


class Package(Model):
    """A binary package; `id` is its name, version and architecture."""

    name: Pinned[Indexed[str]]
    version: Pinned[str]
    architecture: Pinned[Indexed[str]]
    section: Pinned[Indexed[str]]
    priority: Indexed[str]
    maintainer: str
    summary: str
    source: Indexed[str | None] = None
    homepage: str | None = None
    size: Indexed[int | None] = None  # bytes of the archive
    installed_kib: int | None = None
    depends: list[str] = []
    recommends: list[str] = []
    suggests: list[str] = []
    provides: list[str] = []
    conflicts: list[str] = []
    tag: list[str] = []
    sha256: str | None = None


app = Lithair().with_model(Package, DATA / "packages", "/api/packages").with_run_dir(DATA / "run")


def stanzas(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """Read deb822: fields, lines that go on with a space, an empty line behind each package."""
    fields: dict[str, str] = {}
    name = ""
    for line in lines:
        text = line.rstrip("\n")
        if not text:
            if fields:
                yield fields
            fields = {}
        elif text[0] in " \t":
            fields[name] += " " + text.strip()
        else:
            name, _, value = text.partition(":")
            fields[name] = value.strip()
    if fields:
        yield fields


def row_of(fields: dict[str, str]) -> dict[str, object]:
    """Make a row for the model of a package's fields."""
    name, version, architecture = (fields[k] for k in ("Package", "Version", "Architecture"))
    row: dict[str, object] = {
        "id": f"{name}_{version}_{architecture}",
        "name": name,
        "version": version,
        "architecture": architecture,
        "section": fields["Section"],
        "priority": fields["Priority"],
        "maintainer": fields["Maintainer"],
        "summary": fields["Description"],
        "source": fields.get("Source", "").partition(" ")[0] or None,
        "homepage": fields.get("Homepage"),
        "sha256": fields.get("SHA256"),
    }
    for field, wire in (("Size", "size"), ("Installed-Size", "installed_kib")):
        row[wire] = int(fields[field]) if field in fields else None
    for field in LISTS:
        listed = fields.get(field, "").split(",")
        row[field.lower()] = [each.strip() for each in listed if each.strip()]
    return row


def main() -> None:
    for fields in stanzas(sys.stdin):
        print(json.dumps(row_of(fields), ensure_ascii=False))


if __name__ == "__main__":
    main()
