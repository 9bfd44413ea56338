"""The checks of event listeners, and their declarations.

Law: a listener's name is one that no other process has, for it is a process, and its directory is
called after it. What it listens to is a model of this application.
"""

import inspect
from collections.abc import Collection, Sequence

from lithair.core.listening import Retries
from lithair.declaration import packing
from lithair.declaration.asked import Asked, AskedListener, AskedModel
from lithair.declaration.declared import (
    ListenerDeclaration,
    ModelDeclaration,
    WorkerDeclaration,
)
from lithair.declaration.draft import Draft
from lithair.declaration.model_checks import TAKEN_NAMES, WORKER_NAME, names_of

STARTS = ("now", "beginning")
RETRIES_MAX = 1_000_000_000  # tried each minute, that is for ever


def listener_declarations(
    asked: Asked,
    models: Sequence[ModelDeclaration],
    workers: Sequence[WorkerDeclaration],
    draft: Draft,
) -> list[ListenerDeclaration]:
    """Check each listener; every mistake of it is told."""
    taken = {name for model in models for name in names_of(model)}
    taken |= {worker.name.lower() for worker in workers}
    listened = {_class_of(model) for model in asked.models}
    found: list[ListenerDeclaration] = []
    for one in asked.listeners:
        problems = [
            _model_problem(one.model, listened),
            _listener_problem(one),
            _name_problem(one.name, taken),
            _start_problem(one.start),
            _retries_problem(one.max_retries),
        ]
        taken.add(str(one.name).lower())
        for problem in filter(None, problems):
            draft.mistake(one.call, problem)
        if any(problems):
            continue
        part = draft.part(one.call, one.listener)
        name = name_of_model(one.model, models)
        if part is not None and name is not None:
            found.append(
                ListenerDeclaration(
                    name=str(one.name),
                    model=name,
                    from_beginning=one.start == "beginning",
                    retries=one.retries or Retries(max_retries=_count(one.max_retries)),
                    listener_part=part,
                )
            )
    return found


def _class_of(model: AskedModel) -> object:
    return model.model if model.handler is None else getattr(model.handler, "model", None)


def name_of_model(model: object, models: Sequence[ModelDeclaration]) -> str | None:
    """Give the name of a class's model; None when there is a mistake in that one."""
    for each in models:
        own: object = each.handler.model if each.handler_part.data else None
        if own is model:
            return each.name
    return None


def _model_problem(model: object, listened: Collection[object]) -> str | None:
    if inspect.isroutine(model):
        return f"{model.__name__} is a function; name the model as well: @app.on_change(Model)"
    if not isinstance(model, type):
        return f"{model!r} is not a model; give the class"
    if model not in listened:
        name = model.__name__
        return f"{name} is no model of this application; register it with with_model({name}, ...)"
    return None


def _listener_problem(one: AskedListener) -> str | None:
    listener = one.listener
    if one.is_function:
        if not inspect.isfunction(listener):
            return f"{listener!r} is not a function; write def func(event) or async def func(event)"
        return _signature_problem(listener, f"{listener.__name__}(event)")
    if isinstance(listener, type):
        return f"{listener.__name__} is a class; write {listener.__name__}()"
    if inspect.isroutine(listener):
        name = packing.name_of(listener)
        return f"{name} is a function; write @app.on_change(Model), or an object with on_event"
    on_event = getattr(listener, "on_event", None)
    if not callable(on_event):
        return f"{packing.name_of(listener)} has no on_event(event), plain or async"
    return _signature_problem(on_event, f"{type(listener).__name__}.on_event(event)")


def _signature_problem(function: object, wanted: str) -> str | None:
    """Say when a function can't be called with one event; None where that can't be known."""
    assert callable(function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return f"it yields, so nothing of it would be run; write {wanted} without yield"
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(None)
    except TypeError:
        return f"it has to take one argument, the event; write {wanted}"
    return None


def _name_problem(name: object, taken: set[str]) -> str | None:
    if not isinstance(name, str) or not WORKER_NAME.fullmatch(name):
        return f"the name {name!r} has to be at most 64 letters, digits and . _ -"
    if name.lower() in taken or TAKEN_NAMES.fullmatch(name):
        return f'"{name}" is the name of another process; choose another'
    return None


def _start_problem(start: object) -> str | None:
    if start in STARTS:
        return None
    return f'start={start!r} has to be "now" or "beginning"'


def _retries_problem(retries: object) -> str | None:
    if retries is None:
        return None
    if isinstance(retries, int) and not isinstance(retries, bool) and 0 <= retries <= RETRIES_MAX:
        return None
    return f"max_retries={retries!r} has to be a whole number from 0 on, or None for no end"


def _count(retries: object) -> int | None:
    return retries if isinstance(retries, int) else None
