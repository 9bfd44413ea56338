"""`lithair tokens`: the API tokens of a server, while it runs or without it.

Law: a token is printed once, when it is made, alone on stdout; afterwards nobody can tell it.
"""

import datetime as dt
import time
from typing import Final

import click
import msgspec

from lithair.api_tokens import TokenRecord, hash_of, life_ms, new_token, text_problem
from lithair.cli.server import data_dir_option, run_dir_option
from lithair.cli.status import table
from lithair.cli.token_book import tokens_of
from lithair.errors import Conflict, NotFound

COLUMNS: Final = ("id", "name", "role", "state", "created", "last used", "expires")
ID_CHARACTERS_MIN: Final = 4  # of an id that is cut short
NEVER: Final = "never"


@click.group()
def tokens() -> None:
    """Add, list and revoke the tokens that machines show: Authorization: Bearer lt_…"""


@tokens.command()
@click.option("--role", required=True, help="What it may do; Admin may do everything.")
@click.option("--name", default=None, help="What it is for; without one it is called by its id.")
@click.option(
    "--expires", default=None, metavar="TIME", help="How long it lives, such as 90d; m h d w y."
)
@click.option("--json", "as_json", is_flag=True, help="Print it, and all about it, as JSON.")
@run_dir_option
@data_dir_option("with_tokens")
def add(
    role: str,
    name: str | None,
    expires: str | None,
    as_json: bool,
    run_dir: str | None,
    data_dir: str | None,
) -> None:
    """Make a token, and print it: this once."""
    token = new_token()
    record = _made(hash_of(token), role, name, expires)
    with tokens_of(run_dir, data_dir, is_made=True) as book:
        book.add(record)
    if as_json:
        click.echo(msgspec.json.encode({**_shown(record), "token": token}).decode())
        return
    until = "never expires" if record.expires_ms is None else f"expires {_date(record.expires_ms)}"
    click.echo(
        f"The token {record.name} ({record.shown_id}) has the role {role} and {until}."
        " It is shown this once:",
        err=True,
    )
    click.echo(token)


@tokens.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print them as a JSON array.")
@run_dir_option
@data_dir_option("with_tokens")
def list_(as_json: bool, run_dir: str | None, data_dir: str | None) -> None:
    """List all tokens, for 30 days the dead ones too; none can be read from it."""
    with tokens_of(run_dir, data_dir) as book:
        records = book.all()
    if as_json:
        click.echo(msgspec.json.encode([_shown(record) for record in records]).decode())
    else:
        click.echo("\n".join(table([COLUMNS, *map(_row, records)])))


@tokens.command()
@click.argument("token", metavar="NAME|ID")
@run_dir_option
@data_dir_option("with_tokens")
def revoke(token: str, run_dir: str | None, data_dir: str | None) -> None:
    """Refuse a token from now on, by its name or its id; a server that runs knows in a second."""
    with tokens_of(run_dir, data_dir) as book:
        record = _meant(token, book.all())
        book.revoke(record, _now_ms())
    click.echo(f"{record.name} ({record.shown_id}) is revoked")


def _made(key: str, role: str, name: str | None, expires: str | None) -> TokenRecord:
    """Make the record of a new token; UsageError when it can't be one."""
    named = [("role", role)] if name is None else [("role", role), ("name", name)]
    for what, text in named:
        problem = text_problem(what, text)
        if problem is not None:
            raise click.UsageError(problem)
    now_ms = _now_ms()
    lives_ms = None if expires is None else life_ms(expires)
    if expires is not None and lives_ms is None:
        raise click.UsageError(
            f"--expires {expires!r} can't be read: write a number and one of m h d w y, such as 90d"
        )
    expires_ms = None if lives_ms is None else now_ms + lives_ms
    record = TokenRecord(id=key, name="", role=role, created_ms=now_ms, expires_ms=expires_ms)
    record.name = record.shown_id if name is None else name
    return record


def _meant(text: str, records: list[TokenRecord]) -> TokenRecord:
    """Find the token that is named and not revoked; NotFound, or Conflict when several are."""
    left = [record for record in records if record.revoked_ms is None]
    found = [record for record in left if record.name == text]
    if not found and len(text) >= ID_CHARACTERS_MIN:
        found = [record for record in left if record.id.startswith(text.lower())]
    if not found:
        raise NotFound(
            f"there is no token {text!r} that could be revoked; see: lithair tokens list"
        )
    if len(found) > 1:
        ids = ", ".join(record.shown_id for record in found)
        raise Conflict(f"{text!r} is the name of {len(found)} tokens; say which by its id: {ids}")
    return found[0]


def _state(record: TokenRecord) -> str:
    if record.revoked_ms is not None:
        return "revoked"
    return "live" if _now_ms() < record.dies_ms else "expired"


def _shown(record: TokenRecord) -> dict[str, object]:
    return {
        "id": record.shown_id,
        "name": record.name,
        "role": record.role,
        "state": _state(record),
        "created": _moment(record.created_ms),
        "last_used": _moment(record.seen_ms) if record.seen_ms else None,
        "expires": None if record.expires_ms is None else _moment(record.expires_ms),
    }


def _row(record: TokenRecord) -> tuple[str, ...]:
    return (
        record.shown_id,
        record.name,
        record.role,
        _state(record),
        _date(record.created_ms),
        _date(record.seen_ms) if record.seen_ms else NEVER,
        NEVER if record.expires_ms is None else _date(record.expires_ms),
    )


def _moment(time_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(time_ms / 1000, dt.UTC)


def _date(time_ms: int) -> str:
    return f"{_moment(time_ms):%Y-%m-%d}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
