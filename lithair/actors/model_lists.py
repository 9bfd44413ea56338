"""Lists and counts of a model: answered again, or worked out beside what was selected before.

Law: an answer is the one that looking at every item would give, at the seq it carries.
"""

from lithair.actors.model_jobs import ListWork, Work
from lithair.core.kept_lists import Asked, KeptLists
from lithair.core.model_state import ModelState
from lithair.core.query import Query
from lithair.core.reads import Read
from lithair.core.selection import Selections


class ModelLists:
    """What is kept ready of one model's lists."""

    def __init__(self, state: ModelState, list_bytes_max: int) -> None:
        self.kept = KeptLists(state.tables)
        self.selections = Selections(state.tables)
        self._state = state
        self._list_bytes_max = list_bytes_max

    def find(self, asked: Asked) -> Read | None:
        """Give an answer that was given before and is still true."""
        return self.kept.find(asked)

    def query(self, asked: Asked) -> Query:
        """Understand a question; raises `Refusal` 400."""
        query = self.kept.query(asked)
        if query is None:
            queries = self._state.views[asked.access].queries
            query = queries.read(asked.pairs, for_count=asked.is_count)
        return query

    def work(self, asked: Asked, query: Query) -> Work:
        """Give what works an answer out."""
        list_bytes_max = None if asked.is_count else self._list_bytes_max
        work = ListWork(self._state, query, asked.access, list_bytes_max, self.selections)
        return KeptWork(work, asked, query, self)

    def keep(self, asked: Asked, query: Query, read: Read) -> None:
        self.kept.keep(asked, query, read, self._state.seq)


class KeptWork:
    """Work whose answer is kept."""

    def __init__(self, work: Work, asked: Asked, query: Query, lists: ModelLists) -> None:
        self._work = work
        self._asked = asked
        self._query = query
        self._lists = lists

    def step(self) -> Read | None:
        read = self._work.step()
        if read is not None:
            self._lists.keep(self._asked, self._query, read)
        return read

    def close(self) -> None:
        self._work.close()
