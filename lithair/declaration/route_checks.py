"""The checks of user routes, Tornado handlers and static directories, and their declarations.

Law: routes are declared special ones before general ones, so whoever matches them in order finds
the right one whatever the order of the calls was.
"""

import functools
import inspect
import re
from collections.abc import Iterator
from typing import cast

from lithair.declaration import packing
from lithair.declaration.asked import (
    Asked,
    AskedModel,
    AskedRoute,
    AskedStatic,
    AskedTornado,
)
from lithair.declaration.declared import (
    RouteDeclaration,
    RouteFunction,
    StaticDeclaration,
    TornadoDeclaration,
)
from lithair.declaration.draft import Draft
from lithair.declaration.paths import (
    ACCOUNT_PATHS,
    BUILT_IN_PATHS,
    Pattern,
    account_mistakes,
    built_in_mistakes,
    model_mistakes,
    model_path_problem,
    model_patterns,
    path_problem,
    route_mistakes,
    segments_of,
    speciality,
)
from lithair.storage import places

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REGEX_CHARACTERS = re.compile(r"[\\^$*+?()\[\]|]")  # none of them: the path is meant literally


def route_declarations(asked: list[AskedRoute], draft: Draft) -> list[RouteDeclaration]:
    """Check each route by itself."""
    found: list[RouteDeclaration] = []
    for one in asked:
        problem = _method_problem(one.method) or path_problem(one.path)
        problem = problem or _function_problem(one.func)
        if problem is not None:
            draft.mistake(one.call, problem)
            continue
        part = draft.part(one.call, cast("RouteFunction", one.func))
        if part is not None:
            found.append(
                RouteDeclaration(
                    method=str(one.method).upper(),
                    path=str(one.path),
                    require_session=bool(one.require_session),
                    func_part=part,
                )
            )
    return sorted(found, key=lambda route: speciality(route.path))


def tornado_declarations(asked: list[AskedTornado], draft: Draft) -> list[TornadoDeclaration]:
    """Check each Tornado handler by itself; Tornado is not imported for it."""
    found: list[TornadoDeclaration] = []
    for one in asked:
        problem = _tornado_problem(one)
        if problem is not None:
            draft.mistake(one.call, problem)
            continue
        handler = draft.part(one.call, cast("type", one.handler))
        init = {name: draft.part(f"{one.call}, {name}=", value) for name, value in one.init.items()}
        if handler is None or None in init.values():
            continue
        together = draft.part(one.call, one.init)
        if together is not None:
            found.append(TornadoDeclaration(str(one.path), handler, together))
    return found


def static_declarations(asked: list[AskedStatic], draft: Draft) -> list[StaticDeclaration]:
    """Check each static directory; longer paths come first."""
    found: list[StaticDeclaration] = []
    for one in asked:
        directory = draft.directory(one.call, one.directory)
        problem = path_problem(one.path)
        if problem is None and "{" in str(one.path):
            problem = f"the path {one.path!r} of a directory can't have a {{name}} in it"
        if problem is not None:
            draft.mistake(one.call, problem)
        if directory is not None and not places.is_directory(directory):
            draft.mistake(one.call, f"there is no directory {directory}")
        if problem is None and directory is not None:
            path = str(one.path).rstrip("/") + "/"
            if any(path == other.path for other in found):
                draft.mistake(one.call, f"another directory is served at {path} already")
            found.append(StaticDeclaration(directory, path))
    return sorted(found, key=lambda static: len(static.path), reverse=True)


def shadow_mistakes(asked: Asked) -> Iterator[str]:
    """Say which paths shadow another's; paths that are wrong by themselves are left out."""
    models, routes, tornado, statics = asked.models, asked.routes, asked.tornado, asked.statics
    model_sets = [
        model_patterns(one.call, str(one.path).rstrip("/"))
        for one in models
        if model_path_problem(one.path) is None
    ]
    patterns = [
        Pattern(one.call, segments_of(str(one.path)), frozenset((str(one.method).upper(),)))
        for one in routes
        if path_problem(one.path) is None and _method_problem(one.method) is None
    ]
    literal = [one for one in tornado if _is_literal(one.path)]
    patterns.extend(Pattern(one.call, segments_of(str(one.path))) for one in literal)
    places = [
        Pattern(one.call, segments_of(str(one.path).rstrip("/") or "/"))
        for one in statics
        if path_problem(one.path) is None and one.path != "/"
    ]
    own_paths = BUILT_IN_PATHS + (ACCOUNT_PATHS if asked.users else ())
    yield from built_in_mistakes([own[0] for own in model_sets] + patterns + places, own_paths)
    if asked.users:
        yield from account_mistakes(model_sets)
    yield from model_mistakes(model_sets)
    yield from route_mistakes(patterns, model_sets)
    for place in places:
        for model in model_sets:
            if place.segments[: len(model[0].segments)] == model[0].segments:
                yield (
                    f"{place.call}: {model[0].call} answers what is below its path; choose another"
                    " path."
                )
    yield from _regex_mistakes([one for one in tornado if not _is_literal(one.path)], models)


def _regex_mistakes(tornado: list[AskedTornado], models: list[AskedModel]) -> Iterator[str]:
    """Say which regular expressions are duplicates, or are written for a model's own paths."""
    for index, one in enumerate(tornado):
        if _tornado_problem(one) is not None:
            continue
        regex = str(one.path)
        if any(other.path == regex for other in tornado[:index]):
            yield f"{one.call}: another handler has the path {regex} already; change one."
        for model in models:
            path = str(model.path).rstrip("/")
            if not regex.lstrip("^").startswith(path + "/"):
                continue
            if any(
                re.fullmatch(regex, path + tail) for tail in ("/x", "/1", "/x/history", "/x/stream")
            ):
                yield (
                    f"{one.call}: {model.call} answers {path}/{{id}}; choose a path that is not one"
                    " of the model's."
                )


def _is_literal(path: object) -> bool:
    return path_problem(path) is None and not REGEX_CHARACTERS.search(str(path))


def _tornado_problem(one: AskedTornado) -> str | None:
    if not isinstance(one.path, str) or not one.path.lstrip("^").startswith("/"):
        return f'the path {one.path!r} has to be text that begins with "/"'
    try:
        re.compile(one.path)
    except re.error as error:
        return f"the path {one.path!r} is not a regular expression: {error}"
    if not isinstance(one.handler, type):
        return f"{one.handler!r} is not a class; write a tornado.web.RequestHandler of your own"
    if not any(base.__module__ == "tornado.web" for base in one.handler.__mro__):
        return f"{one.handler.__name__} is not a tornado.web.RequestHandler"
    return None


def _method_problem(method: object) -> str | None:
    if not isinstance(method, str) or method.upper() not in METHODS:
        return (
            f"the method {method!r} has to be one of {', '.join(METHODS)}; HEAD and OPTIONS are"
            " answered by Lithair"
        )
    return None


def _function_problem(func: object) -> str | None:
    plain = func
    while isinstance(plain, functools.partial):
        plain = cast("object", plain.func)
    called = plain if inspect.isroutine(plain) else getattr(plain, "__call__", None)  # noqa: B004
    if not inspect.iscoroutinefunction(called):
        return f"{packing.name_of(func)} has to be a coroutine function: async def func(request)"
    return None
