"""The layers of ARCHITECTURE.md: who may import whom, and who may touch the outside world."""

import ast
import subprocess
import sys

import pytest

from tests.tidy.source import ROOT, Import, Source, imports, sources

# A module may import from its own layer's folder and from lower layers. The longest prefix counts.
LAYERS = {
    "lithair.cli": 6.0,
    "lithair.__main__": 6.5,
    "lithair": 5.5,  # the package's front door gathers the public names
    "lithair.actors": 5.0,
    "lithair.gateway": 5.0,
    "lithair.app": 4.5,
    "lithair.declaration": 4.5,
    "lithair.process": 4.5,
    "lithair.webhooks": 4.25,
    "lithair.client": 4.0,
    "lithair.aio": 4.5,
    "lithair.storage": 3.0,
    "lithair.transport": 3.0,
    "lithair.wire": 2.0,
    "lithair.core": 1.0,
    "lithair.*": 0.0,  # what users write: model, fields, retention, handler, http, config, errors
}
SIBLINGS = [{"lithair.actors", "lithair.gateway"}, {"lithair.storage", "lithair.transport"}]

# The builder starts the processes only when it is told to, so it imports them only then.
LAZY_UPWARDS = {("lithair.app", "lithair.actors")}

# Signatures may name these types; the imports stand under TYPE_CHECKING and never run.
TYPES_UPWARDS = {
    "lithair.app": {"lithair.actors.background.Server"},
    "lithair.http": {"lithair.client.aio.AsyncHandle"},
}
VERSION = {"lithair", "lithair.__version__"}  # `import lithair` is for its constant; see below

ONLY_IN = {
    "tornado": "lithair.gateway",
    "prometheus_client": "lithair.gateway",
    "httptools": "lithair.gateway",
    "opentelemetry": "lithair.gateway",
    "zmq": "lithair.transport",
}
PURE_CALLS_OF_PATH = {
    "abspath",
    "basename",
    "dirname",
    "isabs",
    "join",
    "normpath",
    "relpath",
    "split",
    "splitext",
}
PURE = ("lithair.core", "lithair.wire")
IMPURE_MODULES = {
    "asyncio", "io", "multiprocessing", "os", "pathlib", "psutil", "random", "secrets", "select",
    "shutil", "signal", "socket", "subprocess", "tempfile", "threading", "time", "uuid",
    "uuid_utils", "zmq",
}  # fmt: skip
CLOCKS = {"now", "utcnow", "today"}  # of datetime and date

# A directory's descriptor, through which a socket with a long path is reached; nothing is read.
ALLOWED_FILE_CALLS = {
    ("lithair/transport/sockets.py", "os.open"),
    ("lithair/transport/sockets.py", "os.stat"),  # is it still the same directory
}
FILE_MODULES = {"shutil", "tempfile", "fcntl", "mmap", "glob"}
FILE_CALLS_OF_OS = {
    "access", "chdir", "chmod", "chown", "fdatasync", "fsync", "ftruncate", "link", "listdir",
    "lstat", "makedirs", "mkdir", "mkfifo", "open", "posix_fallocate", "pread", "pwrite", "pwritev",
    "readlink", "remove", "removedirs", "rename", "replace", "rmdir", "scandir", "stat", "statvfs",
    "symlink", "sync", "truncate", "unlink", "utime", "walk", "writev",
}  # fmt: skip
FILE_CALLS_OF_PATH = {
    "exists", "is_dir", "is_file", "iterdir", "mkdir", "read_bytes", "read_text", "rglob", "rmdir",
    "touch", "unlink", "write_bytes", "write_text",
}  # fmt: skip


def folder_of(module: str) -> str:
    """Give the entry of LAYERS a module belongs to; `lithair.*` for the modules of layer 0."""
    parts = module.split(".")
    if parts[0] != "lithair":
        return ""
    name = ".".join(parts[:2])
    if name in LAYERS:
        return name
    return "lithair.*" if (ROOT / "lithair" / f"{parts[1]}.py").exists() else "lithair"


