"""A backlog: the newest bytes that the readers of an audience share, and where its events end.

Owns offsets: they count the bytes of an audience since it began, so a reader's place is a number,
whatever was dropped before it. Law: every event after `floor` is here, whole; a place that is in
here stays valid until `trim` goes past it.
"""

from bisect import bisect_left, bisect_right

VIEWED_BYTES_MIN = 16 << 10  # less is copied: a view keeps its whole chunk alive


class Backlog:
    """What was sent last, in chunks of whole events."""

    __slots__ = ("__weakref__", "_chunks", "_ends", "_seqs", "_starts", "begin", "end", "floor")

    def __init__(self, seq: int) -> None:
        self.floor = seq  # of the last event that is not here
        self.begin = 0
        self.end = 0
        self._chunks: list[bytes] = []
        self._starts: list[int] = []  # of each chunk
        self._seqs: list[int] = []  # of each event
        self._ends: list[int] = []  # where each event ends

    def __len__(self) -> int:
        return self.end - self.begin

    def append(self, events: list[tuple[int, bytes]]) -> bytes:
        """Add events, each with its seq, as one chunk; gives the chunk."""
        chunk = events[0][1] if len(events) == 1 else b"".join([data for _, data in events])
        end = self.end
        self._starts.append(end)
        self._chunks.append(chunk)
        for seq, data in events:
            end += len(data)
            self._seqs.append(seq)
            self._ends.append(end)
        self.end = end
        return chunk

    def place_after(self, seq: int) -> int | None:
        """Give the place behind the last event up to `seq`; None when some after it are gone."""
        if seq < self.floor:
            return None
        index = bisect_right(self._seqs, seq)
        return self._ends[index - 1] if index else self.begin

    def seq_at(self, place: int) -> int:
        """Give the seq of the last event that ends at a place or before it."""
        index = bisect_right(self._ends, place)
        return self._seqs[index - 1] if index else self.floor

    def at(self, place: int) -> memoryview:
        """Give what follows a place which is not the end: the rest of a chunk."""
        index = bisect_right(self._starts, place) - 1
        return memoryview(self._chunks[index])[place - self._starts[index] :]

    def rest_of_event(self, place: int) -> bytes | memoryview:
        """Give what follows a place which is not the end, up to the end of its event."""
        end = self._ends[bisect_right(self._ends, place)]
        rest = self.at(place)[: end - place]
        return rest if len(rest) >= VIEWED_BYTES_MIN else bytes(rest)

    def trim(self, place: int) -> None:
        """Drop the chunks that lie before a place."""
        index = bisect_right(self._starts, place) - 1
        if place >= self.end:
            index = len(self._chunks)
        if index <= 0:
            return
        begin = self._starts[index] if index < len(self._starts) else self.end
        gone = bisect_left(self._ends, begin + 1)
        if gone:
            self.floor = self._seqs[gone - 1]
        del self._chunks[:index], self._starts[:index]
        del self._seqs[:gone], self._ends[:gone]
        self.begin = begin
