"""Sizes and names that keep the source readable, checked so that nobody has to remember them."""

import ast
import re

from tests.tidy.source import functions, sources

FILE_LINES_MAX = 399
FUNCTION_LINES_MAX = 59
ARGUMENTS_MAX = 6
TEST_NAME_WORDS_MIN = 4  # a name this long says what is expected; a shorter one needs a docstring

BANNED_WORDS = {"util", "utils", "helper", "helpers", "base", "common", "manager"}
BANNED_AFFIXES = re.compile(r"^(fast|optimi[sz]ed)_|_v\d+$")
ALLOWED_NAMES = {"SessionManager"}  # public names that users of the Rust Lithair know
ALLOWED_ARGUMENTS = {
    "SessionManager.__init__"
}  # one public constructor, all keywords with defaults


def words_of(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}


def is_badly_named(name: str) -> bool:
    if name in ALLOWED_NAMES:
        return False
    return bool(words_of(name) & BANNED_WORDS) or bool(BANNED_AFFIXES.search(name))


def test_every_file_is_under_400_lines() -> None:
    found = [
        f"{source.place}: {lines} lines"
        for source in sources()
        if (lines := source.text.count("\n")) > FILE_LINES_MAX
    ]
    assert not found, "\n".join(found)


def test_every_function_is_under_60_lines() -> None:
    found = [
        f"{source.place}:{function.lineno}: {function.name}: {lines} lines"
        for source in sources()
        for function in functions(source)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not found, "\n".join(found)


def test_every_function_takes_six_arguments_at_most() -> None:
    found: list[str] = []
    for source in sources():
        methods = {
            id(child): node.name
            for node in ast.walk(source.tree)
            if isinstance(node, ast.ClassDef)
            for child in node.body
        }
        for function in functions(source):
            arguments = function.args
            names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
            owner = methods.get(id(function))
            if owner and names[:1] in (["self"], ["cls"], ["mcs"]):
                names = names[1:]
            count = len(names) + len(arguments.kwonlyargs)
            allowed = f"{owner}.{function.name}" in ALLOWED_ARGUMENTS
            is_test = function.name.startswith("test_")  # pytest and hypothesis fill those in
            if count > ARGUMENTS_MAX and not allowed and not is_test:
                found.append(f"{source.place}:{function.lineno}: {function.name}: {count}")
    assert not found, "\n".join(found)


def test_names_are_nouns_and_verbs_that_mean_something() -> None:
    """No utils, helpers, base, common, manager; no fast_ and no _v2."""
    found = [source.place for source in sources() if is_badly_named(source.path.stem)]
    found += [
        f"{source.place}:{node.lineno}: {node.name}"
        for source in sources("lithair", "examples", "bench")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and is_badly_named(node.name)
    ]
    assert not found, "\n".join(found)


def test_every_test_says_its_goal_in_a_sentence() -> None:
    found = [
        f"{source.place}:{function.lineno}: {function.name}"
        for source in sources("tests")
        for function in functions(source)
        if function.name.startswith("test_")
        and source.path.name.startswith("test_")
        and len(function.name.split("_")) - 1 < TEST_NAME_WORDS_MIN
        and not ast.get_docstring(function)
    ]
    assert not found, "\n".join(found)


def test_no_test_sleeps() -> None:
    """A test waits for the event with a deadline: tests.support.waiting."""
    found = [
        f"{source.place}:{node.lineno}"
        for source in sources("tests")
        if source.place != "tests/support/waiting.py"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "sleep"}
    ]
    assert not found, "\n".join(found)


def test_every_module_says_what_it_owns() -> None:
    found = [
        source.place
        for source in sources("lithair")
        if source.text.strip()
        and source.path.name != "__init__.py"
        and not ast.get_docstring(source.tree)
    ]
    assert not found, "\n".join(found)
