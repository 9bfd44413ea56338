"""What a model process lets callers with a role ask, over its real sockets."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lithair.actors.model_reads import OF_ROLES
from lithair.app import Lithair
from lithair.core.grants import Grants
from lithair.wire.messages import Argument
from lithair.wire.protocol import PUBLIC, WRITES, Verb
from tests.actors.serving import Note, Served
from tests.support.simulated_files import SimulatedFiles

READS: dict[Verb, Argument] = {
    Verb.EVENTS: (0, 10),
    Verb.EXISTS: ("a",),
    Verb.STATS: None,
    Verb.COMPACT: (),
    Verb.BACKUP: "/backup",
    Verb.PURGE: "a",
}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    app = Lithair().with_model(Note, "/data", "/api/notes")
    served = Served(app, "notes", tmp_path, SimulatedFiles())
    served.write(Verb.CREATE, {"id": "a", "text": "seen"})
    served.access = Grants(unreadable=("text",)).access
    yield served
    served.stop()


def test_a_role_asks_for_items_and_for_nothing_else(served: Served) -> None:
    for verb, argument in READS.items():
        assert served.ask(verb, argument).status == 400, verb.name
    for write in map(Verb, sorted(WRITES - OF_ROLES)):
        assert served.write(write, [{"id": "b"}], "b").status == 400, write.name
    served.access = PUBLIC
    assert msgspec.json.decode(served.ask(Verb.COUNT, ()).body) == {"count": 1}


def test_what_a_role_may_not_read_is_left_out_of_every_answer(served: Served) -> None:
    answers = [
        served.ask(Verb.GET, "a"),
        served.ask(Verb.GET, ("a", (("as_of", "1"),))),
        served.ask(Verb.LIST, ()),
        served.ask(Verb.HISTORY, "a"),
        served.write(Verb.PATCH, {}, "a"),
    ]
    for answer in answers:
        assert (answer.status, b"seen" in answer.body, b"text" in answer.body) == (
            200,
            False,
            False,
        )


def test_an_access_that_is_not_understood_is_refused(served: Served) -> None:
    for access in ("{", '{"may": "all"}', '{"own": true}', '{"user": "ann", "own": true}'):
        served.access = access
        assert served.ask(Verb.GET, "a").status == 400
        assert served.write(Verb.DELETE, key="a").status == 400
