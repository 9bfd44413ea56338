"""`lithair new`: a small project with tests, to begin with.

Owns the names a project may have and what in the files stands for them. The files are those of
`project/` beside this one, with `.tmpl` behind their names so that no tool takes them for ours.
Law: what is made passes its own tests and type checks, strict ones.
"""

import os
import re
from typing import Final

import click

import lithair
from lithair.storage.file_tree import read_tree
from lithair.storage.new_directory import fill_new_directory

FILES: Final = os.path.join(os.path.dirname(__file__), "project")
FILES_BYTES_MAX: Final = 1 << 20
SUFFIX: Final = ".tmpl"
HIDDEN: Final = {"gitignore": ".gitignore"}  # there it would count for our own repository
# Of Python's project names (PEP 508) those that begin with a letter; 64 characters are plenty.
NAME: Final = re.compile(r"[A-Za-z](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")
TAKEN: Final = ("lithair",)  # what the project itself needs


@click.command()
@click.argument("directory", metavar="NAME")
def new(directory: str) -> None:
    """Make the directory NAME with a small project: two gated models, a worker, tests.

    NAME may have directories before it; its last part is the project's name.
    """
    directory = os.path.normpath(directory)
    name = os.path.basename(os.path.abspath(directory))
    if not NAME.fullmatch(name):
        raise click.UsageError(
            f"{name!r} can't be a project's name: write a letter, then up to 63 letters, digits,"
            " - and _, a letter or digit last"
        )
    if name.lower() in TAKEN:
        raise click.UsageError(f"a project called {name} can't depend on {name}: choose another")
    fill_new_directory(directory, files_of(name))
    click.echo(
        f"Made {directory}. To go on:\n\n"
        f"  cd {directory}\n"
        "  lithair run --reload app.py\n"
        "  lithair users add ada --role user    # in another terminal, in the same directory\n\n"
        "README.md says what to try, and how to run the tests."
    )


def files_of(name: str) -> dict[str, bytes]:
    """Make a project's files, by their paths."""
    version = ".".join(lithair.__version__.split(".")[:2])
    made: dict[str, bytes] = {}
    for place, entry in read_tree(FILES, FILES_BYTES_MAX).items():
        path = place.removesuffix(SUFFIX)
        content = entry.content.replace(b"{{name}}", name.encode())
        made[HIDDEN.get(path, path)] = content.replace(b"{{version}}", version.encode())
    return made
