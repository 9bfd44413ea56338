"""A request that waits for its answer.

Law: `on_reply` is called at most once; None means that it was answered or cancelled.
"""

from collections.abc import Callable, Sequence

import msgspec

from lithair.wire.messages import IfMatch, Reply

Pairs = Sequence[tuple[str, str]]
Asked = (
    str
    | int
    | Sequence[str]
    | Sequence[int]
    | Pairs
    | tuple[str, Pairs]
    | tuple[int, int, Pairs]
    | None
)
Command = tuple[bytes, str, bytes, IfMatch, bytes]  # a `Write`, or what is in it in its order


class Pending(msgspec.Struct, eq=False):
    """One request as it stands on the wire, and what is known of its way."""

    request: tuple[int, int, int, *tuple[object, ...]]
    on_reply: Callable[[Reply], None] | None
    size: int
    is_sent: bool = False  # to a process that had answered, in its present life
    deaths: int = 0
    seen_ms: int = 0  # when a tick first found it the oldest one

    @property
    def request_id(self) -> int:
        return self.request[0]

    @property
    def verb(self) -> int:
        return self.request[1]

    @property
    def deadline_ms(self) -> int:
        return self.request[2]


def size_of(argument: Asked | tuple[str, str]) -> int:
    """Give about how many bytes an argument takes on the wire, rather too many than too few."""
    if isinstance(argument, str):
        return len(argument) if argument.isascii() else 4 * len(argument)
    if argument is None or isinstance(argument, int):
        return 8
    size = 8
    for each in argument:
        if isinstance(each, tuple):  # nearly always a pair of plain texts: no call for each
            size += 8
            for text in each:
                plain = isinstance(text, str) and text.isascii()
                size += len(text) if plain else size_of(text)
        else:
            size += size_of(each)
    return size
