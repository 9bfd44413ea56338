"""What a child says of itself arrives in the order in which it happened."""

import os
import threading

from lithair.actors.channel import Beat, Channel, open_channel
from lithair.actors.heartbeat import Heartbeat

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
