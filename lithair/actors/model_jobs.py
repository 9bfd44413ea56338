"""Jobs: reads that take more than a moment, worked off in slices between requests.

Law: at most `RUNNING_MAX` run at a time and no slice outlasts the clock by more than one step, so
that a long scan delays nobody; a job whose time is up or whose client is gone is given up.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

import msgspec

from lithair.core import reads
from lithair.core.model_state import ModelState
from lithair.core.page import Page, page_at_once
from lithair.core.problem import Refusal, problem_of
from lithair.core.query import Query
from lithair.core.reads import Read
from lithair.core.scan import Scan
from lithair.core.selection import Selections
from lithair.errors import DamagedLog, LithairError, SchemaChanged

log = logging.getLogger(__name__)

FAILED_HERE = "The server failed at this request; its log says more"
RUNNING_MAX = 2  # each holds what it has found so far; more at a time would only slow each other
WAITING_MAX = 4096  # some seconds of work; past it callers had better come back


class Work(Protocol):
    """A read in steps."""

    def step(self) -> Read | None:
        """Do a little; gives the answer when it is done. May raise `LithairError`."""
        ...

    def close(self) -> None: ...


class ListWork:
    """A list or a count over the committed state."""

    def __init__(
        self,
        state: ModelState,
        query: Query,
        access: str,
        list_bytes_max: int | None,
        selections: Selections | None = None,
    ) -> None:
        self._state = state
        self._query = query
        self._access = access
        self._list_bytes_max = list_bytes_max  # None: only count
        self._scan = Scan(state.tables, state.payload, query, selections)
        self._page: Page | None = None

    def step(self) -> Read | None:
        if self._page is None:
            found = self._scan.advance()
            if found is None:
                return None
            if self._list_bytes_max is None:
                return reads.count(found)
            asked = self._state, found, self._query, self._access, self._list_bytes_max
            read = page_at_once(*asked)
            if read is not None:
                return read
            self._page = Page(*asked)
        return self._page.advance()

    def close(self) -> None:
        self._scan.close()


class RandomWork:
    """The id of one of the items that a caller has of its own."""

    def __init__(self, state: ModelState, query: Query, draw: float) -> None:
        self._state = state
        self._draw = draw
        self._scan = Scan(state.tables, state.payload, query)

    def step(self) -> Read | None:
        found = self._scan.advance()
        return None if found is None else reads.random_of(self._state, found, self._draw)

    def close(self) -> None:
        self._scan.close()


class Job(msgspec.Struct):
    """One piece of work and whom its answer is for; `number` counts those that were taken on."""

    peer: bytes
    request_id: int
    deadline_ms: int
    work: Work
    number: int = 0


class Jobs:
    """The queue of reads in steps."""

    def __init__(self, answer: Callable[[Job, Read], None]) -> None:
        self._answer = answer
        self._running: deque[Job] = deque()
        self._waiting: deque[Job] = deque()
        self.begun = 0  # how many jobs were ever begun

    def are_over(self, number: int) -> bool:
        """Tell whether the first `number` jobs are: nobody reads by what they found any more."""
        return all(job.number > number for job in self._running)

    def __bool__(self) -> bool:
        return bool(self._running)

    def add(self, job: Job) -> None:
        """Take on a job and do its first step at once: most are done by then."""
        if len(self._running) < RUNNING_MAX:
            self.begun += 1
            job.number = self.begun
            if not self._step(job):
                self._running.append(job)
        elif len(self._waiting) < WAITING_MAX:
            self._waiting.append(job)
        else:
            raise Refusal(503, "Too many long reads are waiting; try again in a moment")

    def advance(self, now_ms: int) -> None:
        """Do one step of the job whose turn it is."""
        job = self._running.popleft()
        if job.deadline_ms and now_ms > job.deadline_ms:
            job.work.close()
            self._finish(job, Refusal(504, "The time for this request is up"))
        elif not self._step(job):
            self._running.append(job)
        while self._waiting and len(self._running) < RUNNING_MAX:
            self.add(self._waiting.popleft())

    def cancel(self, peer: bytes, request_id: int) -> None:
        """Give up a job that nobody waits for any more."""
        for jobs in (self._running, self._waiting):
            for job in jobs:
                if job.request_id == request_id and job.peer == peer:
                    job.work.close()
                    jobs.remove(job)
                    return

    def _step(self, job: Job) -> bool:
        """Do one step; tells whether the job is done."""
        try:
            read = job.work.step()
        except LithairError as error:
            if isinstance(error, DamagedLog | SchemaChanged):  # of which the caller hears less
                log.error("%s", error)
            job.work.close()
            self._finish(job, error)
            return True
        except Exception:  # a mistake of ours costs this read, not the process and all its callers
            log.exception("a long read failed")
            job.work.close()
            self._finish(job, Refusal(500, FAILED_HERE))
            return True
        if read is None:
            return False
        self._answer(job, read)
        return True

    def _finish(self, job: Job, error: LithairError) -> None:
        self._answer(job, Read(error.status, problem_of(error)))
