"""Mistakes in an application: a sentence each, exit status 2, and not one process started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# The audit hook is the witness: Python announces every way to start a process there (PEP 578).
WITNESS = """
import sys
def witness(event, arguments):
    if event in ("subprocess.Popen", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn"):
        sys.stderr.write(f"A PROCESS WAS STARTED: {event}\\n")
sys.addaudithook(witness)
"""
CLASSES = """
from lithair import Lithair, Model, Pinned

class Cat(Model):
    name: str

class Dog(Model):
    name: str
"""
APP = """
app = Lithair().with_model(Cat, "./data/pets", "/api/cats")
app.with_model(Dog, "./data/pets", "/api/dogs")
"""
BARE = """
class Bird(Model):
    name: Pinned
"""
SERVE = """
if __name__ == "__main__":
    app.serve()
"""
UNREADABLE = {"LT_PORT": "eighty"}


def run_app(directory: Path, source: str, environ: dict[str, str]) -> tuple[int, list[str]]:
    (directory / "app.py").write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=directory,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize(
    ("source", "environ", "wanted"),
    [
        (CLASSES + APP, {}, [["./data/pets", "Cat", "Dog"]]),
        (CLASSES, UNREADABLE, [["LT_PORT", "'eighty'", "0 to 65535"]]),
        (CLASSES + BARE, {}, [["Bird.name", "Pinned[str]"]]),
        (CLASSES + APP, UNREADABLE, [["./data/pets"], ["LT_PORT"]]),
    ],
    ids=["two models on one directory", "an unreadable value", "a bare Pinned", "two at once"],
)
def test_each_mistake_has_its_own_sentence_and_nothing_is_started(
    tmp_path: Path, source: str, environ: dict[str, str], wanted: list[list[str]]
) -> None:
    if "app =" not in source:
        source += "\napp = Lithair().with_model(Cat, './data/cats', '/api/cats')\n"
    status, sentences = run_app(tmp_path, WITNESS + source + SERVE, environ)
    assert status == 2, sentences
    assert len(sentences) == len(wanted), sentences
    for words in wanted:
        assert any(all(word in sentence for word in words) for sentence in sentences), sentences
    assert not any("A PROCESS WAS STARTED" in sentence for sentence in sentences)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.py"]


def test_three_mistakes_in_one_app_are_told_one_after_the_other(tmp_path: Path) -> None:
    """A class that means nothing ends the program where it stands; the rest is told at once."""
    everything = WITNESS + CLASSES + BARE + APP + SERVE
    status, sentences = run_app(tmp_path, everything, UNREADABLE)
    assert (status, len(sentences)) == (2, 1)
    assert "Pinned[str]" in sentences[0]
    status, sentences = run_app(tmp_path, everything.replace(BARE, ""), UNREADABLE)
    assert (status, len(sentences)) == (2, 2)
