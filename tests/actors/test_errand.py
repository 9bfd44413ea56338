"""Errands in real processes: their last word, their end, and what becomes of them alone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lithair.actors.errand import CompactTask, Done, Errand, Failed, start_errand
from lithair.app import Lithair
from lithair.core.compaction import CompactionPlan
from tests.actors.serving import Note
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("no_leaks")

PARENT = """
import os, psutil, signal, sys
from pathlib import Path
from tests.actors.test_errand import begun
errand = begun(Path(sys.argv[1]))
while psutil.Process(errand.pid).nice() < 10:
    pass  # it has not come to give way yet, nor to ask for its own death
os.kill(errand.pid, signal.SIGSTOP)
print(errand.pid, flush=True)
signal.pause()
"""


def begun(directory: Path) -> Errand:
    """Start an errand whose log is not there."""
    declaration = Lithair().with_model(Note, directory, "/api/notes").declaration({}, {})
    task = CompactTask(str(directory / "nothing"), CompactionPlan(1, 1))
    return start_errand(declaration, "notes", "compaction of notes", task)


def last_word(errand: Errand) -> Done | Failed:
    words: list[Done | Failed] = []

    def look() -> bool:
        word = errand.poll()
        words.extend([word] if word else [])
        return bool(words)

    wait_until(look, "the errand's last word", 30)
    return words[0]


def test_an_errand_says_why_it_failed_in_a_sentence(tmp_path: Path) -> None:
    errand = begun(tmp_path)
    word = last_word(errand)
    assert isinstance(word, Failed)
    assert str(tmp_path / "nothing") in word.sentence
    errand.kill()
    errand.kill()  # as often as one likes


def test_an_errand_gives_way_to_those_who_serve(tmp_path: Path) -> None:
    errand = begun(tmp_path)
    process = psutil.Process(errand.pid)
    wait_until(lambda: process.nice() >= 10, "its low priority", 30)
    last_word(errand)
    errand.kill()


def test_the_end_of_a_killed_errand_is_its_last_word(tmp_path: Path) -> None:
    errand = begun(tmp_path)
    os.kill(errand.pid, signal.SIGSTOP)
    assert errand.poll() is None
    os.kill(errand.pid, signal.SIGKILL)
    word = last_word(errand)
    assert isinstance(word, Failed)
    assert "SIGKILL" in word.sentence
    errand.kill()


def test_an_errand_that_is_given_up_is_gone_at_once(tmp_path: Path) -> None:
    errand = begun(tmp_path)
    os.kill(errand.pid, signal.SIGSTOP)
    errand.kill()
    assert not psutil.pid_exists(errand.pid)


def test_an_errand_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not alive(pid), "the errand to be gone")


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
