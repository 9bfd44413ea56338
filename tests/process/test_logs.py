"""The log: lines for people on a terminal, JSON lines for programs everywhere else."""

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


CALLS = """
def call(log):
    try:
        func()
    except Exception:
        log.exception("it went wrong")
"""


def logged_error(level: str, users: str, file: str = "/srv/shop/app.py") -> str:
    """Give what is logged of an error in `func`, which Lithair's own lines call."""
    stream = io.StringIO()
    logs.configure(level, "worker import", stream)
    space: dict[str, Any] = {}
    exec(compile(users, file, "exec"), space)
    exec(compile(CALLS, str(Path(logs.__file__).with_name("caller.py")), "exec"), space)
    space["call"](logging.getLogger("lithair.test"))
    told: str = json.loads(stream.getvalue())["exception"]
    return told


def files_of(told: str) -> list[str]:
    return re.findall(r'File "([^"]+)", line', told)


def test_a_traceback_begins_with_the_users_own_lines() -> None:
    """It goes on to wherever the error came from."""
    told = logged_error("info", "import json\ndef func():\n    json.loads('{')\n")
    first, *others = files_of(told)
    assert first == "/srv/shop/app.py"
    assert others[-1].endswith("json/decoder.py")
    assert told.splitlines()[-1].startswith("json.decoder.JSONDecodeError: ")


def test_the_cause_of_an_error_is_told_in_the_same_way() -> None:
    told = logged_error(
        "info",
        "def func():\n    try:\n        1 / 0\n    except ZeroDivisionError as error:\n"
        "        raise ValueError('no') from error\n",
    )
    assert set(files_of(told)) == {"/srv/shop/app.py"}
    assert told.index("ZeroDivisionError: division") < told.index("ValueError: no")


@pytest.mark.parametrize(
    ("level", "file"), [("debug", "/srv/shop/app.py"), ("info", logs.__file__)]
)
def test_the_whole_is_told_at_level_debug_and_of_errors_of_our_own(level: str, file: str) -> None:
    told = logged_error(level, "def func():\n    1 / 0\n", file)
    first, last = files_of(told)
    assert first.endswith("caller.py")
    assert last == file
