"""Lists that were answered, to be answered again as long as nothing they tell of was written.

Law: an answer is given again as long as the section of the items that it can tell of (see
`section`) stands still, and to whoever may see the same. What was understood of its question is
kept beside it, and is good for ever.
"""

from typing import Final, NamedTuple

from lithair.core.choice import section_of
from lithair.core.query import Query, bytes_of_tests
from lithair.core.reads import Read
from lithair.core.section import SECTION_BYTES, Section
from lithair.core.tables import Tables

BYTES_MAX: Final = 4 << 20  # of one model; some hundred pages
ANSWER_BYTES_MAX: Final = 256 << 10  # a longer one costs more to send than to make
QUESTION_BYTES: Final = 512  # what keeping an answer costs beside its body and its words, about
QUESTION_CHARACTERS_MAX: Final = 2048  # of its words; a longer one is hardly asked again


class Asked(NamedTuple):
    """A question that has one answer at one seq; the access says who may see what."""

    access: str
    pairs: tuple[tuple[str, str], ...]
    is_count: bool


class KeptList(NamedTuple):
    """An answer and what it is true of."""

    query: Query
    read: Read
    section: Section
    writes: int  # of the section, up to which it is true
    bytes: int


class KeptLists:
    """The answers of one model, those that were made first first."""

    def __init__(self, tables: Tables) -> None:
        self.bytes = 0
        self._tables = tables
        self._lists: dict[Asked, KeptList] = {}

    def __len__(self) -> int:
        return len(self._lists)

    def find(self, asked: Asked) -> Read | None:
        """Give an answer that is true now."""
        kept = self._lists.get(asked)
        return kept.read if kept is not None and kept.section.writes == kept.writes else None

    def query(self, asked: Asked) -> Query | None:
        """Give what a question was understood as."""
        kept = self._lists.get(asked)
        return None if kept is None else kept.query

    def keep(self, asked: Asked, query: Query, read: Read, seq: int) -> None:
        """Take in an answer; `seq` is the model's present one."""
        if query.as_of is not None:  # a time to come, which will be past: nothing to be kept for
            return
        words = sum(len(name) + len(value) for name, value in asked.pairs)
        if words > QUESTION_CHARACTERS_MAX or len(read.body) > ANSWER_BYTES_MAX:
            return
        if read.status != 200 or (read.seq and read.seq != seq):
            return
        self._let_go(self._lists.pop(asked, None))
        # A character of text has four bytes at most.
        size = len(read.body) + 4 * (words + len(asked.access)) + bytes_of_tests(query.tests)
        size += QUESTION_BYTES * (1 + len(asked.pairs)) + SECTION_BYTES
        while self.bytes + size > BYTES_MAX:
            self._let_go(self._lists.pop(next(iter(self._lists))))
        # Where `after` stands is told by an item that may be of another section.
        tests = query.tests if query.after is None else ()
        section = section_of(self._tables, tests)
        self._lists[asked] = KeptList(query, read._replace(seq=0), section, section.writes, size)
        self.bytes += size

    def _let_go(self, kept: KeptList | None) -> None:
        if kept is not None:
            self.bytes -= kept.bytes
            self._tables.sections.release(kept.section)
