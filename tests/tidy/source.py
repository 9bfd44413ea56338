"""The project's own source as the tidy tests read it: files, parsed once, and their imports."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("lithair", "tests", "examples", "bench")


class Import(NamedTuple):
    """One imported module, or `module.name` where that may be a module as well."""

    name: str
    line: int
    is_lazy: bool  # inside a function: it runs when called, not at import
    is_for_types: bool  # under `if TYPE_CHECKING:`: it never runs


class Source(NamedTuple):
    path: Path
    text: str
    tree: ast.Module

    @property
    def place(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def module(self) -> str:
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def read(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    return Source(path, text, ast.parse(text, filename=str(path)))


def sources(*folders: str) -> list[Source]:
    """Parse every Python file below the given folders of the repository."""
    return [
        read(path)
        for folder in folders or FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not {"data", ".lithair", "__pycache__"} & set(path.relative_to(ROOT).parts)
    ]


def imports(source: Source) -> Iterator[Import]:
    """Yield every import of a file, relative ones made absolute, `from a import b` as `a.b`."""
    lazy = _below(source.tree, ast.FunctionDef, ast.AsyncFunctionDef)
    for_types = _below_type_checking(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            origin = f"{_origin(source, node)}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                is_lazy, is_for_types = id(node) in lazy, id(node) in for_types
                yield Import(f"{origin}{alias.name}", node.lineno, is_lazy, is_for_types)


def functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _below(tree: ast.AST, *kinds: type[ast.AST]) -> set[int]:
    return {id(node) for top in ast.walk(tree) if isinstance(top, kinds) for node in ast.walk(top)}


def _below_type_checking(tree: ast.AST) -> set[int]:
    return {
        id(node)
        for top in ast.walk(tree)
        if isinstance(top, ast.If) and ast.unparse(top.test) == "TYPE_CHECKING"
        for statement in top.body
        for node in ast.walk(statement)
    }


def _origin(source: Source, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = source.module.split(".")
    if source.path.name != "__init__.py":
        package = package[:-1]
    package = package[: len(package) - (node.level - 1)]
    return ".".join([*package, *([node.module] if node.module else [])])
