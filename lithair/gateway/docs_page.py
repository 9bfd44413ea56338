"""/openapi.json and /docs: what the application can be asked, for programs and for people.

Owns the document, made when it is asked for the first time, and the page, which is Swagger UI as
it lies in `swagger_ui/`. Law: nothing of the page comes from another host, and it asks no other;
both are made of the declaration alone, so they hold no data, and whoever reaches the port may read
them.
"""

import asyncio
import os
import time
from typing import Final

import msgspec

from lithair.declaration import Declaration
from lithair.gateway.answers import JSON
from lithair.gateway.openapi.document import encoded
from lithair.gateway.routes import DOCS_PATHS
from lithair.gateway.static_files import (
    PAGE_CACHE,
    StaticFile,
    StaticHandler,
    StaticSite,
    read_site,
)
from lithair.storage.file_tree import FileEntry

DOCUMENT_PATH, PAGE_PATH = DOCS_PATHS
DIRECTORY: Final = os.path.join(os.path.dirname(__file__), "swagger_ui")
ASSETS: Final = tuple(
    f"{PAGE_PATH}/{name}" for name in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js")
)
# Swagger UI draws with style attributes and with images in its style sheet.
CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


class Docs:
    """The document and the page of one application."""

    def __init__(self, declaration: Declaration) -> None:
        self._declaration = declaration
        self._files: dict[str, StaticFile] = {}

    @property
    def paths(self) -> tuple[str, ...]:
        """List the paths that are answered."""
        return (*DOCS_PATHS, *ASSETS) if self._declaration.settings.docs == "on" else ()

    async def file(self, path: str) -> StaticFile:
        """Give what is at one of the paths."""
        if path not in self._files:  # two who come first may both make it, to no harm
            make = self._document if path == DOCUMENT_PATH else self._page
            self._files |= await asyncio.to_thread(make)
        return self._files[path]

    def _document(self) -> dict[str, StaticFile]:
        entry = FileEntry(encoded(self._declaration), time.time())
        file = StaticSite("/", {DOCUMENT_PATH[1:]: entry}).find(DOCUMENT_PATH)
        assert file is not None, "it is its only file"
        return {
            DOCUMENT_PATH: msgspec.structs.replace(
                file, content_type=JSON, cache_control=PAGE_CACHE
            )
        }

    def _page(self) -> dict[str, StaticFile]:
        site = read_site(PAGE_PATH + "/", DIRECTORY)
        found = {path: site.find(path) for path in ASSETS}
        found[PAGE_PATH] = site.find(PAGE_PATH + "/")
        return {path: file for path, file in found.items() if file is not None}


class DocsHandler(StaticHandler):
    """Answers with the document, or with a file of the page."""

    # Another signature than that of a file: it is read when it is asked for.
    def initialize(self, docs: Docs, path: str) -> None:  # type: ignore[override]
        """Take where the files are, and which it is."""
        self._docs = docs
        self._path = path

    async def prepare(self) -> None:
        """Find the file."""
        super().initialize(await self._docs.file(self._path))
        if self._path == PAGE_PATH:
            self.set_header("Content-Security-Policy", CSP)
            self.set_header("Referrer-Policy", "no-referrer")
