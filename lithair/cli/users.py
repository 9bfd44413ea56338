"""`lithair users`: the accounts of a server, while it runs or without it.

Law: a password is typed where nobody sees it, or comes over stdin; it is never an argument, for
other users can read a command line. What takes somebody's access away ends his sessions, so it
needs the server; the other commands work on the directory of `with_users` as well.
"""

import sys
import time
from typing import Final

import click
import msgspec

from lithair.accounts import Account, key_of, name_problem, password_problem, role_problem
from lithair.cli.account_book import AccountBook, RunningBook, StoredBook
from lithair.cli.server import data_dir_option, run_dir_option
from lithair.cli.status import table
from lithair.errors import Conflict
from lithair.gateway.passwords import hash_password
from lithair.gateway.second_factor import SecretBox, new_secret, step_of, uri_of
from lithair.storage.secret_key import read_secret_key

MAKE_KEY: Final = (
    "make one, outside the data (openssl rand -base64 32 > secret.key), and give its path to the"
    " server and here with LT_SECRET_KEY_FILE"
)
COLUMNS: Final = ("name", "role", "state", "second factor", "created")


password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of stdin."
)


@click.group()
def users() -> None:
    """Add, list and disable the users that log in at /auth/login."""


@users.command()
@click.argument("name")
@click.option("--role", required=True, help="What the user may do; Admin may do everything.")
@password_option
@run_dir_option
@data_dir_option("with_users")
def add(
    name: str, role: str, password_stdin: bool, run_dir: str | None, data_dir: str | None
) -> None:
    """Add the user NAME; the password is asked for."""
    problem = name_problem(name) or role_problem(role)
    if problem is not None:
        raise click.UsageError(problem)
    with book_of(run_dir, data_dir) as book:
        key = key_of(name)
        if book.find(key) is not None:  # before a password is typed
            raise Conflict(f"there is a user {name!r} already")
        password_hash = hash_password(new_password(password_stdin))
        book.add(Account(id=key, name=name, role=role, password_hash=password_hash))
    click.echo(f"{name} can log in now, as {role or 'nobody in particular'}")


@users.command("list")
@run_dir_option
@data_dir_option("with_users")
@click.option("--json", "as_json", is_flag=True, help="Print them as a JSON array.")
def list_(run_dir: str | None, data_dir: str | None, as_json: bool) -> None:
    """List all users."""
    with book_of(run_dir, data_dir) as book:
        accounts = book.all()
    if as_json:
        click.echo(msgspec.json.encode([_shown(account) for account in accounts]).decode())
    else:
        click.echo("\n".join(table([COLUMNS, *map(_row, accounts)])))


@users.command()
@click.argument("name")
@run_dir_option
def disable(name: str, run_dir: str | None) -> None:
    """Refuse logins of the user NAME, and end the sessions there are."""
    with RunningBook(run_dir) as book:
        ended = book.lock_out(key_of(name), {"disabled": True})
    click.echo(f"{name} is disabled; {_sessions(ended)} ended")


@users.command()
@click.argument("name")
@run_dir_option
@data_dir_option("with_users")
def enable(name: str, run_dir: str | None, data_dir: str | None) -> None:
    """Take logins of the user NAME again."""
    with book_of(run_dir, data_dir) as book:
        book.change(key_of(name), {"disabled": False})
    click.echo(f"{name} can log in")


@users.command()
@click.argument("name")
@password_option
@run_dir_option
def passwd(name: str, password_stdin: bool, run_dir: str | None) -> None:
    """Give the user NAME another password, and end the sessions there are."""
    with RunningBook(run_dir) as book:
        book.get(key_of(name))  # before a password is typed
        password_hash = hash_password(new_password(password_stdin))
        ended = book.lock_out(key_of(name), {"password_hash": password_hash})
    click.echo(f"{name} has another password; {_sessions(ended)} ended")


@users.command()
@click.argument("name")
@click.argument("role")
@run_dir_option
def role(name: str, role: str, run_dir: str | None) -> None:
    """Give the user NAME another ROLE, and end the sessions, which have the old one."""
    problem = role_problem(role)
    if problem is not None:
        raise click.UsageError(problem)
    with RunningBook(run_dir) as book:
        ended = book.lock_out(key_of(name), {"role": role})
    click.echo(f"{name} is {role or 'nobody in particular'} now; {_sessions(ended)} ended")


@users.command()
@click.argument("name")
@click.option("--off", is_flag=True, help="Take the second factor away instead.")
@click.option("--issuer", default="Lithair", help="What the app calls this server.")
@click.option(
    "--secret-key-file",
    envvar="LT_SECRET_KEY_FILE",
    metavar="FILE",
    help="The server's secret key: this option or LT_SECRET_KEY_FILE.",
)
@run_dir_option
def totp(
    name: str, off: bool, issuer: str, secret_key_file: str | None, run_dir: str | None
) -> None:
    """Give the user NAME a second factor: codes of an app, asked for at each login.

    On a terminal it shows a QR code for the app, and asks for a code before anything is kept;
    elsewhere it prints the otpauth:// line. The server has to have the same secret key.
    """
    with RunningBook(run_dir) as book:
        account = book.get(key_of(name))
        if off:
            book.change(account.id, {"totp_secret": ""})
            click.echo(f"{name} needs a password only", err=True)
            return
        if secret_key_file is None:
            raise click.UsageError(f"there is no secret key: {MAKE_KEY}")
        box = SecretBox(read_secret_key(secret_key_file))
        secret = new_secret()
        step = show_secret(uri_of(secret, account.name, issuer), secret)
        sealed = box.seal(secret, account.id)
        book.change(account.id, {"totp_secret": sealed, "totp_step": step})
    click.echo(f"{name} needs a code of the app at each login", err=True)


def show_secret(uri: str, secret: str) -> int:
    """Show a secret, and on a terminal ask for a code; gives the step that this has used up."""
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        click.echo(uri)
        return 0
    import segno

    segno.make(uri).terminal(compact=True)
    click.echo(uri)
    while True:
        code: str = click.prompt("The code that the app shows", type=str)
        step = step_of(secret, code, time.time(), 0)
        if step is not None:
            return step
        click.echo("that is not the code; is the app's clock right?", err=True)


def book_of(run_dir: str | None, data_dir: str | None) -> AccountBook:
    """Open the accounts of a server that runs, or of a directory."""
    return RunningBook(run_dir) if data_dir is None else StoredBook(data_dir)


def new_password(from_stdin: bool) -> str:
    """Ask for a new password; UsageError when there is none or it can't be one."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, type=str)
    else:
        raise click.UsageError("there is no terminal to ask for a password: add --password-stdin")
    problem = password_problem(password)
    if problem is not None:
        raise click.UsageError(problem)
    return password


def _shown(account: Account) -> dict[str, object]:
    return {
        "name": account.name,
        "role": account.role,
        "disabled": account.disabled,
        "second_factor": bool(account.totp_secret),
        "created": account.created,
    }


def _row(account: Account) -> tuple[str, ...]:
    return (
        account.name,
        account.role,
        "disabled" if account.disabled else "enabled",
        "yes" if account.totp_secret else "no",
        f"{account.created:%Y-%m-%d}",
    )


def _sessions(count: int) -> str:
    return "1 session was" if count == 1 else f"{count} sessions were"
