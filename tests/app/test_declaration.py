"""What the builder was told comes out as one declaration, settled and ready to travel."""

import datetime as dt
import os
import pickle
from pathlib import Path

import pytest
from tornado.web import RequestHandler

from lithair import Lithair
from lithair.declaration import CompactionDeclaration
from lithair.retention import Retention
from tests.app import sample_app
from tests.app.sample_app import Email, Emails, Page, Product, Reply, nightly, show


def full(directory: Path) -> Lithair:
    return (
        Lithair()
        .with_port(0)
        .with_static(directory, "/files")
        .with_static(directory)
        .with_route("get", "/{page}", show)
        .with_route("GET", "/about", show)
        .with_route("POST", "/{page}/edit", show)
        .with_tornado(r"/old/(\d+)", Page, title="x")
        .with_worker(nightly, "nightly", every=dt.timedelta(days=1))
        .with_worker(nightly, "always")
        .with_handler(Emails("./data/emails", limit=3), "/api/emails/")
        .with_model(Reply, directory / "replies", "/api/v2/replies")
    )


def test_everything_asked_for_is_in_the_declaration(tmp_path: Path) -> None:
    declaration = full(tmp_path).declaration({}, {})
    emails, replies = declaration.models
    assert (emails.name, emails.class_name, emails.path) == ("emails", "Email", "/api/emails")
    assert emails.data_dir == os.path.abspath("data/emails")
    assert emails.retention == Retention(count=10)
    assert isinstance(emails.handler, Emails)
    assert emails.handler.limit == 3
    assert replies.data_dir == str(tmp_path / "replies")
    assert replies.handler.model is Reply
    assert declaration.model("Reply") == declaration.model("replies") == replies
    assert declaration.model("nothing") is None
    assert [(worker.name, worker.every_s) for worker in declaration.workers] == [
        ("nightly", 86_400.0),
        ("always", None),
    ]
    assert declaration.workers[0].func is nightly
    assert declaration.tornado[0].handler is Page
    assert declaration.tornado[0].init == {"title": "x"}
    assert [static.path for static in declaration.statics] == ["/files/", "/"]
    assert declaration.settings.port == 0
    assert declaration.origins == {"port": "with_port"}


def test_special_routes_stand_before_general_ones(tmp_path: Path) -> None:
    routes = full(tmp_path).declaration({}, {}).routes
    assert [(route.method, route.path) for route in routes] == [
        ("GET", "/about"),
        ("GET", "/{page}"),
        ("POST", "/{page}/edit"),
    ]


def test_the_order_of_the_calls_never_matters(tmp_path: Path) -> None:
    one = Lithair().with_route("GET", "/a", show).with_route("GET", "/b", show).with_port(1)
    other = Lithair().with_port(1).with_route("GET", "/b", show).with_route("GET", "/a", show)
    assert one.declaration({}, {}) == other.declaration({}, {})


def test_the_command_line_wins_over_variables_and_these_over_code() -> None:
    app = Lithair().with_port(1).with_host("a").with_timeout(5)
    declaration = app.declaration(
        {"LT_PORT": "2", "LT_HOST": "b", "LT_EMAIL_MEMORY_RETENTION": "7"}, {"port": "3"}
    )
    settings = declaration.settings
    assert (settings.port, settings.host, settings.timeout_s) == (3, "b", 5.0)
    assert declaration.origins == {"port": "--port", "host": "LT_HOST", "timeout_s": "with_timeout"}
    assert any("LT_EMAIL_MEMORY_RETENTION" in notice for notice in declaration.notices)


def test_variables_override_the_retention_of_a_model() -> None:
    declaration = sample_app.app.declaration({"LT_EMAIL_MEMORY_RETENTION": "off"}, {})
    assert declaration.models[0].retention == Retention()


def test_what_does_nothing_yet_is_announced() -> None:
    app = Lithair().with_model(Email, "d", "/emails").with_model(Product, "p", "/products")
    notices = app.declaration({}, {}).notices
    assert len(notices) == 1
    assert any("Product: Owner and Permission (on price, seller)" in one for one in notices)


@pytest.mark.parametrize("every", [300, dt.timedelta(minutes=5)])
def test_when_logs_are_compacted_is_declared(every: float | dt.timedelta) -> None:
    app = Lithair().with_auto_compaction(10_000, every, keep_history=True)
    declaration = app.declaration({}, {})
    assert declaration.compaction == CompactionDeclaration(10_000, 300.0, keep_history=True)
    assert declaration.notices == ()
    assert Lithair().declaration({}, {}).compaction is None


def test_a_declaration_is_the_same_after_a_pickle(tmp_path: Path) -> None:
    declaration = full(tmp_path).declaration({}, {})
    copy = pickle.loads(pickle.dumps(declaration))
    assert copy == declaration
    assert copy.models[0].handler.limit == 3
    assert copy.models[0].handler is copy.models[0].handler
    assert copy.models[0].handler is not declaration.models[0].handler
    assert copy.routes[0].func is show
    assert issubclass(copy.tornado[0].handler, RequestHandler)


def test_the_modules_of_the_users_objects_travel_with_their_files(tmp_path: Path) -> None:
    modules = full(tmp_path).declaration({}, {}).modules
    assert modules["tests.app.sample_app"] == sample_app.__file__
    assert set(modules) == {"tests", "tests.app", "tests.app.sample_app"}
