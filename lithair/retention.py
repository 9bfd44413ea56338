"""Retention: how many items of a model stay whole in RAM.

Owns the `@retention` decorator, its forms, and the variables that override it at deployment. Law:
retention never changes an answer, only where it is read from; each dimension is set once.

    memory   := count | duration | (count, duration)
    duration := number ("s" | "m" | "h" | "d" | "w" | "y")
    LT_<MODEL>_MEMORY_RETENTION = count | "off"
    LT_<MODEL>_MEMORY_DURATION  = duration | "off"
    LT_<MODEL>_MEMORY_MAX_MB    = number | "off"
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

import msgspec

from lithair.errors import DeclarationError, Mistakes
from lithair.model import Model

M = TypeVar("M", bound=Model)

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
BYTES_PER_MB = 1 << 20  # as Redis counts its maxmemory
ATTRIBUTE = "__lithair_retention__"
OFF = "off"


class Retention(msgspec.Struct, frozen=True):
    """The bounds of a model's hot items; None is no bound."""

    count: int | None = None
    age_s: int | None = None
    max_bytes: int | None = None


def retention(
    *,
    memory: int | str | tuple[int | str, ...] | None = None,
    max_mb: int | None = None,
) -> Callable[[type[M]], type[M]]:
    """Keep only part of the items whole in RAM: the longest unwritten are evicted first.

    `memory=1000` a count, `memory="30d"` an age since the last write (s m h d w y), `max_mb=512` a
    budget of hot bytes. They compose, by stacking or as `memory=(1000, "30d")`. TypeError when a
    dimension is given twice or can't be read.
    """
    dimensions = _dimensions(memory, max_mb)

    def annotate(model: type[M]) -> type[M]:
        own = vars(model).get(ATTRIBUTE, Retention())
        present = {
            name: getattr(own, name)
            for name in own.__struct_fields__
            if getattr(own, name) is not None
        }
        for name in dimensions:
            if name in present:
                raise DeclarationError(
                    f"{model.__name__}: @retention sets {WORDS[name]} twice; keep one"
                )
        setattr(model, ATTRIBUTE, Retention(**present, **dimensions))
        return model

    return annotate


WORDS = {"count": "a count", "age_s": "an age", "max_bytes": "max_mb"}


def declared_retention(model: type[Model]) -> Retention:
    """Return what `@retention` says on the class, or on the nearest base class that has one."""
    found = getattr(model, ATTRIBUTE, None)
    return found if isinstance(found, Retention) else Retention()


def resolve_retention(model: type[Model], environ: Mapping[str, str]) -> Retention:
    """Apply the LT_<MODEL>_MEMORY_* variables to what the class says; Mistakes name bad ones."""
    values: dict[str, int | None] = {}
    mistakes: list[str] = []
    for name, (suffix, read, form) in OVERRIDES.items():
        variable = f"LT_{model.__name__.upper()}{suffix}"
        text = environ.get(variable)
        if text is None:
            continue
        try:
            values[name] = None if text.strip().lower() == OFF else read(text.strip())
        except ValueError:
            mistakes.append(f"{variable}={text!r} can't be read: write {form}, or off.")
    if mistakes:
        raise Mistakes(mistakes)
    return msgspec.structs.replace(declared_retention(model), **values)


def parse_duration(text: str) -> int:
    """Read "30d" as seconds; ValueError when it is not a positive number and a unit."""
    match = re.fullmatch(r"([0-9]{1,12})([smhdwy])", text)
    if match is None or int(match[1]) == 0:
        raise ValueError(text)
    return int(match[1]) * SECONDS[match[2]]


def parse_count(text: str) -> int:
    """Read a positive whole number; ValueError when it is none."""
    if re.fullmatch(r"[0-9]{1,15}", text) is None or int(text) == 0:
        raise ValueError(text)
    return int(text)


def _parse_mb(text: str) -> int:
    return parse_count(text) * BYTES_PER_MB


OVERRIDES: dict[str, tuple[str, Callable[[str], int], str]] = {
    "count": ("_MEMORY_RETENTION", parse_count, "a number of items such as 5000"),
    "age_s": ("_MEMORY_DURATION", parse_duration, "a number and a unit of s m h d w y such as 90d"),
    "max_bytes": ("_MEMORY_MAX_MB", _parse_mb, "a number of megabytes such as 2048"),
}


def _dimensions(memory: object, max_mb: object) -> dict[str, int]:
    """Read the arguments of @retention; DeclarationError says what to write."""
    found: dict[str, int] = {}
    parts = cast("tuple[object, ...]", memory) if isinstance(memory, tuple) else (memory,)
    for part in parts:
        if part is None and not isinstance(memory, tuple):
            continue
        name, value = _memory_dimension(part)
        if name in found:
            raise DeclarationError(
                f"@retention(memory={memory!r}) sets {WORDS[name]} twice; keep one"
            )
        found[name] = value
    if max_mb is not None:
        if not isinstance(max_mb, int) or isinstance(max_mb, bool) or max_mb <= 0:
            raise DeclarationError(
                f"@retention(max_mb={max_mb!r}): write a number of megabytes above 0"
            )
        found["max_bytes"] = max_mb * BYTES_PER_MB
    if not found:
        raise DeclarationError(
            '@retention() sets nothing: write memory=1000, memory="30d" or max_mb=512'
        )
    return found


def _memory_dimension(part: object) -> tuple[str, int]:
    if isinstance(part, int) and not isinstance(part, bool) and part > 0:
        return "count", part
    if isinstance(part, str):
        try:
            return "age_s", parse_duration(part)
        except ValueError:
            pass
    raise DeclarationError(
        f"@retention(memory={part!r}) can't be read: write a count above 0 such as 1000, or an age"
        ' such as "30d" (s m h d w y)'
    )