def problem_with(source: Source, imported: Import) -> str | None:
    here, there = folder_of(source.module), folder_of(imported.name)
    if not there or here == there or imported.name in VERSION:
        return None
    if imported.is_for_types and imported.name in TYPES_UPWARDS.get(source.module, ()):
        return None
    if any({here, there} == pair for pair in SIBLINGS):
        return f"{here} and {there} are siblings: neither imports the other"
    if LAYERS[there] > LAYERS[here] or (LAYERS[there] == LAYERS[here] != 4.5):
        if imported.is_lazy and (here, there) in LAZY_UPWARDS:
            return None
        return f"layer {LAYERS[here]} ({here}) imports layer {LAYERS[there]} ({there})"
    return None


def test_imports_go_down_the_layers_only() -> None:
    found = [
        f"{source.place}:{imported.line}: {imported.name}: {problem}"
        for source in sources("lithair")
        for imported in imports(source)
        if (problem := problem_with(source, imported))
    ]
    assert not found, "\n".join(found)


def test_a_bare_import_of_the_package_is_for_its_version_only() -> None:
    found = [
        f"{source.place}:{node.lineno}: {ast.unparse(node)}"
        for source in sources("lithair")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) == "lithair"
        and node.attr != "__version__"
        and any(imported.name == "lithair" for imported in imports(source))
    ]
    assert not found, "\n".join(found)


def test_each_foreign_library_stays_in_its_own_folder() -> None:
    """Tornado and Prometheus live in the gateway alone, ZeroMQ in the transport alone."""
    found = [
        f"{source.place}:{imported.line}: {imported.name} belongs to {home}"
        for source in sources("lithair")
        for imported in imports(source)
        if (home := ONLY_IN.get(imported.name.split(".")[0])) and folder_of(source.module) != home
    ]
    assert not found, "\n".join(found)


def test_core_and_wire_read_no_clock_no_file_no_socket_and_no_randomness() -> None:
    pure = [source for source in sources("lithair") if folder_of(source.module) in PURE]
    found = [
        f"{source.place}:{imported.line}: {imported.name}"
        for source in pure
        for imported in imports(source)
        if imported.name.split(".")[0] in IMPURE_MODULES
    ]
    found += [
        f"{source.place}:{node.lineno}: {ast.unparse(node)}"
        for source in pure
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS
    ]
    assert not found, "\n".join(found)


def is_file_call(called: ast.expr, own_modules: set[str]) -> bool:
    """Tell whether a called expression looks like a call that touches a file."""
    if isinstance(called, ast.Name):
        return called.id == "open"
    if not isinstance(called, ast.Attribute):
        return False
    owner = ast.unparse(called.value)
    if owner == "os":
        return called.attr in FILE_CALLS_OF_OS
    if owner == "os.path":
        return called.attr not in PURE_CALLS_OF_PATH
    if owner in {"io", "codecs"}:
        return called.attr == "open"
    # The rest are methods of pathlib.Path, unless it is a module of ours that has the same words.
    return called.attr in FILE_CALLS_OF_PATH and owner not in own_modules


def file_calls(source: Source) -> list[str]:
    imported_names = list(imports(source))
    found = [
        f"{source.place}:{imported.line}: {imported.name}"
        for imported in imported_names
        if imported.name.split(".")[0] in FILE_MODULES
    ]
    own_modules = {
        i.name.rsplit(".", 1)[-1] for i in imported_names if i.name.startswith("lithair")
    }
    return found + [
        f"{source.place}:{node.lineno}: {ast.unparse(node.func)}"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and is_file_call(node.func, own_modules)
        and (source.place, ast.unparse(node.func)) not in ALLOWED_FILE_CALLS
    ]


def test_files_are_touched_in_storage_alone() -> None:
    found = [
        line
        for source in sources("lithair")
        if folder_of(source.module) != "lithair.storage"
        for line in file_calls(source)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("module", ["lithair", "lithair.actors.model_process"])
def test_a_fresh_interpreter_loads_neither_tornado_nor_prometheus(module: str) -> None:
    script = (
        f"import {module}, sys\n"
        "print(*(sorted({'tornado', 'prometheus_client'} & set(sys.modules))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
