"""Migrations: functions that give items of an older class the form of a later one.

Owns the `@migrate` decorator and what a class knows of its migrations. Law: a migration is a plain
function of one item as JSON; it is carried out when a record is read, never in place, so the log
stays as it was written until a compaction writes it anew.

    by version      @migrate(Email, from_version=1)       gives the form of version 2
    by fingerprint  @migrate(Email, from_fingerprint="0f…")   gives the present form
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import msgspec

from lithair.errors import DeclarationError
from lithair.model import Model, version_of

# Any: an old item is whatever JSON its class allowed, and that class is gone.
MigrationFunction = Callable[[dict[str, Any]], dict[str, Any]]
F = TypeVar("F", bound=MigrationFunction)

ATTRIBUTE: Final = "__lithair_migrations__"
FINGERPRINT: Final = re.compile(r"[0-9a-fA-F]{32}")


class Migration(msgspec.Struct, frozen=True):
    """One function, and what it starts from: a version, or the fingerprint of a declaration."""

    func: MigrationFunction
    from_version: int = 0  # 0: it starts from a fingerprint
    from_fingerprint: bytes = b""

    @property
    def origin(self) -> str:
        """Say where it starts, as it is written in the decorator."""
        if self.from_version:
            return f"from_version={self.from_version}"
        return f'from_fingerprint="{self.from_fingerprint.hex()}"'


def migrate(
    model: type[Model], *, from_version: int | None = None, from_fingerprint: str | None = None
) -> Callable[[F], F]:
    """Bring items that were written under an older class to a later form.

    The function gets the old item as a dict of JSON values and returns the new one. With
    `from_version=n` that is the form of version n + 1, and the next migration goes on from there;
    with `from_fingerprint` (the sentence of `SchemaChanged` says it) it is the present form. The id
    stays; fields with a default may be left out. DeclarationError for what can't be meant.
    """
    start = _start(model, from_version, from_fingerprint)

    def register(func: F) -> F:
        present = migrations_of(model)
        migration = msgspec.structs.replace(start, func=func)
        others = tuple(other for other in present if other.origin != migration.origin)
        same = [other for other in present if other.origin == migration.origin]
        if same and not _is_same(same[0].func, func):
            raise DeclarationError(
                f"{model.__name__}: {name_of(same[0].func)} and {name_of(func)} both migrate"
                f" {migration.origin}; keep one"
            )
        setattr(model, ATTRIBUTE, (*others, migration))
        return func

    return register


def migrations_of(model: type[Model]) -> tuple[Migration, ...]:
    """Give the migrations of a class; those of a class above it are not its own."""
    found: tuple[Migration, ...] = vars(model).get(ATTRIBUTE, ())
    return found


def gaps(model: type[Model], migrations: Iterable[Migration]) -> list[int]:
    """Give the versions that the chain of migrations should start from, too, and does not."""
    found = {migration.from_version for migration in migrations if migration.from_version}
    if not found:
        return []
    return [version for version in range(min(found), version_of(model)) if version not in found]


def name_of(func: object) -> str:
    """Name a function as a sentence should."""
    return str(getattr(func, "__qualname__", func))


def _start(model: object, from_version: object, from_fingerprint: object) -> Migration:
    """Read the decorator's arguments; DeclarationError says what to write."""
    if not isinstance(model, type) or not issubclass(model, Model):
        raise DeclarationError(f"@migrate({model!r}): write the class of the model first")
    call = f"@migrate({model.__name__}, ...)"
    if (from_version is None) == (from_fingerprint is None):
        raise DeclarationError(f"{call}: write either from_version=1 or from_fingerprint=...")
    if from_fingerprint is not None:
        if not isinstance(from_fingerprint, str) or not FINGERPRINT.fullmatch(from_fingerprint):
            raise DeclarationError(
                f"{call}: from_fingerprint={from_fingerprint!r} has to be 32 hexadecimal digits"
            )
        return Migration(_nothing, from_fingerprint=bytes.fromhex(from_fingerprint))
    if not isinstance(from_version, int) or isinstance(from_version, bool) or from_version < 1:
        raise DeclarationError(
            f"{call}: from_version={from_version!r} has to be a whole number above 0"
        )
    if from_version >= version_of(model):
        raise DeclarationError(
            f"{call}: {model.__name__} is of version {version_of(model)}, and from_version="
            f"{from_version} is not below it; write class {model.__name__}(Model,"
            f" version={from_version + 1})"
        )
    return Migration(_nothing, from_version=from_version)


def _nothing(item: dict[str, Any]) -> dict[str, Any]:
    return item


def _is_same(one: MigrationFunction, other: MigrationFunction) -> bool:
    """Tell whether two are one function whose module was loaded twice."""
    places = [getattr(func, "__code__", func) for func in (one, other)]
    files = [getattr(place, "co_filename", place) for place in places]
    return files[0] == files[1] and name_of(one) == name_of(other)
