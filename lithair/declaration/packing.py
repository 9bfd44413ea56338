"""How a declaration travels to the children: pickled, by reference and by value.

Law: classes and functions go by reference, values by value; each user object is a pickle of its
own, loaded where it is asked for. A child finds a module under the name it had here: `__main__` as
in multiprocessing's spawn, and a module that no import would find (a test module) by its file.

    packed := pickle of {"preparation": spawn's, "modules": {name: file}, "value": pickle}
"""

import importlib.util
import io
import os
import pickle
import sys
import sysconfig
import types
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any, Generic, TypeVar, cast

from lithair.storage import places

T = TypeVar("T")

MAIN_MODULES = frozenset(("__main__", "__mp_main__"))
# What of spawn's preparation is not for us: our children have names, logs and keys of their own.
NOT_PREPARED = ("authkey", "name", "log_to_stderr", "log_level", "start_method", "sys_argv")
MAIN_PREPARED = ("init_main_from_name", "init_main_from_path")


class CannotTravel(Exception):
    """An object that can't be pickled; the message is the end of a sentence that names it."""


class Part(Generic[T]):
    """One user object of a declaration: itself here, and in a child loaded when first asked for."""

    __slots__ = ("_loaded", "data")

    def __init__(self, data: bytes, *loaded: T) -> None:
        self.data = data
        self._loaded = loaded

    def load(self) -> T:
        """Return the object, the same one each time; in a child this imports the user's module."""
        if not self._loaded:
            self._loaded = (cast("T", pickle.loads(self.data)),)
        return self._loaded[0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and self.data == other.data

    def __hash__(self) -> int:
        return hash(self.data)

    def __reduce__(self) -> tuple[type["Part[T]"], tuple[bytes]]:
        return type(self), (self.data,)


class _Pickler(pickle.Pickler):
    """A pickler that notes the modules of the classes and functions it meets."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.modules: set[str] = set()

    def persistent_id(self, obj: object) -> None:
        """Note where a class or a function is from; nothing is pickled in a special way."""
        if isinstance(obj, type | types.FunctionType):
            self.modules.add(obj.__module__)


def pack_part(value: T) -> tuple[Part[T], set[str]]:
    """Pickle one user object; return it with the modules it refers to. CannotTravel if it can't."""
    buffer = io.BytesIO()
    pickler = _Pickler(buffer)
    try:
        pickler.dump(value)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise CannotTravel(_reason(value, error)) from error
    if not MAIN_MODULES.isdisjoint(pickler.modules) and not _main_can_be_found():
        raise CannotTravel("it was typed at a prompt; write it into a file")
    return Part(buffer.getvalue(), value), pickler.modules


def name_of(value: object) -> str:
    """Name a user's object as a sentence should."""
    name = getattr(value, "__qualname__", None)
    return str(name) if name else f"the {type(value).__qualname__} object"


def module_files(names: set[str]) -> dict[str, str]:
    """Return the file of each module and of its packages; a package without one, its directory.

    Modules which every interpreter like this one finds by their name alone are left out.
    `__main__` stands with the file it was run from, so that a child knows that it needs it.
    """
    files: dict[str, str] = {}
    for name in names:
        file = getattr(sys.modules.get(name), "__file__", None)
        if not isinstance(file, str) or _is_installed(name, file):
            continue
        files[name] = file = os.path.abspath(file)
        parts = name.split(".")
        for length in range(len(parts) - 1, 0, -1):
            parent = ".".join(parts[:length])
            own = getattr(sys.modules.get(parent), "__file__", None)
            above = os.path.dirname(os.path.dirname(file) if _is_package(file) else file)
            files[parent] = file = os.path.abspath(own) if isinstance(own, str) else above
    return files


def pack(value: object, modules: dict[str, str]) -> bytes:
    """Pickle a declaration for the children, with what they need to load it."""
    from multiprocessing import spawn

    preparation = spawn.get_preparation_data("lithair")
    unwanted = (
        NOT_PREPARED if not MAIN_MODULES.isdisjoint(modules) else NOT_PREPARED + MAIN_PREPARED
    )
    for key in unwanted:
        preparation.pop(key, None)
    data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    return pickle.dumps({"preparation": preparation, "modules": modules, "value": data})


def unpack(data: bytes) -> object:
    """Load what `pack` made, in a child: the way to the modules first, then the value."""
    from multiprocessing import spawn

    packed: dict[str, Any] = pickle.loads(data)
    files = {name: file for name, file in packed["modules"].items() if name not in MAIN_MODULES}
    sys.meta_path.insert(0, ModuleFiles(files))
    spawn.prepare(packed["preparation"])
    value: object = pickle.loads(packed["value"])
    return value


class ModuleFiles(MetaPathFinder):
    """Finds the declaration's modules in the files they were loaded from."""

    def __init__(self, files: dict[str, str]) -> None:
        self._files = files

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
        /,
    ) -> ModuleSpec | None:
        """Return where a module is, None for one that is not the declaration's."""
        file = self._files.get(fullname)
        if file is None:
            return None
        if not file.endswith(".py"):
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [file]
            return spec
        places = [os.path.dirname(file)] if _is_package(file) else None
        return importlib.util.spec_from_file_location(
            fullname, file, submodule_search_locations=places
        )


def _reason(value: object, error: Exception) -> str:
    for thing in (value, type(value)):
        qualname = str(getattr(thing, "__qualname__", ""))
        if "<lambda>" in qualname:
            return "a lambda has no name to be found by; write a def at the top of a module"
        if "<locals>" in qualname:
            return "it is defined inside a function; define it at the top of a module"
    return f"it can't be pickled ({error})"


def _main_can_be_found() -> bool:
    main = sys.modules["__main__"]
    if getattr(main, "__spec__", None) is not None:
        return True
    file = getattr(main, "__file__", None)  # "<stdin>" when it is read from there
    return isinstance(file, str) and places.is_file(file)


def _is_installed(name: str, file: str) -> bool:
    top = name.partition(".")[0]
    paths = sysconfig.get_paths()
    libraries = (paths["purelib"] + os.sep, paths["platlib"] + os.sep)
    is_source = file.endswith(".py")
    return (
        top in sys.stdlib_module_names
        or top == "lithair"
        or not is_source
        or file.startswith(libraries)
    ) and name not in MAIN_MODULES


def _is_package(file: str) -> bool:
    return os.path.basename(file) == "__init__.py"
