"""Batch size: how many of the writes that wait go to the disk together.

Owns the one number a group commit has to choose. Who waits for an answer sends nothing meanwhile:
where one batch takes all there is, the disk and the clients work by turns. So a batch takes half of
the most that were lately unanswered at once: the clients of one half work on their answers while
the disk has the other. Law: a batch takes something of what waits, and all of it where a sync is so
slow that one for all is worth more than what the halves gain.

    all at once    model |decide   answer|                |decide   answer|
                   disk         |sync|                           |sync|
    by halves      model |decide a  answer a, decide b  answer b, decide a ...
                   disk           |sync a|          |sync b|
"""

from typing import Final

SMALL: Final = 8  # what a batch costs by itself is more than halves of so few gain
FORGOTTEN: Final = 0.001  # of how many were unanswered, with each batch
NEWS: Final = 0.1  # the weight of the last sync in their mean
# What a write costs model, gateway and client of one machine, roughly: a sync is slow when it takes
# longer than all of these for as many as wait.
WRITE_S: Final = 20e-6


class BatchSize:
    """Chooses how many go together, by how many are unanswered at once and how long syncs take."""

    def __init__(self) -> None:
        self._most = 0.0  # unanswered at once, lately
        self._sync_s = 0.0

    def of(self, waiting: int) -> int:
        """Give how many of those that wait are taken now; at least one, if any."""
        self._most = max(self._most, waiting)
        if waiting <= SMALL or self._sync_s > self._most * WRITE_S:
            return waiting
        return min(waiting, max(SMALL, round(self._most / 2)))

    def synced(self, seconds: float, unanswered: int) -> None:
        """Take in how long the disk had a batch, and how many wait with it for their answers."""
        self._most = max(unanswered, self._most + FORGOTTEN * (unanswered - self._most))
        self._sync_s += NEWS * (seconds - self._sync_s)
