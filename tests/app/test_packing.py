"""A declaration reaches a new interpreter whole, wherever the user's classes live."""

import importlib.util
import subprocess
import sys
import types
from pathlib import Path

import pytest

from lithair.app import Lithair
from lithair.declaration import pack

CHILD = """
import sys
from lithair import app
app.IN_CHILD = True
from lithair.declaration import unpack
before = set(sys.modules)
declaration = unpack(sys.stdin.buffer.read())
loaded = {name for name in set(sys.modules) - before if name.startswith("lonely")}
model = declaration.models[0]
handler = model.handler
print(model.name, model.class_name, handler.limit, handler.model(body="x").body, *loaded)
"""

APP = """
import sys
from lithair import Lithair, Model, ModelHandler

class Note(Model):
    body: str

class Notes(ModelHandler[Note]):
    def __init__(self, limit: int) -> None:
        super().__init__(Note, "./notes")
        self.limit = limit

app = Lithair().with_handler(Notes(limit=7), "/api/notes")
"""

SENDS = """
def send() -> None:
    import subprocess
    from lithair.declaration import pack
    done = subprocess.run(
        [sys.executable, "-c", {child!r}],
        input=pack(app.declaration({{}}, {{}})), capture_output=True, timeout=60, cwd="/",
    )
    sys.stdout.write(done.stdout.decode() + done.stderr.decode())

if __name__ == "__main__":
    send()
"""

EXPECTED = "notes Note 7 x"


def run(*arguments: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def receive(app: Lithair) -> str:
    """Unpack an application's declaration in a new interpreter; return what it says of it."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        cwd="/",
        input=pack(app.declaration({}, {})),
        capture_output=True,
        timeout=60,
        check=False,
    )
    return (done.stdout + done.stderr).decode().strip()


@pytest.mark.parametrize("end", ["", "app.serve()\n"], ids=["guarded", "serves unguarded"])
def test_an_app_in_the_main_file_is_found_again(tmp_path: Path, end: str) -> None:
    """A serve() that a child comes by when it imports the file again starts nothing."""
    sends = SENDS.format(child=CHILD)
    unguarded = f"if __name__ != '__main__':\n    {end}" if end else ""
    (tmp_path / "app.py").write_text(APP + sends + unguarded, encoding="utf-8")
    done = run("app.py", cwd=tmp_path)
    assert done.stdout.strip() == EXPECTED, done.stderr


def test_an_app_in_a_package_run_as_main_is_found_again(tmp_path: Path) -> None:
    package = tmp_path / "mypackage"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "app.py").write_text(APP + SENDS.format(child=CHILD), encoding="utf-8")
    done = run("-m", "mypackage.app", cwd=tmp_path)
    assert done.stdout.strip() == EXPECTED, done.stderr


def test_an_app_in_a_module_of_a_package_is_found_again(tmp_path: Path) -> None:
    package = tmp_path / "mypackage"
    package.mkdir()
    (package / "models.py").write_text(APP, encoding="utf-8")
    main = "import sys\nfrom mypackage.models import app\n" + SENDS.format(child=CHILD)
    (tmp_path / "start.py").write_text(main, encoding="utf-8")
    done = run("start.py", cwd=tmp_path)
    assert done.stdout.strip() == EXPECTED, done.stderr


@pytest.mark.parametrize("name", ["lonely_module", "lonely.tests.inner"])
def test_a_module_that_no_import_would_find_is_found_by_its_file(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As test runners load test modules: by their file, under a name of their own."""
    file = tmp_path / "somewhere.py"
    file.write_text(APP, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    for length in range(1, name.count(".") + 1):  # as pytest fills in what is missing
        parent = ".".join(name.split(".")[:length])
        monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    said = receive(module.app)
    assert said == EXPECTED  # and nothing of it was loaded before it was asked for


def test_an_app_typed_at_a_prompt_is_a_mistake(tmp_path: Path) -> None:
    done = run("-", cwd=tmp_path, stdin=APP + "app.serve()\n")
    assert done.returncode == 2
    assert "it was typed at a prompt; write it into a file" in done.stderr


MISTAKEN = (
    APP
    + """
import atexit
atexit.register(lambda: print(*[name for name in sys.modules if name.startswith("lithair.actors")]))
class Other(Model):
    body: str = ""
{more}
app.with_model(Other, "./notes", "/api/others")
app.serve()
print("served")
"""
)


def test_mistakes_end_the_start_with_their_sentences_and_status_2(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(MISTAKEN.format(more=""), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=tmp_path,
        env={"LT_NOTE_MEMORY_RETENTION": "lots", "LT_PORT": "http"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout.strip() == ""  # nothing that starts processes was so much as imported
    first, second, third = done.stderr.splitlines()
    assert first.startswith("LT_NOTE_MEMORY_RETENTION='lots' can't be read: write a number")
    assert "have one data directory" in second
    assert third.startswith("LT_PORT='http' can't be read")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.py"]


def test_a_class_that_means_nothing_ends_the_start_with_its_sentence_and_status_2(
    tmp_path: Path,
) -> None:
    bare = "from lithair import Pinned\nclass Bare(Model):\n    subject: Pinned\n"
    (tmp_path / "app.py").write_text(MISTAKEN.format(more=bare), encoding="utf-8")
    done = run("app.py", cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "app.py:" in line
    assert line.endswith("Bare.subject: Pinned needs a type: write `subject: Pinned[str]`")
    assert done.stdout.strip() == ""
