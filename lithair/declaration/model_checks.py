"""The checks of models and workers, and their declarations.

Law: a name means one process. A model is known by its class's name and by its path's last segment,
in any case of letters (`LT_EMAIL_MEMORY_...` is upper case, `_stats` takes lower case).
"""

import inspect
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from lithair.core.roles import rules_of
from lithair.core.schema import Schema, schema_of
from lithair.declaration import packing
from lithair.declaration.asked import AskedModel, AskedWorker
from lithair.declaration.declared import (
    MigrationDeclaration,
    ModelDeclaration,
    RolesDeclaration,
    WorkerDeclaration,
    WorkerFunction,
)
from lithair.declaration.draft import Draft
from lithair.declaration.packing import Part
from lithair.declaration.paths import model_path_problem
from lithair.errors import Mistakes
from lithair.handler import ModelHandler
from lithair.migration import gaps, migrations_of
from lithair.model import IdentifiedModel, Model
from lithair.retention import OVERRIDES, Retention, resolve_retention
from lithair.roles import PermissionChecker, checker_mistakes
from lithair.storage import places

WORKER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
TAKEN_NAMES = re.compile(r"supervisor|gateway(-[0-9]+)?")  # what other processes are called
HOOKS = ("before_create", "before_update", "before_delete")


def model_declarations(
    asked: list[AskedModel],
    internal: list[tuple[str, ModelDeclaration]],
    environ: Mapping[str, str],
    draft: Draft,
) -> list[ModelDeclaration]:
    """Check each model by itself, then what models have to each other and to `internal` ones."""
    found: list[tuple[str, ModelDeclaration]] = []
    schemas: list[Schema] = []
    for one in asked:
        handler = _handler(one, draft)
        schema = None if handler is None else _schema(one.call, handler, draft)
        problem = model_path_problem(one.path)
        if problem is not None:
            draft.mistake(one.call, problem)
        if handler is None or schema is None:
            continue
        schemas.append(schema)
        if not one.has_roles:
            draft.notices.extend(_idle_markers(schema))
        data_dir = draft.directory(one.call, handler.data_dir)
        part = draft.part(one.call, handler)
        retention = _retention(schema, environ, draft)
        migrations = _migrations(one.call, schema, draft)
        roles = _roles(one, schema, draft)
        if problem is not None or data_dir is None:
            continue
        path = str(one.path).rstrip("/")
        model = ModelDeclaration(
            name=path.rpartition("/")[2],
            class_name=schema.name,
            path=path,
            data_dir=data_dir,
            retention=retention,
            handler_part=part or Part(b""),  # without one there is a mistake in the draft
            is_gated=not one.has_roles,
            migration_parts=migrations,
            roles=roles,
        )
        found.append((one.call, model))
    draft.mistakes.extend(_shared([*found, *internal]))
    draft.mistakes.extend(_unknown_refs(schemas))
    return [model for _, model in found]


def worker_declarations(
    asked: list[AskedWorker], models: list[ModelDeclaration], draft: Draft
) -> list[WorkerDeclaration]:
    """Check each worker; its name is one that no other process has."""
    taken = {name for model in models for name in names_of(model)}
    found: list[WorkerDeclaration] = []
    for one in asked:
        problem = _worker_problem(one, taken)
        taken.add(str(one.name).lower())
        every_s = None if one.every is None else draft.seconds(one.call, one.every)
        if problem is not None:
            draft.mistake(one.call, problem)
            continue
        part = draft.part(one.call, cast("WorkerFunction", one.func))
        if part is not None:
            found.append(WorkerDeclaration(str(one.name), every_s, part))
    return found


def unused_overrides(models: list[ModelDeclaration], environ: Mapping[str, str]) -> Iterator[str]:
    """Say which LT_<MODEL>_MEMORY_* variables name no model of this application."""
    known = {model.class_name.upper() for model in models}
    for variable in sorted(environ):
        for suffix, _, _ in OVERRIDES.values():
            name = variable.removeprefix("LT_").removesuffix(suffix)
            if variable == f"LT_{name}{suffix}" and name not in known:
                yield f"{variable}: no model of this application has that name."


def _handler(one: AskedModel, draft: Draft) -> ModelHandler[Any] | None:
    """Return the user's handler, or make the plain one; None, and a mistake, when it is none."""
    if one.handler is None:
        if not _is_model(one.model):
            draft.mistake(one.call, f"{_shown(one.model)} is not a model; write class X(Model)")
            return None
        return ModelHandler(cast("type[Model]", one.model), cast("str", one.data_dir))
    problem = _handler_problem(one.handler)
    if problem is not None:
        draft.mistake(one.call, problem)
        return None
    return cast("ModelHandler[Any]", one.handler)


def _handler_problem(handler: object) -> str | None:
    name = type(handler).__name__
    if isinstance(handler, type):
        return f"{handler.__name__} is a class; write {handler.__name__}(Model, data_dir)"
    if not issubclass(type(handler), ModelHandler):
        return f"{handler!r} is not a ModelHandler"
    own = vars(handler)
    if "model" not in own or "data_dir" not in own:
        return f"{name}.__init__ has to call super().__init__(model, data_dir)"
    if not _is_model(own["model"]):
        return f"{_shown(own['model'])} is not a model; write class X(Model)"
    for hook in HOOKS:
        if inspect.iscoroutinefunction(getattr(type(handler), hook)):
            return f"{name}.{hook} is a coroutine function; hooks are plain functions, write def"
    return None


