"""What a path names, asked before anything is opened.

Law: an answer holds for the moment it was given; what depends on it says so again when it opens.
"""

import os


def is_directory(path: str) -> bool:
    """Say whether there is a directory at `path`."""
    return os.path.isdir(path)


def is_file(path: str) -> bool:
    """Say whether there is a file at `path`."""
    return os.path.isfile(path)


def resolved(path: str) -> str:
    """Return the path with every symbolic link in it followed, as far as it exists."""
    return os.path.realpath(path)


def is_within(path: str, directory: str) -> bool:
    """Say whether `path` is that directory or below it, by whatever names."""
    own = resolved(directory)
    return os.path.commonpath((resolved(path), own)) == own


def is_ours(path: str) -> bool:
    """Say whether what is at `path` belongs to the user who asks; what is not there is nobody's."""
    try:
        return os.stat(path).st_uid == os.geteuid()
    except FileNotFoundError:
        return True
