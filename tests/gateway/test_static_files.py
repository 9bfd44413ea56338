"""Static files: only what was read at start is served, and nothing from outside the directory."""

import os
from pathlib import Path

import pytest

from lithair.gateway.static_files import StaticFile, StaticSite, read_site
from lithair.storage.file_tree import TreeTooLarge, read_tree


@pytest.fixture
def site(tmp_path: Path) -> StaticSite:
    root = tmp_path / "public"
    (root / "docs").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("secret")
    (root / ".env").write_text("secret")
    (root / "index.html").write_text("<h1>home</h1>")
    (root / "docs" / "index.html").write_text("<h1>docs</h1>")
    (root / "app.js").write_text("1")
    (root / "two words.txt").write_text("2")
    (tmp_path / "outside.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "outside.txt")
    (root / "inner.txt").symlink_to(root / "app.js")
    (root / "nothing.txt").symlink_to(root / "absent")
    os.mkfifo(root / "pipe")
    return read_site("/", str(root))


def file_of(site: StaticSite, path: str) -> StaticFile:
    file = site.find(path)
    assert file is not None
    return file


def test_files_are_found_by_their_paths(site: StaticSite) -> None:
    assert file_of(site, "/").content == b"<h1>home</h1>"
    assert file_of(site, "/index.html").content == b"<h1>home</h1>"
    assert file_of(site, "/docs/").content == b"<h1>docs</h1>"
    assert file_of(site, "/docs").moved_to == "/docs/"
    assert file_of(site, "/two%20words.txt").content == b"2"
    assert file_of(site, "/inner.txt").content == b"1"


@pytest.mark.parametrize(
    "path",
    [
        "/.env",
        "/.git/config",
        "/link.txt",
        "/nothing.txt",
        "/pipe",
        "/../outside.txt",
        "/docs/../../outside.txt",
        "/%2e%2e/outside.txt",
        "/docs%2Findex.html",
        "//index.html",
        "/docs//",
    ],
)
def test_nothing_else_is_found(site: StaticSite, path: str) -> None:
    assert site.find(path) is None


def test_a_file_knows_its_type_tag_and_cache_time(site: StaticSite) -> None:
    page, script = file_of(site, "/"), file_of(site, "/app.js")
    assert page.content_type == "text/html; charset=utf-8"
    assert page.cache_control == "no-cache"
    assert script.content_type == "text/javascript; charset=utf-8"
    assert script.cache_control == "public, max-age=3600"
    assert page.etag != script.etag
    assert page.etag[0] == page.etag[-1] == '"'


def test_a_prefix_stands_before_every_path(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "index.html").write_text("x")
    site = read_site("/assets/", str(tmp_path))
    assert file_of(site, "/assets/sub/").content == b"x"
    assert file_of(site, "/assets/sub").moved_to == "/assets/sub/"
    assert site.find("/sub/") is None


def test_a_directory_that_is_too_large_or_absent_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    with pytest.raises(TreeTooLarge):
        read_tree(str(tmp_path), 4)
    assert read_tree(str(tmp_path), 5)["a"].content == b"12345"
    with pytest.raises(FileNotFoundError):
        read_tree(str(tmp_path / "absent"), 5)
