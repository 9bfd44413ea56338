"""The `lithair` command: its group, and what its exit statuses mean.

Owns the table of commands and the one from errors to exit statuses. Law: data to stdout, all else
to stderr; an error is a sentence, no traceback, unless it is the user's own code that fails.

    0 done, 1 failed, 2 misuse, 3 damage found, 4 server not reachable, 5 locked by another process
"""

import importlib
import keyword
import sys
from collections.abc import Mapping
from typing import Final

import click
from click.shell_completion import CompletionItem

import lithair
from lithair.cli.server import NotReachable
from lithair.errors import DamagedLog, LithairError, LockedByOther, Mistakes
from lithair.process import EXIT_DAMAGED, EXIT_FAILED, EXIT_LOCKED, EXIT_MISUSE, EXIT_UNREACHABLE

# A command is the object of its own name in lithair.cli.<name>, imported when it is asked for;
# a keyword of Python has an underscore behind it there.
COMMANDS: Final[Mapping[str, str]] = {
    "new": "Make a small project, with tests.",
    "run": "Run an application: app.py, or module:app; --reload for development.",
    "config": "Show every setting, its value and where it came from.",
    "status": "Show the processes of a running server.",
    "stats": "Show the models of a running server; --watch goes on.",
    "restart": "Restart one process of a running server.",
    "get": "Print one item, now or as it was.",
    "find": "Print the items that match filters, as a table or as JSON.",
    "history": "Print what happened to an item.",
    "tail": "Print the changes of a model as they happen.",
    "export": "Write all items of a model to a file: NDJSON, JSON or CSV.",
    "import": "Make items of the rows of a file, again from where it was broken off.",
    "compact": "Merge a model's log into a snapshot, while the server goes on.",
    "purge": "Erase an item for good, from log, snapshot and archive.",
    "listeners": "List event listeners and webhooks; skip, replay, enable.",
    "users": "Add, list and disable the users that log in.",
    "tokens": "Add, list and revoke the API tokens of machines.",
    "permissions": "Show what each role may do on every route, field by field.",
    "openapi": "Print the OpenAPI document of an application.",
    "backup": "Copy all models of a running server, while it goes on.",
    "restore": "Make models' directories from a backup, to its end or to an earlier point.",
    "verify": "Check a model's directory, running or not, or a backup.",
    "completion": "Make a shell complete commands, options and models.",
}

EXIT_STATUSES: Final[tuple[tuple[type[LithairError], int], ...]] = (
    (Mistakes, EXIT_MISUSE),
    (DamagedLog, EXIT_DAMAGED),
    (NotReachable, EXIT_UNREACHABLE),
    (LockedByOther, EXIT_LOCKED),
)


class Commands(click.Group):
    """The group; imports a command's module only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        own = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command = getattr(importlib.import_module(f"lithair.cli.{own}"), own)
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the commands, without importing any of them; and options, as click does."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=what)
            for name, what in COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(lithair.__version__, prog_name="lithair")
def cli() -> None:
    """A declared Python class becomes a running, durable backend."""


def main() -> None:
    """Be the `lithair` command."""
    try:
        status = cli.main(prog_name="lithair", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except click.Abort:
        status = EXIT_FAILED
    except LithairError as error:
        click.echo(str(error), err=True)
        status = status_of(error)
    sys.exit(status)


def status_of(error: LithairError) -> int:
    """The exit status that tells scripts what kind of error it was; 1 for any other."""
    for kind, status in EXIT_STATUSES:
        if isinstance(error, kind):
            return status
    return EXIT_FAILED
