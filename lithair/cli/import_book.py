"""The import book: what an input is called, how far it is imported, and which rows were refused.

    start  = hash of the model's name and the input's content, or of the --source that was named
    chain  = hash of the one before and of the row                       one per row, from start on
    id     = UUIDv8 of the chain                                         of a row that has none

Law: the same rows of the same input get the same ids, on whichever day and machine, and what was
committed is found again; so nothing is there twice, with or without the file of the progress.
"""

import hashlib
import secrets
import uuid
from typing import Final, NamedTuple

import click
import msgspec

from lithair.errors import LithairError
from lithair.storage.files import OsFiles
from lithair.storage.import_files import ProgressFile, RefusedRows
from lithair.storage.input_file import STDIN, InputFile

DIGEST_BYTES: Final = 16
NAMELESS: Final = (STDIN, "/dev/", "/proc/")  # these, and pipes, have no place beside them
PROGRESS_ENDING: Final = ".progress"
REFUSED_ENDING: Final = ".bad.ndjson"


class Counts(msgspec.Struct):
    """What became of rows."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    bad: int = 0

    def add(self, other: "Counts") -> None:
        self.created += other.created
        self.changed += other.changed
        self.unchanged += other.unchanged
        self.bad += other.bad


class Progress(msgspec.Struct):
    """How far an import is: everything up to row `rows` was committed, or refused."""

    start: str
    mode: str
    directory: str  # the model's: another server's model of that name has none of it
    salt: str  # of the ids of commands
    rows: int = 0
    chain: str = ""
    seq: int = 0  # of the model; one that has less has lost what was committed, or is a new one
    refused_bytes: int = 0
    counts: Counts = msgspec.field(default_factory=Counts)
    version: int = 1


class Meant(NamedTuple):
    """What is imported where, and how."""

    model: str
    directory: str
    mode: str
    source: str | None
    bad: str | None


_decode: Final = msgspec.json.Decoder(Progress).decode
_encode: Final = msgspec.json.Encoder().encode


class ImportBook:
    """Keeps the progress of one import, and its refused rows."""

    def __init__(self, meant: Meant, given: InputFile, seq: int) -> None:
        """Find out where to begin; `seq` is the model's present one."""
        has_name = given.is_regular and not given.path.startswith(NAMELESS)
        name = meant.source or (given.path if has_name else "")
        stem = f"{name}.{meant.model}" if name else meant.model
        content = _named(meant.source) or given.digest()
        self.is_known = content is not None
        start = _hash(b"lithair import", meant.model.encode(), content or secrets.token_bytes(16))
        self._file = ProgressFile(OsFiles(), stem + PROGRESS_ENDING) if self.is_known else None
        salt = secrets.token_hex(DIGEST_BYTES)
        fresh = Progress(start.hex(), meant.mode, meant.directory, salt, chain=start.hex())
        found = None if self._file is None else _read(self._file)
        if found is None or not _goes_on(found, fresh, seq):
            found = fresh
        self.progress = found
        self.resumed_rows = found.rows
        self.refused = RefusedRows(
            OsFiles(), meant.bad or stem + REFUSED_ENDING, found.refused_bytes
        )
        self.chain = start
        self.row = 0  # the last one that was told

    @property
    def salt(self) -> bytes:
        return bytes.fromhex(self.progress.salt)

    def next_row(self, source: bytes) -> bool:
        """Count a row; tells whether it is still to be imported.

        LithairError when the input has changed since it was imported in part.
        """
        self.row += 1
        self.chain = _hash(self.chain, source)
        if self.row == self.resumed_rows and self.chain.hex() != self.progress.chain:
            raise self._changed()
        return self.row > self.resumed_rows

    def end(self) -> None:
        """Be done with it; the file of refused rows stays."""
        if self.row < self.resumed_rows:
            raise self._changed()
        if self._file is not None:
            self._file.remove()

    def new_id(self) -> str:
        """Give the id of the present row, which has none."""
        data = bytearray(self.chain)
        data[6] = 0x80 | data[6] & 0x0F
        data[8] = 0x80 | data[8] & 0x3F
        return str(uuid.UUID(bytes=bytes(data)))

    def command_id(self, *parts: bytes) -> bytes:
        """Give the id of a command, which is the same when this import goes on."""
        return _hash(self.salt, *parts)

    def keep(self, rows: int, chain: bytes, seq: int, counts: Counts) -> None:
        """Say that all rows up to this one were committed, or refused."""
        now = self.progress
        now.rows, now.chain = rows, chain.hex()
        now.seq = max(now.seq, seq)
        now.counts.add(counts)
        now.refused_bytes = self.refused.size
        if self._file is None:
            return
        try:
            self._file.write(_encode(now))
        except OSError as error:
            click.echo(
                f"{self._file.path} can't be written ({error.strerror}): broken off, the import"
                " will begin at the first row, and find what is there already",
                err=True,
            )
            self._file = None

    def close(self) -> None:
        self.refused.close()

    def _changed(self) -> LithairError:
        assert self._file is not None
        return LithairError(
            f"the first {self.resumed_rows} rows of the input are not those that were imported"
            f" before it was broken off: name another --source, or remove {self._file.path}"
        )


def _named(source: str | None) -> bytes | None:
    return None if source is None else b"source " + source.encode("utf-8", "surrogateescape")


def _hash(*parts: bytes) -> bytes:
    """Hash parts; of other parts the hash is another, however they are cut."""
    found = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        found.update(len(part).to_bytes(8, "big"))
        found.update(part)
    return found.digest()


def _read(file: ProgressFile) -> Progress | None:
    data = file.read()
    try:
        return None if data is None else _decode(data)
    except msgspec.DecodeError:
        return None


def _goes_on(found: Progress, fresh: Progress, seq: int) -> bool:
    """Tell whether what was kept is about the same input, model and mode, which has all of it."""
    asked = ("version", "start", "mode", "directory")
    is_same = all(getattr(found, name) == getattr(fresh, name) for name in asked)
    return is_same and found.seq <= seq
