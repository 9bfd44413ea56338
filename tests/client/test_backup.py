"""Gathering a backup: the folders' names."""

from lithair.client.backup import Source, folders_of


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
