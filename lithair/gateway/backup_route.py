"""POST /_admin/data/backup: a backup of all models, made by this gateway as `lithair backup` does.

Law: the loop never waits for a disk; what blocks is done in a thread that ends with the process. A
backup that takes longer than a request may goes on without it.
"""

import asyncio
import logging
import os
import threading
import time
from typing import Final

import msgspec

from lithair.client.backup import TIMEOUT_S, Source, back_up_all
from lithair.client.connection import Connection
from lithair.core.problem import Refusal
from lithair.declaration import Declaration
from lithair.errors import LithairError
from lithair.gateway.admin import AdminRequest, answer
from lithair.gateway.answers import Prepared, Problem
from lithair.storage.backup_manifest import MANIFEST_NAME, Manifest
from lithair.storage.files import OsFiles

BACKUP_PATH: Final = "/_admin/data/backup"
BACKUPS_NAME: Final = "backups"  # beside the run directory, when nothing else is asked for

_log = logging.getLogger("lithair.http")
_encode = msgspec.json.Encoder().encode


class BackupAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body; without a directory, one is named after the time."""

    directory: str = ""


class BackupRoute:
    """Makes backups of one server's models."""

    def __init__(self, declaration: Declaration, run_dir: str) -> None:
        self._run_dir = run_dir
        self._models = [
            Source(model.name, model.data_dir)
            for model in (*declaration.models, *declaration.internal_models)
        ]
        self._timeout_s = declaration.settings.timeout_s

    async def make(self, request: AdminRequest) -> Prepared:
        """Make a backup; 202 when that takes longer than a request may."""
        target = self._place_for(_asked(request).directory)
        making = self._begin(target)
        try:
            made = await asyncio.wait_for(asyncio.shield(making), self._timeout_s)
        except TimeoutError:
            making.add_done_callback(_log_failure)
            return answer(202, _encode(_goes_on(target)))
        except LithairError as error:
            raise Problem(error.status, str(error)) from None
        return answer(201, _encode({"directory": target, **msgspec.structs.asdict(made)}))

    def _place_for(self, directory: str) -> str:
        """Give the directory that is asked for, or one that is named after the time."""
        if directory:
            return os.path.abspath(directory)
        beside = os.path.dirname(os.path.abspath(self._run_dir))
        name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        return os.path.join(beside, BACKUPS_NAME, name)

    def _begin(self, target: str) -> "asyncio.Future[Manifest]":
        """Make it in a thread that keeps no process from ending."""
        loop = asyncio.get_running_loop()
        making: asyncio.Future[Manifest] = loop.create_future()

        def settle(came: Manifest | LithairError) -> None:
            if isinstance(came, LithairError):
                making.set_exception(came)
            else:
                making.set_result(came)

        def run() -> None:
            came = self._make(target)
            try:
                loop.call_soon_threadsafe(settle, came)
            except RuntimeError:  # the gateway has stopped meanwhile
                _log.warning("a backup has ended after its gateway: %s", target)

        threading.Thread(target=run, name="backup", daemon=True).start()
        return making

    def _make(self, target: str) -> Manifest | LithairError:
        connection = Connection(self._run_dir, TIMEOUT_S)
        try:
            return back_up_all(
                OsFiles(), connection, self._models, target, lambda _done, _all: None
            )
        except LithairError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a mistake of ours costs this backup alone
            _log.exception("a backup failed")
            return LithairError(f"{target}: the backup failed: {type(error).__name__}: {error}")
        finally:
            connection.close()


def _asked(request: AdminRequest) -> BackupAsked:
    body = request.json_body()
    if body is None:
        return BackupAsked()
    try:
        return msgspec.convert(body, BackupAsked)
    except msgspec.ValidationError as error:
        raise Refusal(422, f"The body is not what this takes: {error}") from None


def _goes_on(target: str) -> dict[str, object]:
    return {
        "running": True,
        "directory": target,
        "detail": "The backup takes longer than a request may; it is finished when"
        f" {MANIFEST_NAME} is in its directory",
    }


def _log_failure(making: "asyncio.Future[Manifest]") -> None:
    error = making.exception() if not making.cancelled() else None
    if error is not None:
        _log.error("a backup failed: %s", error)
