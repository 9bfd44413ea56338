"""Lists that were answered, to be answered again as long as nothing was written.

Law: an answer is given again at the very seq that it was true at, to whoever may see the same. One
write, and all of them are forgotten: nothing here has to know which of them it concerns.
"""

from typing import Final, NamedTuple

from lithair.core.reads import Read

BYTES_MAX: Final = 4 << 20  # of one model; some hundred pages
ANSWER_BYTES_MAX: Final = 256 << 10  # a longer one costs more to send than to make
QUESTION_BYTES: Final = 512  # what keeping an answer costs beside its body and its words, about
QUESTION_CHARACTERS_MAX: Final = 2048  # of its words; a longer one is hardly asked again


class Asked(NamedTuple):
    """A question that has one answer at one seq; the access says who may see what."""

    access: str
    pairs: tuple[tuple[str, str], ...]
    is_count: bool


class KeptLists:
    """The answers of one model at its present seq."""

    def __init__(self) -> None:
        self._seq = 0
        self._bytes = 0
        self._answers: dict[Asked, Read] = {}

    def find(self, asked: Asked, seq: int) -> Read | None:
        """Give an answer that is true at `seq`, the model's present one."""
        if seq != self._seq:
            self._forget(seq)
            return None
        return self._answers.get(asked)

    def keep(self, asked: Asked, read: Read, seq: int) -> None:
        """Take in an answer; `seq` is the model's present one."""
        if seq != self._seq:
            self._forget(seq)
        words = sum(len(name) + len(value) for name, value in asked.pairs)
        if words > QUESTION_CHARACTERS_MAX or len(read.body) > ANSWER_BYTES_MAX:
            return
        if read.status != 200 or (read.seq and read.seq != seq):
            return
        # A character of text has four bytes at most.
        size = len(read.body) + 4 * words + QUESTION_BYTES * (1 + len(asked.pairs))
        if self._bytes + size > BYTES_MAX:
            self._forget(seq)
        self._answers[asked] = read._replace(seq=seq)
        self._bytes += size

    def _forget(self, seq: int) -> None:
        self._seq = seq
        self._bytes = 0
        self._answers.clear()
