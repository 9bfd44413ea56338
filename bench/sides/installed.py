"""What the comparison needs beside Lithair: a virtual environment, and a program in Rust.

Both are made below .bench/ on their first use, and again when what they are made from has changed.
"""

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from bench.served import ROOT

PEERS = ROOT / "bench" / "peers"
MADE = ROOT / ".bench"
VENV = MADE / "venv"
RUST = MADE / "rust"
INSTALL_MAX_S = 600
BUILD_MAX_S = 900  # 300 crates, the first time


class Missing(NamedTuple):
    """Why a side takes no part."""

    why: str


def peers_python() -> Path | Missing:
    """Give the interpreter that has FastAPI, PocketBase and matplotlib."""
    wanted = sha256((PEERS / "requirements.txt").read_bytes()).hexdigest()
    mark, python = VENV / ".installed", VENV / "bin" / "python"
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return python
    print(f"Installing what Lithair is compared with into {VENV} ...", flush=True)
    requirements = str(PEERS / "requirements.txt")
    commands = (
        [sys.executable, "-m", "venv", str(VENV)],
        [str(python), "-m", "pip", "install", "--quiet", "--requirement", requirements],
    )
    for command in commands:
        try:
            done = subprocess.run(command, timeout=INSTALL_MAX_S, check=False)
        except subprocess.TimeoutExpired:
            return Missing(f"pip took more than {INSTALL_MAX_S} s")
        if done.returncode != 0:
            return Missing("pip could not install bench/peers/requirements.txt")
    mark.write_text(wanted, encoding="utf-8")
    return python


def rust_program() -> Path | Missing:
    """Give the Rust Lithair's program; cargo does nothing when it is built already."""
    cargo = shutil.which("cargo") or str(Path.home() / ".cargo" / "bin" / "cargo")
    if not Path(cargo).exists():
        return Missing("cargo is not installed")
    if not (RUST / "release" / "lithair-peer").exists():
        print(f"Building the Rust Lithair in {RUST}, some minutes ...", flush=True)
    environ = {**os.environ, "CARGO_TARGET_DIR": str(RUST)}
    command = [cargo, "build", "--release", "--locked", "--quiet"]
    try:
        done = subprocess.run(
            command, cwd=PEERS / "rust", env=environ, timeout=BUILD_MAX_S, check=False,
            capture_output=True, text=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Missing(f"cargo took more than {BUILD_MAX_S} s")
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["it says nothing"]
        return Missing(f"cargo could not build bench/peers/rust: {said[-1]}")
    return RUST / "release" / "lithair-peer"
