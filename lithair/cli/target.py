"""Target: finding the application that `lithair run` is given.

Owns the grammar, and that the children find the same modules under the same names: a file is loaded
as multiprocessing's spawn would load it, so its classes belong to `__mp_main__` here and there.

    target := file.py [":" name] | module [":" name]        name: "app", or the only Lithair there
"""

import importlib
import os
import sys
import traceback
import types
from multiprocessing import spawn

from lithair import app as builder
from lithair.app import Lithair
from lithair.errors import LithairError, Mistakes

_main_modules: list[types.ModuleType] = []  # those that were replaced; their functions still run


def load(target: str) -> Lithair:
    """Import what `target` names and return its application; Mistakes when there is none."""
    place, _, name = target.partition(":")
    if not place:
        raise Mistakes([f"{target!r} names no application: write app.py or module:app."])
    builder.IN_CHILD = True  # an app.serve() of the module itself starts nothing
    try:
        module = _load_file(place) if _is_file(place) else _load_module(place)
    except LithairError:
        raise
    except Exception as error:  # the user's own code, whatever is wrong with it
        raise Mistakes([_what_went_wrong(place, error)]) from error
    finally:
        builder.IN_CHILD = False
    return _application(module, name, target)


def _what_went_wrong(place: str, error: Exception) -> str:
    """Tell an error of the user's module from its own lines on, without ours before them."""
    trace = error.__traceback__
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    lines = "".join(traceback.format_exception(type(error), error, trace))
    return f"{lines}{place} can't be imported; its own error stands above."


def _is_ours(filename: str) -> bool:
    """Say whether a frame belongs to the way into the module: this package, runpy, importlib."""
    ours = (os.path.dirname(os.path.dirname(__file__)), os.path.dirname(spawn.__file__))
    return filename.startswith(("<frozen", *ours))


def _is_file(place: str) -> bool:
    return place.endswith(".py") or os.sep in place


def _load_file(place: str) -> types.ModuleType:
    path = os.path.abspath(place)
    sys.path.insert(0, os.path.dirname(path))
    sys.argv[:] = [path]
    _main_modules.append(sys.modules["__main__"])
    try:
        spawn.import_main_path(path)
    except FileNotFoundError as error:
        if error.filename != path:
            raise
        raise Mistakes([f"there is no file {path}."]) from None
    return sys.modules["__main__"]


def _load_module(place: str) -> types.ModuleType:
    sys.path.insert(0, os.getcwd())
    # The children must not import the `lithair` command as if it were the application.
    _main_modules.append(sys.modules["__main__"])
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{place}.".startswith(f"{error.name}."):
            raise
        raise Mistakes([f"there is no module {place!r} here or on Python's path."]) from None


def _application(module: types.ModuleType, name: str, target: str) -> Lithair:
    found: object = getattr(module, name or "app", None)
    if isinstance(found, Lithair):
        return found
    if name:
        what = "has none" if found is None else f"there it is a {type(found).__name__}"
        raise Mistakes([f"{target!r} should name a Lithair application, but {what} of that name."])
    all_of_them = {
        id(value): value for value in vars(module).values() if isinstance(value, Lithair)
    }
    if len(all_of_them) == 1:
        return next(iter(all_of_them.values()))
    if not all_of_them:
        raise Mistakes([f"{target!r} makes no application: write `app = Lithair()...` in it."])
    several = f"{target!r} has {len(all_of_them)} applications and none called app"
    raise Mistakes([f"{several}: write {target}:name."])
