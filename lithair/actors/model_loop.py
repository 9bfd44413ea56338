"""The loop of a model process: drain, decide, hand to the disk, answer; around a pure state.

Law: reads are answered from the committed state, and don't wait for a disk that is known to be slow
(`log_writer`). Writes gather while one batch is being synced, and are decided when it is committed,
all together or half of them (`write_queue`). An answer to a write leaves only after its batch is on
the disk.
"""

import logging
import time
from collections import defaultdict
from functools import partial

import uuid_utils

from lithair.actors.log_writer import LogWriter
from lithair.actors.model_figures import FiguresSource
from lithair.actors.model_jobs import FAILED_HERE, Job, Jobs
from lithair.actors.model_reads import Limits, ModelReads, may_ask, unknown
from lithair.actors.references import References
from lithair.actors.time_travel import PastQuestion, TimeTravel
from lithair.actors.upkeep import MAINTENANCE, Keeper, Upkeep
from lithair.actors.write_queue import WriteQueue
from lithair.core.command import Action, Answer, Command, Outcome, Plan
from lithair.core.model_state import ModelState
from lithair.core.problem import Refusal, problem_of
from lithair.core.reads import Read
from lithair.errors import DamagedLog, LithairError, SchemaChanged, StorageFull
from lithair.process import SYNCING, Child
from lithair.storage.event_log import Appended, EventLog
from lithair.transport.feed import FeedServer
from lithair.transport.request_server import RequestServer
from lithair.transport.sockets import Waiter
from lithair.wire.messages import ReadRequest, Reply, WriteRequest
from lithair.wire.protocol import Verb

MESSAGES_PER_TURN = 256  # so that one turn stays short even when every client sends at once
SLICE_S = 0.001  # what a long read may take between two looks at the socket
IDLE_MS = 250  # how often an idle loop looks at deadlines
PARKED_MS = 20  # the same while writes wait for other models
NOBODY = b""  # asked for by the process itself, which needs no answer

log = logging.getLogger(__name__)


def monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class ModelLoop:
    """Serves one model until it is told to stop."""

    def __init__(
        self,
        child: Child,
        state: ModelState,
        event_log: EventLog,
        server: RequestServer,
        writer: LogWriter,
        limits: Limits,
    ) -> None:
        self.references: References | None = None
        self.upkeep = Upkeep(state)
        self._feed: FeedServer | None = None
        self._child = child
        self._state = state
        self._log = event_log
        self._server = server
        self._writer = writer
        self._waiting = WriteQueue()
        self._plan: Plan | None = None
        self._kept_seq = 0  # up to which upkeep has seen what was written
        self._has_upkeep = False  # there is more of it to do at once
        self._submitted_s = 0.0  # when its batch was handed to the disk
        self._replies: defaultdict[bytes, list[Reply]] = defaultdict(list)
        self.jobs = Jobs(self._answer_job)
        self.figures = FiguresSource(child, state, event_log)
        self._counting = self.figures.counting
        self._reads = ModelReads(self.figures, state, event_log, self.jobs, limits)
        self._waiter = Waiter()
        self._waiter.watch(server.socket)
        self._waiter.watch(writer.fileno())
        self._waiter.watch(child.stop_fd)

    def run(self) -> None:
        """Turn until the process has to stop and everything taken on is answered."""
        child = self._child
        while True:
            self._waiter.wait(self._wait_ms())
            now_ms = monotonic_ms()
            self._take_committed()
            if not child.stopping:
                self._receive(now_ms)
            self._decide(now_ms)
            self._advance_jobs()
            self._keep_up(now_ms)
            self._tend_references(now_ms)
            self._send()
            if self._reads.late:
                self._answer_late()
            if self._feed is not None:
                self._feed.beat(self._state.seq, now_ms)
            self._report()
            if child.stopping and not child.pending and not self._parked():
                return

    def _report(self) -> None:
        """Say how it goes: while a batch is with the disk, only the disk's answer is progress."""
        child = self._child
        reads = bool(self.jobs) or bool(self._reads.past)
        child.pending = bool(self._waiting) or self._writer.is_busy or reads
        child.detail = SYNCING if self._writer.is_busy else ""
        if not self._writer.is_busy:
            child.progress += 1

    def _wait_ms(self) -> int:
        if self.jobs or self._has_upkeep or self._server.has_released():
            return 0
        if self._waiting and self._plan is None:
            return 0  # the other half: no disk's answer will wake us for it
        return PARKED_MS if self._parked() else IDLE_MS

    # Requests

    def _receive(self, now_ms: int) -> None:
        for peer, requests in self._server.receive(MESSAGES_PER_TURN):
            for request in requests:
                if 0 < request.deadline_ms < now_ms:
                    late = Refusal(504, "The time for this request was up before its turn came")
                    self._refuse(peer, request.request_id, late)
                elif isinstance(request, WriteRequest):
                    self._take_write(peer, request)
                else:
                    self._take_read(peer, request)

    def _take_write(self, peer: bytes, request: WriteRequest) -> None:
        request_id, verb, deadline_ms, access, command_id, key, body, if_match, hashes = request
        action = ACTIONS.get(verb)
        try:
            if action is None or not may_ask(self._state.views[access], request):
                raise unknown(request)
        except LithairError as error:
            self._refuse(peer, request_id, error)
            return
        self._counting.writes += 1
        self._waiting.add(
            Command(
                action=action,
                command_id=command_id,
                key=key,
                body=body,
                access=access,
                if_match=if_match,
                idempotency=hashes,
                deadline_ms=deadline_ms,
                reply_to=(peer, request_id),
            )
        )

    def _answer_late(self) -> None:
        """Answer the reads whose items the disk was asked for in this turn, all of them at once."""
        late, self._reads.late = self._reads.late, []
        for peer, request in late:
            self._take_read(peer, request, is_late=True)
        self._send()

    def _take_read(self, peer: bytes, request: ReadRequest, *, is_late: bool = False) -> None:
        take = self._reads.take_late if is_late else self._reads.take
        try:
            if request.verb in MAINTENANCE and may_ask(self._state.views[request.access], request):
                self.upkeep.take(request, partial(self._reply, peer, request.request_id))
                return
            read = take(peer, request)
        except LithairError as error:
            if isinstance(error, DamagedLog | SchemaChanged):  # of which the caller hears less
                log.error("%s", error)
            self._refuse(peer, request.request_id, error)
            return
        except Exception:  # a mistake of ours costs this read, not the process and all its callers
            log.exception("a read failed: verb %d", request.verb)
            self._refuse(peer, request.request_id, Refusal(500, FAILED_HERE))
            return
        if read is not None:
            self._reply(peer, request.request_id, read)

    # Writes

    def _decide(self, now_ms: int) -> None:
        """Decide what has gathered, unless a batch is still with the disk."""
        if not self._waiting or self._plan is not None:
            return
        batch = self._waiting.take()
        wall_ms = time.time_ns() // 1_000_000
        try:
            plan = self._state.decide(batch, wall_ms, new_id)
        except Exception:  # a mistake of ours costs the command it is about, not all of them
            log.exception("a batch could not be decided")
            plan = self._state.decide(self._decidable(batch, wall_ms), wall_ms, new_id)
        if plan.parked:
            assert self.references is not None, "a model without references has parked a command"
            self.references.park(plan.parked, now_ms)
        self._plan = plan
        if not plan.events:
            self._commit(Appended([]))
            return
        self._submitted_s = time.monotonic()
        self._child.pending, self._child.detail = True, SYNCING
        done = self._writer.submit(plan.events)
        if done is None:
            return
        seconds = time.monotonic() - self._submitted_s
        self._child.detail = ""
        if not self._child.stopping:
            self._receive(monotonic_ms())  # what came meanwhile tells how many are unanswered
            self._has_upkeep = True  # some of it may be upkeep's, which may have had its turn
        self._take(done, seconds)

    def _decidable(self, batch: list[Command], wall_ms: int) -> list[Command]:
        """Give the commands that can be decided; the others are refused."""
        decidable: list[Command] = []
        for command in batch:
            try:
                self._state.decide([command], wall_ms, new_id)
            except Exception:
                log.exception("a write failed: %s", command.action.name)
                self.refuse(command, Refusal(500, FAILED_HERE))
            else:
                decidable.append(command)
        return decidable

    def _take_committed(self) -> None:
        done = self._writer.take()
        if done is not None:
            self._take(done, time.monotonic() - self._submitted_s)

    def _take(self, done: Appended | LithairError, seconds: float) -> None:
        """Take in what became of the batch that the disk had for so long."""
        if isinstance(done, Appended):
            assert self._plan is not None
            kinds = [event.kind for event in self._plan.events]
            self._counting.committed(kinds, seconds)
            self._waiting.committed(len(self._plan.outcomes), seconds)
            self._commit(done)
        elif isinstance(done, StorageFull):
            assert self._plan is not None
            plan, self._plan = self._plan, None
            self._answer(self._state.abandon(plan, done), self._state.seq)
        else:
            raise done  # a failed sync, or ours: nothing is answered, the next start asks the disk

    def _commit(self, appended: Appended) -> None:
        """Answer what is on the disk, then take it in: gateways work on the answers meanwhile."""
        assert self._plan is not None
        plan, self._plan = self._plan, None
        answers = self._state.answers(plan)
        for index, outcome in enumerate(plan.outcomes):
            if outcome.fault is not None:
                log.error("a hook of %s failed", self._child.name, exc_info=outcome.fault)
            if outcome.repeat_of:
                answers[index] = self._repeat(outcome)
        self._answer(answers, plan.events[-1].seq if plan.events else self._state.seq)
        self._send()
        self._state.commit(plan, appended.placed)
        if self._feed is not None and plan.events:
            self._feed.publish(plan.events, monotonic_ms())
        self._state.tables.tidy()  # last: of a large table it takes a second

    def _repeat(self, outcome: Outcome) -> Answer:
        """Answer a command that was carried out before from its records in the log."""
        try:
            found = self._log.command_events(outcome.repeat_of)
            if not found:
                raise Refusal(410, "This was done before; its answer is not kept any more")
            events = [self._state.present(event) for event in found]
        except LithairError as error:
            if error.status >= 500:
                log.error("%s", error)
            return Answer(outcome.command, error.status, problem_of(error))
        return self._state.repeat(outcome.command, events)

    def _answer(self, answers: list[Answer], seq: int) -> None:
        replies, references = self._replies, self.references
        for answer in answers:
            peer, request_id = answer.command.reply_to
            replies[peer].append(
                Reply(request_id, answer.status, answer.body, seq, answer.item_seq, answer.key)
            )
            if references is not None:
                references.forget(answer.command)

    # The feed

    def publish_to(self, feed: FeedServer) -> None:
        """Tell every committed event to whoever listens, after its answer."""
        self._feed = feed

    # Upkeep

    def look_back_with(self, past: TimeTravel) -> None:
        """Have lists of the past answered by errands."""
        self._reads.past = past
        self.tend(past)

    def answer_past(self, question: PastQuestion, read: Read) -> None:
        self._reply(question.peer, question.request_id, read)

    def tend(self, keeper: Keeper) -> None:
        """Give long work on the model's files its turns."""
        self._waiter.watch(keeper.fileno())
        self.upkeep.tend(keeper)

    def _keep_up(self, now_ms: int) -> None:
        """Evict and compact, a little at a time."""
        seq = self._state.seq
        has_written = self._has_upkeep or seq != self._kept_seq
        self._kept_seq = seq
        self._has_upkeep = self.upkeep.turn(now_ms, has_written=has_written)

    # References

    def watch_references(self, references: References) -> None:
        self.references = references

    def resume(self, command: Command) -> None:
        """Take a command back whose references are known now, or one of this process's own."""
        self._waiting.add(command)

    def refuse(self, command: Command, refusal: Refusal) -> None:
        answer = Answer(command, refusal.status, problem_of(refusal))
        self._answer([answer], self._state.seq)

    def _parked(self) -> int:
        return len(self.references) if self.references is not None else 0

    def _tend_references(self, now_ms: int) -> None:
        if self.references is None:
            return
        for client in self.references.clients:
            self._waiter.watch(client.socket)
            client.receive(now_ms)
        self.references.tick(now_ms)
        self._decide(now_ms)

    # Answers

    def _advance_jobs(self) -> None:
        """Work on long reads for a moment, less when a request arrives."""
        if not self.jobs:
            return
        end = time.perf_counter() + SLICE_S
        while self.jobs and time.perf_counter() < end:
            self.jobs.advance(monotonic_ms())
            if self._server.has_pending():
                return

    def _answer_job(self, job: Job, read: Read) -> None:
        self._reply(job.peer, job.request_id, read)

    def _reply(self, peer: bytes, request_id: int, read: Read) -> None:
        self._replies[peer].append(
            Reply(
                request_id,
                read.status,
                read.body,
                read.seq or self._state.seq,
                read.item_seq,
                read.key,
            )
        )

    def _refuse(self, peer: bytes, request_id: int, error: LithairError) -> None:
        self._reply(peer, request_id, Read(error.status, problem_of(error)))

    def _send(self) -> None:
        self._replies.pop(NOBODY, None)
        for peer, replies in self._replies.items():
            self._server.send(peer, replies)
        self._replies.clear()


def new_id() -> str:
    """Make the id of an item that came without one: a UUIDv7, so ids sort by time (RFC 9562)."""
    return str(uuid_utils.uuid7())


ACTIONS: dict[int, Action] = {
    verb: Action[verb.name] for verb in Verb if verb.name in Action.__members__
}
