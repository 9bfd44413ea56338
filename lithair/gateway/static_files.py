"""Static files, served from memory.

Owns what is read of a directory at start, and the answers made of it. Law: only what was read at
start is ever served: a look-up in a dict, so no path leads out of the directory, and a changed file
is seen after a restart.

What is left out: names that begin with a dot, links that lead out of the directory, and whatever is
no plain file. `index.html` answers for its directory.
"""

import gzip
import mimetypes
from email.utils import formatdate
from hashlib import blake2b
from typing import Final
from urllib.parse import quote

import msgspec

from lithair.gateway.answers import Fields
from lithair.gateway.problem_handler import ProblemHandler, end
from lithair.gateway.targets import decode_path
from lithair.storage.file_tree import FileTree, read_tree

INDEX: Final = "index.html"
# Pages are asked about each time (a new version is seen at once), what they load after an hour.
PAGE_CACHE: Final = "no-cache"
ASSET_CACHE: Final = "public, max-age=3600"
BYTES_MAX: Final = 512 << 20  # of one directory, in every gateway; more belongs to a file server

# Python's own table, not the machine's: the same answer everywhere; and what it lacks or has old.
_TYPES: Final = mimetypes.MimeTypes(filenames=())
for _type, _ending in (
    ("text/javascript", ".js"),
    ("text/javascript", ".mjs"),
    ("application/wasm", ".wasm"),
    ("application/manifest+json", ".webmanifest"),
    ("application/json", ".map"),
    ("text/markdown", ".md"),
    ("font/woff2", ".woff2"),
    ("font/woff", ".woff"),
    ("image/webp", ".webp"),
    ("image/avif", ".avif"),
):
    _TYPES.add_type(_type, _ending)

_TEXTUAL: Final = (
    "application/json",
    "application/manifest+json",
    "application/xml",
    "image/svg+xml",
)


class StaticFile(msgspec.Struct, frozen=True):
    """A file with the fields of its answer; `moved_to` instead of them for a directory's name."""

    content: bytes = b""
    content_type: str = ""
    etag: str = ""
    modified: str = ""
    cache_control: str = ""
    moved_to: str = ""
    fields: Fields = ()  # what else its answer says
    packed: bytes = b""  # the content in gzip, where it is sent so to whoever takes it


class StaticSite:
    """The files of one directory, by their paths below a prefix that ends with a slash."""

    def __init__(self, prefix: str, tree: FileTree, fields: Fields = ()) -> None:
        """Take files; those that come with `fields` are asked about each time, and packed."""
        self.prefix = prefix
        self._files: dict[str, StaticFile] = {}
        for name, entry in tree.items():
            file = _static_file(name, entry.content, entry.modified_s)
            if fields:
                file = msgspec.structs.replace(
                    file,
                    fields=(*fields, ("Vary", "Accept-Encoding")),
                    packed=gzip.compress(file.content, mtime=0),
                    cache_control=PAGE_CACHE,
                )
            self._files[prefix + name] = file
            directory, _, last = ("/" + name).rpartition("/")
            if last == INDEX:
                self._files[prefix + (directory[1:] + "/" if directory else "")] = file
                if directory:
                    path = prefix + directory[1:]
                    self._files[path] = StaticFile(moved_to=quote(path) + "/")

    def find(self, path: str) -> StaticFile | None:
        """Find the file that a raw path names."""
        decoded = decode_path(path)
        return None if decoded is None else self._files.get(decoded)

    def __len__(self) -> int:
        return len(self._files)


def read_site(prefix: str, directory: str, fields: Fields = ()) -> StaticSite:
    """Read a directory into memory; OSError when it can't be read or is over BYTES_MAX."""
    return StaticSite(prefix, read_tree(directory, BYTES_MAX), fields)


def _static_file(name: str, content: bytes, modified_s: float) -> StaticFile:
    guessed, encoding = _TYPES.guess_type(name)
    content_type = guessed if guessed and encoding is None else "application/octet-stream"
    if content_type.startswith("text/") or content_type in _TEXTUAL:
        content_type += "; charset=utf-8"
    is_page = content_type.startswith("text/html")
    return StaticFile(
        content=content,
        content_type=content_type,
        etag=f'"{blake2b(content, digest_size=16).hexdigest()}"',
        modified=formatdate(modified_s, usegmt=True),
        cache_control=PAGE_CACHE if is_page else ASSET_CACHE,
    )


class StaticHandler(ProblemHandler):
    """Answers with a file."""

    def initialize(self, file: StaticFile) -> None:
        """Take the file."""
        self._file = file

    def get(self) -> None:
        """Answer GET and HEAD."""
        file = self._file
        if file.moved_to:
            query = self.request.query
            self.redirect(file.moved_to + ("?" + query if query else ""), permanent=True)
            return
        self.set_header("Content-Type", file.content_type)
        self.set_header("Cache-Control", file.cache_control)
        self.set_header("Last-Modified", file.modified)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Etag", file.etag)
        for name, value in file.fields:
            self.set_header(name, value)
        content = file.content
        if file.packed and _takes_gzip(self.request.headers.get("Accept-Encoding", "")):
            content = file.packed
            self.set_header("Content-Encoding", "gzip")
            self.set_header("Etag", f'{file.etag[:-1]}-gzip"')  # other bytes, another tag
        if self.check_etag_header():
            self.set_status(304)
            self.clear_header("Content-Type")
            end(self)
        else:
            end(self, content)

    head = get


def _takes_gzip(accepted: str) -> bool:
    """Tell whether an Accept-Encoding names gzip, and not as refused (RFC 9110, 12.5.3)."""
    for entry in accepted.lower().split(","):
        coding, _, weight = entry.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "").rstrip("0") not in ("q=", "q=0.")
    return False
