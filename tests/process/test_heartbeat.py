"""What a child says of itself arrives in the order in which it happened."""

import os
import threading

from lithair import Lithair
from lithair.actors.channel import Beat, Channel, Told, open_channel
from lithair.actors.heartbeat import Heartbeat
from lithair.process import Child

PHASES = 2000


def test_an_old_phase_never_arrives_after_a_new_one() -> None:
    """The main thread says a phase while the heartbeat's thread is about to repeat the last one."""
    ours, theirs = open_channel()
    heartbeat = Heartbeat(Channel(theirs), os.getppid())
    is_over = threading.Event()

    def beat() -> None:
        while not is_over.is_set():
            heartbeat._beat()

    thread = threading.Thread(target=beat)
    heard: list[int] = []
    thread.start()
    try:
        for number in range(PHASES):
            heartbeat.phase(str(number), "")
            heard += [
                int(m.phase) for m in ours.receive() if isinstance(m, Beat) and m.phase.isdigit()
            ]
    finally:
        is_over.set()
        thread.join()
    assert heard == sorted(heard)
    assert len(set(heard)) > PHASES // 100
    ours.close()
    theirs.close()


def test_figures_are_told_when_they_have_changed_and_only_then() -> None:
    ours, theirs = open_channel()
    heartbeat = Heartbeat(Channel(theirs), os.getppid())
    child = Child("gateway", "gateway-0", Lithair().declaration({}, {}), "", [], heartbeat)
    heartbeat.watch(child)

    def told(*figures: dict[str, object]) -> list[dict[str, object]]:
        for one in figures:
            child.figures = lambda one=one: one
            heartbeat._tell()
        return [message.figures for message in ours.receive() if isinstance(message, Told)]

    heartbeat._tell()
    assert told() == []
    assert told({"n": 1}, {"n": 1}, {"n": 2}, {"n": 2}) == [{"n": 1}, {"n": 2}]
    ours.close()
    assert told({"n": 3}) == [], "nobody hears it, and nothing is raised"
    os.close(child.stop_fd)
    theirs.close()
