"""How a declaration travels to the children: pickled, by reference and by value.

Law: classes and functions go by reference, values by value; each user object is its own pickle, so
that a child loads only what it needs. A child finds a module under the name it had here: `__main__`
as in multiprocessing's spawn, and a module that no import would find (a test module) by its file.

    packed := pickle of {"preparation": multiprocessing's, "modules": {name: file}, "value": pickle}
"""

import importlib.machinery
import importlib.util
import io
import os
import pickle
import sys
import types
from collections.abc import Sequence
from multiprocessing import spawn
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")

MAIN_MODULES = ("__main__", "__mp_main__")
NOT_IN_CHILD = ("authkey", "name", "log_to_stderr", "log_level", "start_method")


class CannotTravel(Exception):
    """An object that can't be pickled; the message is the end of a sentence that names it."""


class Part(Generic[T]):
    """One user object of a declaration: itself here, and in a child loaded when first asked for."""

    def __init__(self, value: T, data: bytes) -> None:
        self._value: T | None = value
        self.data = data

    def load(self) -> T:
        """Return the object; imports the user's module in a child, once."""
        if self._value is None:
            self._value = cast("T", pickle.loads(self.data))
        return self._value

    def __reduce__(self) -> "tuple[Any, ...]":
        return _part_of, (self.data,)


def _part_of(data: bytes) -> Part[Any]:
    part: Part[Any] = Part.__new__(Part)
    part._value = None
    part.data = data
    return part


class _Pickler(pickle.Pickler):
    """A pickler that notes the modules of the classes and functions it meets."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.modules: set[str] = set()

    def persistent_id(self, obj: object) -> None:
        if isinstance(obj, type | types.FunctionType):
            self.modules.add(obj.__module__)
        return None


def pack_part(value: T) -> tuple[Part[T], set[str]]:
    """Pickle one user object; return it with the modules it refers to. CannotTravel if it can't."""
    buffer = io.BytesIO()
    pickler = _Pickler(buffer)
    try:
        pickler.dump(value)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise CannotTravel(_reason(value, error)) from error
    return Part(value, buffer.getvalue()), pickler.modules


def name_of(value: object) -> str:
    """Name a user's object as a sentence should."""
    name = getattr(value, "__qualname__", None)
    return str(name) if name else f"{type(value).__qualname__} object"


def _reason(value: object, error: Exception) -> str:
    local = [value] if hasattr(value, "__qualname__") else [type(value)]
    for thing in local:
        qualname = str(getattr(thing, "__qualname__", ""))
        if "<lambda>" in qualname:
            return "a lambda has no name to be found by in another process; write a def"
        if "<locals>" in qualname:
            return "it is defined inside a function; define it at the top of a module"
    return f"it can't be pickled: {error}"


def module_files(names: set[str]) -> dict[str, str]:
    """Return the file of each module and of its packages, as far as they have one."""
    files: dict[str, str] = {}
    for name in names:
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            module = sys.modules.get(".".join(parts[:length]))
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and name not in MAIN_MODULES:
                files[".".join(parts[:length])] = os.path.abspath(file)
    return {name: file for name, file in files.items() if not _is_installed(name, file)}


def _is_installed(name: str, file: str) -> bool:
    """Say whether every interpreter like this one finds the module by its name alone."""
    top = name.partition(".")[0]
    return top in sys.stdlib_module_names or top == "lithair" or "site-packages" in file


def pack(value: object, modules: dict[str, str]) -> bytes:
    """Pickle a declaration for the children, with what they need to load it."""
    preparation = spawn.get_preparation_data("lithair")
    for key in NOT_IN_CHILD:
        preparation.pop(key, None)
    data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    return pickle.dumps({"preparation": preparation, "modules": modules, "value": data})


def unpack(data: bytes) -> object:
    """Load what `pack` made, in a child: modules first, then the value."""
    packed: dict[str, Any] = pickle.loads(data)
    sys.meta_path.insert(0, ModuleFiles(packed["modules"]))
    spawn.prepare(packed["preparation"])
    value: object = pickle.loads(packed["value"])
    return value


class ModuleFiles(importlib.machinery.PathFinder):
    """Finds the modules of the declaration by the files they were loaded from."""

    def __init__(self, files: dict[str, str]) -> None:
        self._files = files

    def find_spec(  # type: ignore[override]
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        file = self._files.get(fullname)
        if file is None:
            return None
        is_package = os.path.basename(file) == "__init__.py"
        places = [os.path.dirname(file)] if is_package else None
        return importlib.util.spec_from_file_location(
            fullname, file, submodule_search_locations=places
        )
