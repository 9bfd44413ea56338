"""The token book: where `lithair tokens` reads and writes API tokens.

Owns the two ways to them: a server's own process, and a directory that no server has. Law: a
running server hears of every change through its feed, within a second.
"""

import os
from typing import Final, Protocol, TypeVar, cast

import msgspec

from lithair.actors.stored_model import StoredModel
from lithair.api_tokens import TOKENS, TokenRecord
from lithair.cli.server import NotReachable, ask
from lithair.client.calls import Call, Calls
from lithair.client.connection import Connection
from lithair.errors import LithairError, NotFound
from lithair.storage.places import is_directory

R = TypeVar("R")

TIMEOUT_S: Final = 30.0
TAKE: Final = 1000  # of a page; the server may give fewer
NOT_RUNNING: Final = ". Without a server, name the directory of with_tokens with --data-dir"
NO_TOKENS: Final = "the server takes no API tokens: add with_tokens(directory) to the application"

_decode = msgspec.json.Decoder(TokenRecord).decode


class TokenBook(Protocol):
    """Reads and writes tokens, between entering and leaving."""

    def __enter__(self) -> "TokenBook": ...
    def __exit__(self, *_: object) -> None: ...
    def add(self, record: TokenRecord) -> None: ...
    def revoke(self, record: TokenRecord, now_ms: int) -> None: ...
    def all(self) -> list[TokenRecord]: ...


class _Writer:
    """What both ways have in common: the calls."""

    def __init__(self) -> None:
        self._calls: Calls[TokenRecord] = Calls(TokenRecord)
        self._calls.name = TOKENS

    def add(self, record: TokenRecord) -> None:
        self.do(self._calls.create(record))

    def revoke(self, record: TokenRecord, now_ms: int) -> None:
        self.do(self._calls.patch(record.id, {"revoked_ms": now_ms}, None))

    def do(self, call: Call[R]) -> R:
        raise NotImplementedError


class RunningTokens(_Writer):
    """The tokens of a server that runs; NotReachable when there is none."""

    def __init__(self, run_dir: str | None) -> None:
        super().__init__()
        try:
            models = cast("list[dict[str, object]]", ask(run_dir, {"ask": "where"})["models"])
        except NotReachable as error:
            raise NotReachable(f"{error}{NOT_RUNNING}") from None
        if not any(model["name"] == TOKENS for model in models):
            raise LithairError(NO_TOKENS)
        self._connection = Connection(run_dir, TIMEOUT_S)

    def __enter__(self) -> "RunningTokens":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def all(self) -> list[TokenRecord]:
        found: list[TokenRecord] = []
        while True:
            page = self.do(self._calls.list(self._calls.pairs({}, None, len(found), TAKE)))
            found.extend(page.data)
            if not page.has_more:
                return found

    def do(self, call: Call[R]) -> R:
        return self._connection.wait(TOKENS, call)


class StoredTokens(_Writer):
    """The tokens in a directory that no server has; LockedByOther when one does."""

    def __init__(self, directory: str, *, is_made: bool) -> None:
        super().__init__()
        place = os.path.abspath(directory)
        if not is_made and not is_directory(place):
            raise NotFound(f"there is no directory {place}")
        self._stored = StoredModel(TokenRecord, place, TAKE)

    def __enter__(self) -> "StoredTokens":
        return self

    def __exit__(self, *_: object) -> None:
        self._stored.__exit__(None, None, None)

    def all(self) -> list[TokenRecord]:
        return [_decode(item) for item in self._stored.items()]

    def do(self, call: Call[R]) -> R:
        return self._stored.do(call)


def tokens_of(run_dir: str | None, data_dir: str | None, *, is_made: bool = False) -> TokenBook:
    """Open the tokens of a server that runs, or of a directory, which may be made for it."""
    if data_dir is None:
        return RunningTokens(run_dir)
    return StoredTokens(data_dir, is_made=is_made)
