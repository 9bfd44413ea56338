"""`lithair import` and `export` of a whole Debian package index, through the command itself.

    python -m bench.packages

The index of the machine (`apt-cache dumpavail`; `apt-get update` first where it is small) is made
NDJSON by `bench.debian` and imported three times: at once, killed half-way and run again, and that
without ids. Each time it is seen that every package is there, and none twice.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.debian import Package, row_of, stanzas
from bench.report import load_after, machine, table
from bench.served import scratch
from lithair import Lithair

if TYPE_CHECKING:
    from lithair.actors.background import Server

LOOK_S = 0.005


def measure() -> str:
    if shutil.which("apt-cache") is None:
        return f"{TITLE}\n\nSkipped: there is no `apt-cache` here.\n"
    with scratch("packages") as directory:
        rows = _written(directory)
        machine_then = machine()
        measured = [
            _row("import, at once", rows, _at_once(directory)),
            _row(
                "import, killed half-way and run again", rows, _killed(directory, "packages", rows)
            ),
            _row("the same without ids", rows, _killed(directory, "nameless", rows)),
            _row("import of what is there already", rows, _again(directory)),
            *[_row(f"export, {each}", rows, _exported(directory, each)) for each in FORMATS],
        ]
    head = (
        f"{TITLE}\n\n{rows:,} rows. "
        "`python -m bench.packages`: the command and one model process on the same machine,\n"
        "batches of 1,000 rows, each synced. A killed import was run again; both runs together.\n\n"
    )
    return f"{head}{table(COLUMNS, measured)}\n{machine_then}, {load_after()}\n"


TITLE = "## Import and export: a package index of Debian"
COLUMNS = ("what", "seconds", "rows/s")
FORMATS = ("ndjson", "json", "csv")


def _row(what: str, rows: int, seconds: float) -> tuple[str, str, str]:
    return what, f"{seconds:.1f}", f"{rows / seconds:,.0f}"


def _written(directory: Path) -> int:
    """Write the index as NDJSON, with ids and without."""
    dumped = subprocess.run(
        ["apt-cache", "dumpavail"], stdout=subprocess.PIPE, text=True, check=True
    )
    rows = [row_of(fields) for fields in stanzas(dumped.stdout.splitlines())]
    _write(directory / "packages.ndjson", rows)
    _write(directory / "nameless.ndjson", ({**row, "id": None} for row in rows))
    return len(rows)


def _write(path: Path, rows: Iterable[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            kept = {name: value for name, value in row.items() if name != "id" or value}
            file.write(json.dumps(kept, ensure_ascii=False) + "\n")


def _served(directory: Path, name: str) -> "Server":
    own = directory / name
    served = Lithair().with_model(Package, own / "packages", "/api/packages")
    return served.with_run_dir(own / "run").with_port(0).running()


def _command(server: "Server", directory: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "lithair", *arguments, "--json"],
        cwd=directory,
        env={**os.environ, "LT_RUN_DIR": server.run_dir},
        stdout=subprocess.PIPE,
        text=True,
    )


def _timed(server: "Server", directory: Path, *arguments: str) -> tuple[float, dict[str, Any]]:
    begun = time.perf_counter()
    process = _command(server, directory, *arguments)
    said, _ = process.communicate()
    took = time.perf_counter() - begun
    assert process.returncode == 0, (arguments, process.returncode)
    return took, json.loads(said)


def _at_once(directory: Path) -> float:
    with _served(directory, "at-once") as server:
        took, told = _timed(server, directory, "import", "packages", "packages.ndjson")
        _check(server, told, told["rows"])
        return took


def _killed(directory: Path, name: str, rows: int) -> float:
    """Kill it when half of the rows are in, and run it again; gives the seconds of both runs."""
    with _served(directory, f"killed-{name}") as server:
        kept = directory / f"{name}.ndjson.packages.progress"
        begun = time.perf_counter()
        process = _command(server, directory, "import", "packages", f"{name}.ndjson")
        while not kept.exists() or _rows_done(kept) < rows // 2:
            assert process.poll() is None, "it ended before half of the rows were in"
            time.sleep(LOOK_S)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        first = time.perf_counter() - begun
        there = server.handle(Package).count()
        print(f"{name}: killed with {there:,} packages there", file=sys.stderr)
        second, told = _timed(server, directory, "import", "packages", f"{name}.ndjson")
        _check(server, told, rows)
        return first + second


def _rows_done(kept: Path) -> int:
    try:
        return int(json.loads(kept.read_bytes())["rows"])
    except FileNotFoundError:  # just being exchanged
        return 0


def _check(server: "Server", told: dict[str, Any], rows: int) -> None:
    """See that all are there, and none twice."""
    packages = server.handle(Package)
    names = {(p.name, p.version, p.architecture) for p in packages.iterate()}
    assert packages.count() == len(names) == rows, (packages.count(), len(names), rows)
    assert told["bad"] == 0, told


def _again(directory: Path) -> float:
    with _served(directory, "at-once") as server:
        took, told = _timed(server, directory, "import", "packages", "packages.ndjson")
        assert told["unchanged"] == told["rows"], told
        return took


def _exported(directory: Path, form: str) -> float:
    with _served(directory, "at-once") as server:
        return _timed(server, directory, "export", "packages", f"out.{form}")[0]


if __name__ == "__main__":
    print(measure())
