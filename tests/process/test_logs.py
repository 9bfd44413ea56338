"""The log: lines for people on a terminal, JSON lines for programs everywhere else."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from lithair import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_programs_get_one_json_object_per_line() -> None:
    stream = io.StringIO()
    logs.configure("info", "model films", stream)
    log = logging.getLogger("lithair.test")
    log.debug("below the level")
    log.info("two\nlines and a snow%s", "man ☃")
    try:
        raise ValueError("boom")
    except ValueError:
        log.exception("it went wrong")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "info",
        "process": "model films",
        "logger": "lithair.test",
        "message": "two\nlines and a snowman ☃",
    }
    assert second["exception"].endswith("ValueError: boom")


def test_people_get_time_level_process_and_message() -> None:
    stream = Terminal()
    logs.configure("warning", "gateway-0", stream)
    logging.getLogger("lithair.test").info("below the level")
    logging.getLogger("lithair.test").warning("it is late")
    assert stream.getvalue().endswith("WARNING  gateway-0: it is late\n")


def test_configuring_again_replaces_the_handler() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.configure("info", "a", first)
    logs.configure("info", "b", second)
    logging.getLogger("lithair.test").info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1
