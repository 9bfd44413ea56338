"""The `lithair` command as a person runs it."""

import subprocess
import sys
from pathlib import Path

COMMAND_MAX_S = 60.0


def lithair(
    directory: Path, *arguments: str, typed: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run `lithair` in a directory, without a terminal; `typed` is what it reads from stdin."""
    return subprocess.run(
        [sys.executable, "-m", "lithair", *arguments],
        cwd=directory,
        input=typed,
        capture_output=True,
        text=True,
        timeout=COMMAND_MAX_S,
        check=False,
    )
