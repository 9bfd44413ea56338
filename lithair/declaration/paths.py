"""URL paths as an application writes them, and which of them stand in each other's way.

Law: every request has one place that answers it, whatever the order of the calls. A more special
path goes before a more general one; where neither is, or a model's own paths are taken, that is a
mistake.

    path    := ("/" segment)+ ["/"] | "/"
    segment := literal | "{" name "}"
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

BUILT_IN_PATHS = ("/health", "/ready", "/info", "/metrics", "/openapi.json", "/docs")
BUILT_IN_PREFIX = "/_admin"
ACCOUNT_PATHS = ("/auth/login", "/auth/logout", "/auth/me", "/auth/password")  # with_users
NAME_CHARACTERS_MAX = 64  # part of socket names, process names and metric labels

_LITERAL = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]+")
_NAMED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Pattern(msgspec.Struct, frozen=True):
    """What one call answers: its segments (None stands for any), its methods (empty: every one)."""

    call: str  # how the call was written, for sentences
    segments: tuple[str | None, ...]
    methods: frozenset[str] = frozenset()


def path_problem(path: object) -> str | None:
    """Say what is wrong with a route's path, or None."""
    if not isinstance(path, str) or not path.startswith("/"):
        return f'the path {path!r} has to be text that begins with "/"'
    names: set[str] = set()
    segments = path[1:].split("/")
    for index, segment in enumerate(segments):
        named = _NAMED.fullmatch(segment)
        if named is not None:
            if named[1] in names:
                return f"the path {path!r} has {{{named[1]}}} twice"
            names.add(named[1])
        elif segment in {".", ".."}:
            return f'the path {path!r} has "{segment}" in it, which clients remove'
        elif not segment and index < len(segments) - 1:
            return f"the path {path!r} has an empty segment"
        elif segment and not _LITERAL.fullmatch(segment):
            return f'the path {path!r} has "{segment}" in it, which is no literal and no {{name}}'
    return None


def model_path_problem(path: object) -> str | None:
    """Say what is wrong with a model's path, or None."""
    problem = path_problem(path)
    if problem is not None or not isinstance(path, str):
        return problem
    if "{" in path:
        return f"the path {path!r} of a model can't have a {{name}} in it"
    name = path.rstrip("/").rpartition("/")[2]
    if not _MODEL_NAME.fullmatch(name) or len(name) > NAME_CHARACTERS_MAX:
        return (
            f"the path {path!r} has to end with the model's name: letters, digits and . _ -,"
            f" not beginning with these, at most {NAME_CHARACTERS_MAX} characters"
        )
    return None


def segments_of(path: str) -> tuple[str | None, ...]:
    """Split a path; None stands where a `{name}` was."""
    return tuple(None if segment.startswith("{") else segment for segment in path[1:].split("/"))


def model_patterns(call: str, path: str) -> tuple[Pattern, ...]:
    """Return what a model answers: its collection, its items, their histories and streams."""
    own = segments_of(path)
    return (
        Pattern(call, own),
        Pattern(call, (*own, None)),
        Pattern(call, (*own, None, "history")),
        Pattern(call, (*own, None, "stream")),
    )


def built_in_mistakes(
    patterns: Sequence[Pattern], paths: Sequence[str] = BUILT_IN_PATHS
) -> Iterator[str]:
    """Say which calls take one of the paths that Lithair answers itself."""
    for pattern in patterns:
        text = _text(pattern)
        if text in paths or (text + "/").startswith(BUILT_IN_PREFIX + "/"):
            yield f"{pattern.call}: Lithair itself answers {text}; choose another path."


def account_mistakes(models: Sequence[Sequence[Pattern]]) -> Iterator[str]:
    """Say which models have items where the routes of accounts are: models are looked at first."""
    taken = [Pattern("", segments_of(path)) for path in ACCOUNT_PATHS]
    for model in models:
        if any(_overlap(own, path) for own in model[1:] for path in taken):
            yield (
                f"{model[0].call}: with_users answers {ACCOUNT_PATHS[0]}, which lies among its"
                " items; choose another path."
            )


def model_mistakes(models: Sequence[Sequence[Pattern]]) -> Iterator[str]:
    """Say which models' paths shadow another's."""
    for index, ours in enumerate(models):
        for theirs in models[:index]:
            if ours[0].segments == theirs[0].segments:
                yield f"{theirs[0].call} and {ours[0].call} have one path; give each its own."
            elif any(_overlap(one, other) for one in ours for other in theirs):
                outer, inner = sorted((ours[0], theirs[0]), key=lambda own: len(own.segments))
                yield (
                    f"{inner.call}: {_text(inner)} lies among the items of {_text(outer)}"
                    f" ({outer.call}), which would shadow it; move one of them."
                )


def route_mistakes(routes: Sequence[Pattern], models: Sequence[Sequence[Pattern]]) -> Iterator[str]:
    """Say which routes a model shadows, and which ones stand in each other's way."""
    for index, route in enumerate(routes):
        for model in models:
            if any(_overlap(route, own) and not _is_broader(route, own) for own in model):
                yield (
                    f"{route.call}: {model[0].call} answers {_text(route)}; choose a path that is"
                    " not one of the model's."
                )
        for other in routes[:index]:
            if not _overlap(route, other) or not _shared_methods(route, other):
                continue
            if not _is_broader(route, other) and not _is_broader(other, route):
                yield (
                    f"{other.call} and {route.call} answer the same requests; change one of them."
                )


def speciality(path: str) -> tuple[object, ...]:
    """Return the key that sorts special paths before general ones."""
    return tuple((segment is None, segment or "") for segment in segments_of(path))


def _overlap(one: Pattern, other: Pattern) -> bool:
    return len(one.segments) == len(other.segments) and all(
        mine is None or yours is None or mine == yours
        for mine, yours in zip(one.segments, other.segments, strict=True)
    )


def _is_broader(one: Pattern, other: Pattern) -> bool:
    """Say whether `one` answers every path of `other`, and more."""
    return one.segments != other.segments and all(
        mine is None or mine == yours
        for mine, yours in zip(one.segments, other.segments, strict=True)
    )


def _shared_methods(one: Pattern, other: Pattern) -> bool:
    return not one.methods or not other.methods or bool(one.methods & other.methods)


def _text(pattern: Pattern) -> str:
    return "/" + "/".join("{...}" if part is None else part for part in pattern.segments)
