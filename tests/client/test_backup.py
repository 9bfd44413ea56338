"""Gathering a backup: the folders' names, and where none can be."""

from pathlib import Path

import pytest

from lithair.client.backup import Source, check_elsewhere, folders_of
from lithair.errors import LithairError


def folders(*sources: tuple[str, str]) -> list[str]:
    return folders_of([Source(name, directory) for name, directory in sources])


def test_folders_are_named_after_the_data_directories() -> None:
    assert folders(("emails", "/srv/data/mail"), ("films", "/srv/data/films/")) == ["mail", "films"]


def test_folders_with_one_name_are_named_after_their_models() -> None:
    found = folders(("emails", "/a/data"), ("films", "/b/data"), ("books", "/c/books"))
    assert found == ["emails", "films", "books"]


def test_folders_never_meet_each_other_or_the_manifest() -> None:
    found = folders(("emails", "/a/data"), ("films", "/b/data"), ("books", "/c/emails"))
    assert found == ["emails", "films", "books"]
    assert folders(("emails", "/a/backup.json")) == ["emails"]


def test_no_backup_is_made_in_a_models_directory_by_whatever_name(tmp_path: Path) -> None:
    (tmp_path / "data" / "mail").mkdir(parents=True)
    (tmp_path / "linked").symlink_to(tmp_path / "data")
    models = [Source("_sessions", ""), Source("emails", str(tmp_path / "linked" / "mail"))]
    for inside in ("data/mail", "data/mail/x", "linked/mail/archive", "data/../linked/mail"):
        with pytest.raises(LithairError, match="own data directory") as refused:
            check_elsewhere(models, str(tmp_path / inside))
        assert refused.value.status == 422
    for elsewhere in ("data", "data/mail2", "data/mail-monday/x", "backups/mail"):
        check_elsewhere(models, str(tmp_path / elsewhere))
    check_elsewhere(models, str(Path.cwd() / "backups"))
