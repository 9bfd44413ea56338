"""The checks of the dashboard's path.

Law: nothing else answers there or below, and nothing of the administration's own is hidden by it.
"""

from collections.abc import Iterator

from lithair.declaration.asked import Asked
from lithair.declaration.draft import Draft
from lithair.declaration.paths import BUILT_IN_PATHS, BUILT_IN_PREFIX, path_problem

TAKEN = (f"{BUILT_IN_PREFIX}/data", f"{BUILT_IN_PREFIX}/session")


def dashboard_path(asked: Asked, draft: Draft) -> str | None:
    """Check where the dashboard is to be; None when it was not asked for, or can't be there."""
    if len(asked.dashboards) > 1:
        draft.mistake(asked.dashboards[1][0], "it was called twice; keep one")
    found: str | None = None
    for call, path in asked.dashboards:
        problem = _path_problem(path)
        if problem is not None:
            draft.mistake(call, problem)
            continue
        found = str(path).rstrip("/")
        for other, taken in _others(asked):
            if (taken + "/").startswith(found + "/") or found.startswith(taken + "/"):
                draft.mistake(call, f"{other} answers {taken}; choose another path")
    return found


def _path_problem(path: object) -> str | None:
    problem = path_problem(path)
    if problem is not None:
        return problem
    text = str(path).rstrip("/")
    if not text or "{" in text:
        return f"the path {path!r} has to be one of its own, without a {{name}}, such as /_admin"
    if any((text + "/").startswith(taken + "/") for taken in (*TAKEN, *BUILT_IN_PATHS)):
        return f"Lithair itself answers {text}; choose another path"
    return None


def _others(asked: Asked) -> Iterator[tuple[str, str]]:
    """Give what else has a path of its own; a directory's files are looked at last, so / may be."""
    said = [(model.call, model.path) for model in asked.models]
    said += [(route.call, route.path) for route in asked.routes]
    said += [(handler.call, handler.path) for handler in asked.tornado]
    said += [(files.call, files.path) for files in asked.statics]
    for call, path in said:
        if isinstance(path, str) and path.rstrip("/"):
            yield call, path.rstrip("/")
