"""A model process tells its events to whoever listens, once they are committed."""

import contextlib
from pathlib import Path

from lithair.app import Lithair
from lithair.transport.feed import FeedClient
from lithair.transport.sockets import feed_endpoint
from lithair.wire.messages import FeedEvent
from lithair.wire.protocol import Verb
from tests.actors.serving import Note, Served
from tests.support.simulated_files import Failure, SimulatedFiles
from tests.support.waiting import wait_until


def test_events_are_told_with_the_state_before_and_only_when_committed(tmp_path: Path) -> None:
    disk = SimulatedFiles()
    app = Lithair().with_model(Note, "/data", "/api/notes")
    served = Served(app, "notes", tmp_path, disk)
    try:
        with contextlib.closing(FeedClient(feed_endpoint(str(tmp_path), "notes"))) as feed:
            wait_until(feed.receive, "the first beat")
            served.write(Verb.CREATE, {"id": "a", "text": "old"})
            disk.failures = [Failure(28, "write")]  # no room: 507, and nothing happened
            assert served.write(Verb.CREATE, {"id": "never"}).status == 507
            served.write(Verb.PATCH, {"text": "new"}, "a")
            served.write(Verb.DELETE, key="a")
            events: list[FeedEvent] = []

            def has_all() -> bool:
                events.extend(e for batch in feed.receive() for e in batch.events)
                return len(events) >= 3

            wait_until(has_all, "three events")
    finally:
        served.stop()
    old, new = b'{"id":"a","text":"old"}', b'{"id":"a","text":"new"}'
    told = [(e.seq, e.kind, e.key, e.payload, e.before) for e in events]
    assert told == [(1, 1, "a", old, b""), (2, 2, "a", new, old), (3, 3, "a", new, new)]
