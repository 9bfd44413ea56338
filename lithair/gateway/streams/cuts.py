"""Cuts of a model, for its readers: who asks while one is fresh shares it.

    cut = await cuts.open(onlooker)         Problem 503 when it can't be made now
    cursor = 0
    while cursor is not None:
        events, cursor = await cut.read(cursor)         whole events, some 64 KiB
        ...                                             sent at the reader's own pace
    cut.release()                                       always, however it ended
    ...                                                 `event: live`, then what follows cut.seq
"""

from lithair.gateway.streams.cut_source import CutSource, Onlooker


class Cut:
    """The items that an onlooker sees, as they were at `seq`."""

    seq: int

    async def read(self, cursor: int) -> tuple[bytes, int | None]:
        """Give whole `snapshot` events and where to read on; None at the end."""
        raise NotImplementedError

    def release(self) -> None:
        """Say that this reader has done with it."""
        raise NotImplementedError


class Cuts:
    """The cuts of one model in one gateway; `directory` is where long ones are kept."""

    def __init__(self, source: CutSource, directory: str) -> None:
        raise NotImplementedError

    async def open(self, onlooker: Onlooker) -> Cut:
        """Give a cut that is at most some seconds old; raises Problem 503."""
        raise NotImplementedError

    def forget(self) -> None:
        """The log is another one than before: no cut of it is given out any more."""
        raise NotImplementedError

    def close(self) -> None:
        """Give up what is being made."""
        raise NotImplementedError
