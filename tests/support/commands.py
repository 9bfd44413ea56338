"""The `lithair` command as a person runs it."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

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


class Done(NamedTuple):
    """What a command has said, and its exit status."""

    status: int
    stdout: str
    stderr: str


def lithair_here(directory: Path, *arguments: str) -> Done:
    """Run `lithair` in this process, which is faster; nothing can be typed, and nothing killed."""
    from lithair.cli.main import main

    stdout, stderr = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with (
        contextlib.chdir(directory),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "argv", ["lithair", *arguments])
        status: object = 0
        try:
            main()
        except SystemExit as ended:
            status = ended.code or 0
    assert isinstance(status, int), status
    return Done(status, *(_said(stream) for stream in (stdout, stderr)))


def _said(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()
