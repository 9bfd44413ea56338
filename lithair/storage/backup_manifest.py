"""What a backup says of itself: which models, up to which event, and each file with its length.

Owns `backup.json`. Law: it is written last, so a directory without it is no finished backup; a path
in it leads nowhere but into the backup.

    backup.json := {"format": 1, "lithair": version, "time": RFC 3339, "models": [model]}
    model       := {"name", "class_name", "folder", "cut": seq, "cut_time": RFC 3339,
                    "files": [{"path", "size"}]}

`cut` is the last event that the backup holds of the model (0: none), `cut_time` when it was taken.
A file's `path` is that within `folder`, and `folder` the directory within the backup.
"""

import contextlib
import os
from collections.abc import Iterable
from typing import Final

import msgspec

import lithair
from lithair.errors import DamagedLog, LithairError, UnknownFormat
from lithair.storage.archive import archive_path
from lithair.storage.files import Files, place_file, write_whole

MANIFEST_NAME: Final = "backup.json"
BACKUP_FORMAT: Final = 1


class BackupFile(msgspec.Struct, frozen=True):
    """One file of a model's folder."""

    path: str
    size: int


class ModelBackup(msgspec.Struct, frozen=True):
    """What a backup holds of one model."""

    name: str
    class_name: str
    folder: str
    cut: int
    cut_time: str
    files: tuple[BackupFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size for file in self.files)


class Manifest(msgspec.Struct, frozen=True):
    """A whole backup."""

    format: int
    lithair: str
    time: str
    models: tuple[ModelBackup, ...]


class _Version(msgspec.Struct):
    format: int
    lithair: str = "unknown"


def write_manifest(
    files: Files, directory: str, time: str, models: tuple[ModelBackup, ...]
) -> Manifest:
    """Make a directory a finished backup; raises OSError."""
    manifest = Manifest(BACKUP_FORMAT, lithair.__version__, time, models)
    data = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    place_file(files, directory, MANIFEST_NAME, lambda file: write_whole(file, data, 0)).close()
    return manifest


def discard(
    files: Files, directory: str, models: Iterable[ModelBackup], *, keep_target: bool
) -> None:
    """Take away what was copied for a backup that will not be finished, as far as that goes."""
    for model in models:
        folder = os.path.join(directory, model.folder)
        for file in model.files:
            with contextlib.suppress(OSError):
                files.remove(os.path.join(folder, file.path))
        for each in (archive_path(folder), folder):
            with contextlib.suppress(OSError):
                files.remove_directory(each)
    if not keep_target:
        with contextlib.suppress(OSError):  # what somebody else has put there stays
            files.remove_directory(directory)


def has_manifest(files: Files, directory: str) -> bool:
    """Say whether a directory is a finished backup; raises OSError."""
    return MANIFEST_NAME in files.names(directory)


def read_manifest(files: Files, directory: str) -> Manifest:
    """Read what a backup says of itself.

    Raises LithairError (no finished backup), UnknownFormat, DamagedLog, OSError.
    """
    path = os.path.join(directory, MANIFEST_NAME)
    try:
        file = files.open(path)
    except FileNotFoundError:
        raise LithairError(
            f"{directory} is no finished backup: it has no {MANIFEST_NAME}, which is written last."
            " Either it is another kind of directory, or the backup did not come to its end"
        ) from None
    data = file.read(file.size(), 0)
    file.close()
    try:
        version = msgspec.json.decode(data, type=_Version)
        if version.format != BACKUP_FORMAT:
            raise UnknownFormat(
                f"{path}: format {version.format} of backups, and this version of Lithair reads"
                f" {BACKUP_FORMAT}; use the version that wrote it ({version.lithair})"
            )
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedLog(path, 0, f"it is not as it was written: {error}", directory) from error
    for model in manifest.models:
        for name in (model.folder, *(file.path for file in model.files)):
            _check_inside(path, name, directory)
    return manifest


def _check_inside(path: str, name: str, directory: str) -> None:
    """Refuse a name that leads out of the backup: Lithair writes none."""
    if not name or os.path.isabs(name) or os.path.normpath(name) != name or name.startswith(".."):
        raise DamagedLog(path, 0, f"{name!r} is no name within a backup", directory)


def missing_files(
    files: Files, directory: str, models: tuple[ModelBackup, ...]
) -> list[DamagedLog]:
    """Compare a manifest with what is there; gives what is not as it says. Raises OSError."""
    found: list[DamagedLog] = []
    for model in models:
        for each in model.files:
            path = os.path.join(directory, model.folder, each.path)
            try:
                file = files.open(path)
            except (FileNotFoundError, NotADirectoryError):
                found.append(DamagedLog(path, 0, "the file is missing", directory))
                continue
            size = file.size()
            file.close()
            if size != each.size:
                what = f"the file has {size} bytes, and {each.size} when the backup was made"
                found.append(DamagedLog(path, min(size, each.size), what, directory))
    return found
