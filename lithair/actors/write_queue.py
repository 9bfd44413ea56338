"""The write queue: commands that wait for their batch.

Law: a batch holds no more than one frame of the log carries well, and the commands of one are
decided in some 20 ms at most; reads wait no longer than that.
"""

from typing import Final

from lithair.core.batch_size import BatchSize
from lithair.core.command import Command

COMMANDS_PER_PLAN: Final = 4096
BODY_BYTES_PER_PLAN: Final = 16 << 20  # a frame has 512 MiB at most, defaults make items longer


class WriteQueue:
    """Commands in the order in which they came; `take` gives the next batch."""

    def __init__(self) -> None:
        self._waiting: list[Command] = []
        self._size = BatchSize()
        self.add = self._waiting.append

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> list[Command]:
        """Take those that go to the disk together; at least one, if any."""
        waiting = self._waiting
        size = count = 0
        for command in waiting[: min(self._size.of(len(waiting)), COMMANDS_PER_PLAN)]:
            size += len(command.body)
            count += 1
            if size > BODY_BYTES_PER_PLAN:
                break
        batch = waiting[:count]
        del waiting[:count]
        return batch

    def committed(self, count: int, seconds: float) -> None:
        """Take in that so many are on the disk now, not answered yet, and how long that took."""
        self._size.synced(seconds, count + len(self._waiting))
