"""What the command line asks of a listener's process by files: to try dead letters again.

Law: a dead letter that the listener handles now is erased, one that it fails at stays; each is
tried once. A request is over when all that it names were tried.
"""

import logging

from lithair.actors.hearing import Hearing, fact_of
from lithair.process import Child
from lithair.storage.dead_letters import DeadLetters
from lithair.storage.listener_files import ListenerFiles

log = logging.getLogger(__name__)


class ListenerRequests:
    """Carries out the requests about one listener."""

    def __init__(
        self, child: Child, hearing: Hearing, files: ListenerFiles, letters: DeadLetters
    ) -> None:
        self.failures = 0
        self._child = child
        self._hearing = hearing
        self._files = files
        self._letters = letters

    def carry_out(self) -> None:
        """Do what is asked for, if anything is."""
        if self._files.take_recount():
            self._letters.recount()
        asked = self._files.replay()
        if asked is None:
            return
        for line in self._letters.lines():
            if self._child.stopping:
                return  # the rest in the next life
            letter = line.letter
            if asked.seqs and letter.seq not in asked.seqs:
                continue
            try:
                self._hearing.hear(fact_of(letter))
            except Exception:  # the loop of this process: the letter stays
                self.failures += 1
                log.exception("failed again at the dead letter of event %d", letter.seq)
            else:
                self._letters.erase(line)
            self._child.progress += 1
        self._files.end_replay()
