"""The account book: where `lithair users` reads and writes accounts.

Owns the two ways to them: a server's own processes, and a directory that no server has. Law: what
takes access away is written down first, then the sessions are ended; asked for again, both are.
"""

import os
from collections.abc import Mapping
from typing import Final, Protocol, TypeVar, cast

import msgspec

from lithair.accounts import USERS, Account
from lithair.actors.stored_model import StoredModel
from lithair.cli.server import NotReachable, ask
from lithair.client.accounts import AccountCalls
from lithair.client.calls import Call, Calls
from lithair.client.connection import Connection
from lithair.errors import LithairError, NotFound
from lithair.internal import SESSIONS, SessionRecord
from lithair.storage.places import is_directory

R = TypeVar("R")

TIMEOUT_S: Final = 30.0
TAKE: Final = 1000  # of a page; the server may give fewer
NOT_RUNNING: Final = ". Without a server, name the directory of with_users with --data-dir"
NO_USERS: Final = "the server has no users: add with_users(directory) to the application"

_decode = msgspec.json.Decoder(Account).decode


class AccountBook(Protocol):
    """Reads and writes accounts, between entering and leaving."""

    def __enter__(self) -> "AccountBook": ...
    def __exit__(self, *_: object) -> None: ...
    def find(self, key: str) -> Account | None: ...
    def add(self, account: Account) -> None: ...
    def change(self, key: str, changes: Mapping[str, object]) -> None: ...
    def all(self) -> list[Account]: ...


class RunningBook:
    """The accounts of a server that runs; NotReachable when there is none."""

    def __init__(self, run_dir: str | None) -> None:
        try:
            models = cast("list[dict[str, object]]", ask(run_dir, {"ask": "where"})["models"])
        except NotReachable as error:
            raise NotReachable(f"{error}{NOT_RUNNING}") from None
        if not any(model["name"] == USERS for model in models):
            raise LithairError(NO_USERS)
        self._connection = Connection(run_dir, TIMEOUT_S)
        self._calls = AccountCalls()

    def __enter__(self) -> "RunningBook":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def find(self, key: str) -> Account | None:
        return self._do(self._calls.get(key, None))

    def get(self, key: str) -> Account:
        """Give an account; NotFound when there is none."""
        return _there(self.find(key), key)

    def add(self, account: Account) -> None:
        self._do(self._calls.create(account))

    def change(self, key: str, changes: Mapping[str, object]) -> None:
        self.get(key)
        self._do(self._calls.patch(key, changes, None))

    def lock_out(self, key: str, changes: Mapping[str, object]) -> int:
        """Change an account, and end its sessions; return how many there were."""
        generation = self.get(key).generation + 1
        self._do(self._calls.patch(key, {**changes, "generation": generation}, None))
        return self._end_sessions(key)

    def all(self) -> list[Account]:
        found: list[Account] = []
        while True:
            page = self._do(self._calls.list(self._calls.pairs({}, None, len(found), TAKE)))
            found.extend(page.data)
            if not page.has_more:
                return found

    def _end_sessions(self, key: str) -> int:
        calls = Calls(SessionRecord)
        calls.name = SESSIONS
        asked = calls.pairs({"user_id": f"={key}"}, take=TAKE, shown=("id", None))
        ended = 0
        while True:
            page = self._connection.wait(SESSIONS, calls.list_fields(asked))
            if not page.data:
                return ended
            for item in page.data:
                ended += self._connection.wait(SESSIONS, calls.erase(str(item["id"])))

    def _do(self, call: Call[R]) -> R:
        return self._connection.wait(USERS, call)


class StoredBook:
    """The accounts in a directory that no server has; LockedByOther when one does."""

    def __init__(self, directory: str) -> None:
        self._directory = os.path.abspath(directory)
        self._calls = AccountCalls()
        self._is_new = not is_directory(self._directory)
        self._stored: StoredModel | None = None

    def __enter__(self) -> "StoredBook":
        return self

    def __exit__(self, *_: object) -> None:
        if self._stored is not None:
            self._stored.__exit__(None, None, None)

    def find(self, key: str) -> Account | None:
        return None if self._is_new else self._open().do(self._calls.get(key, None))

    def add(self, account: Account) -> None:
        self._open().do(self._calls.create(account))

    def change(self, key: str, changes: Mapping[str, object]) -> None:
        _there(self.find(key), key)
        self._open().do(self._calls.patch(key, changes, None))

    def all(self) -> list[Account]:
        if self._is_new:
            raise NotFound(f"there is no directory {self._directory}")
        return [_decode(item) for item in self._open().items()]

    def _open(self) -> StoredModel:
        """Open it when something is to be read or written, and not before."""
        if self._stored is None:
            self._stored = StoredModel(Account, self._directory, TAKE)
            self._is_new = False
        return self._stored


def _there(account: Account | None, key: str) -> Account:
    if account is None:
        raise NotFound(f"there is no user {key!r}")
    return account