def _is_model(value: object) -> bool:
    return (
        isinstance(value, type)
        and issubclass(value, Model)
        and value not in {Model, IdentifiedModel}
    )


def _schema(call: str, handler: ModelHandler[Any], draft: Draft) -> Schema | None:
    try:
        return schema_of(handler.model)
    except TypeError as error:
        draft.mistake(call, str(error))
        return None


def _retention(schema: Schema, environ: Mapping[str, str], draft: Draft) -> Retention:
    try:
        return resolve_retention(schema.model, environ)
    except Mistakes as error:
        draft.mistakes.extend(error.sentences)
        return Retention()


def _migrations(call: str, schema: Schema, draft: Draft) -> tuple[MigrationDeclaration, ...]:
    """Check the chain of a model's migrations, and make them ready to travel."""
    name, found = schema.name, migrations_of(schema.model)
    for version in gaps(schema.model, found):
        draft.mistake(
            call,
            f"no migration leads from version {version} of {name} to {version + 1}; write"
            f" @migrate({name}, from_version={version})",
        )
    declared: list[MigrationDeclaration] = []
    for migration in found:
        if migration.from_fingerprint == schema.fingerprint:
            draft.mistake(
                call, f"@migrate({name}, {migration.origin}) starts from the present declaration"
            )
        part = draft.part(call, migration.func)
        if part is not None:
            start = (migration.from_version, migration.from_fingerprint)
            declared.append(MigrationDeclaration(*start, part))
    return tuple(declared)


def _roles(one: AskedModel, schema: Schema, draft: Draft) -> RolesDeclaration | None:
    """Check who tells what roles may do in a model; None where nobody does."""
    if not one.has_roles:
        return None
    mistakes = checker_mistakes(one.call, one.checker)
    draft.mistakes.extend(mistakes)
    part = None if mistakes else draft.part(one.call, cast("PermissionChecker", one.checker))
    return None if part is None else RolesDeclaration(rules_of(schema), part)


def names_of(model: ModelDeclaration) -> set[str]:
    """Give the names that a model is known by, in lower case."""
    names = {model.name.lower()}
    return names if model.is_internal else names | {model.class_name.lower()}


def _shared(models: list[tuple[str, ModelDeclaration]]) -> Iterator[str]:
    """Say which models have one data directory or one name (paths are checked with the routes)."""
    for index, (call, model) in enumerate(models):
        for other_call, other in models[:index]:
            if not model.data_dir or not other.data_dir:  # in RAM
                pass
            elif places.resolved(model.data_dir) == places.resolved(other.data_dir):
                yield (
                    f"{other_call} and {call} have one data directory, {model.data_dir}; give each"
                    " its own."
                )
            elif _is_inside(model.data_dir, other.data_dir):
                yield (
                    f"{other_call} and {call}: one data directory lies within the other; give each"
                    " its own."
                )
            same = sorted(names_of(model) & names_of(other))
            if same:
                yield (
                    f'{other_call} and {call} have one name, "{same[0]}" (a class\'s name, or the'
                    " last segment of a path); rename one."
                )


def _is_inside(one: str, other: str) -> bool:
    """Say whether one of two directories lies within the other."""
    pair = [os.path.join(places.resolved(path), "") for path in (one, other)]
    return pair[0].startswith(pair[1]) or pair[1].startswith(pair[0])


def _idle_markers(schema: Schema) -> Iterator[str]:
    """Say which markers do nothing without roles, so that nobody relies on them."""
    fields = [field.name for field in schema.fields if field.owner or field.permission is not None]
    if fields:
        yield (
            f"{schema.name}: Owner and Permission (on {', '.join(fields)}) mean something under"
            " with_model_full(...) only; everyone reads and writes these fields."
        )


def _unknown_refs(schemas: list[Schema]) -> Iterator[str]:
    known = {schema.name for schema in schemas}
    for schema in schemas:
        for field in schema.fields:
            if field.ref is not None and field.ref not in known:
                yield (
                    f'{schema.name}.{field.name}: Ref["{field.ref}"] is no model of this'
                    f" application; register it with with_model({field.ref}, ...)."
                )


def _worker_problem(one: AskedWorker, taken: set[str]) -> str | None:
    if not callable(one.func):
        return f"{_shown(one.func)} is not a function; write def func(lithair)"
    if inspect.iscoroutinefunction(one.func):
        return f"{packing.name_of(one.func)} is a coroutine function; write a plain def"
    if not isinstance(one.name, str) or not WORKER_NAME.fullmatch(one.name):
        return f"the name {one.name!r} has to be at most 64 letters, digits and . _ -"
    if one.name.lower() in taken or TAKEN_NAMES.fullmatch(one.name):
        return f'"{one.name}" is the name of another process; choose another'
    return None


def _shown(value: object) -> str:
    return value.__name__ if isinstance(value, type) else repr(value)
