"""A request that waits for its answer.

Law: `on_reply` is called at most once; None means that it was answered or cancelled.
"""

from collections.abc import Callable, Sequence

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


class Pending:
    """One request as it stands on the wire, and what is known of its way."""

    __slots__ = (
        "deadline_ms", "deaths", "is_sent", "on_reply", "request", "request_id", "seen_ms", "size",
        "verb",
    )  # fmt: skip

    def __init__(
        self,
        request: tuple[int, int, int, *tuple[object, ...]],
        on_reply: Callable[[Reply], None],
        size: int,
    ) -> None:
        self.request = request
        self.request_id, self.verb, self.deadline_ms = request[:3]
        self.on_reply: Callable[[Reply], None] | None = on_reply
        self.size = size
        self.is_sent = False  # to a process that had answered, in its present life
        self.deaths = 0
        self.seen_ms = 0  # when a tick first found it the oldest one


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
