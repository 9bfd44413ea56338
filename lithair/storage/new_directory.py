"""New directories: filled with files at once, for somebody to go on with.

Law: nothing that is there is written over; a directory with anything in it is refused untouched.
"""

import os
from collections.abc import Mapping

from lithair.errors import LithairError


def fill_new_directory(directory: str, files: Mapping[str, bytes]) -> None:
    """Make a directory, unless it is there and empty, and the files in it by their paths below it.

    LithairError when it can't be made, or is not empty.
    """
    try:
        os.makedirs(directory, exist_ok=True)
        if os.listdir(directory):
            raise LithairError(f"{directory} is not empty: name a directory that is new or empty")
        for path, content in files.items():
            place = os.path.join(directory, path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "xb") as file:
                file.write(content)
    except OSError as error:
        raise LithairError(f"{error.filename or directory}: {error.strerror}") from error
