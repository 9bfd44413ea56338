"""`lithair permissions`: what each role may do on every route of an application, field by field.

Law: starts nothing and reads no data; what it prints is made by the code that answers requests.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Final

import click
import msgspec

from lithair.gateway.permission_map import PermissionCell, permission_map, roles_known

NOBODY: Final = "(no session)"


@click.command()
@click.argument("target")
@click.option("--role", "named", multiple=True, metavar="ROLE", help="A role to show; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, an object per cell.")
def permissions(target: str, named: tuple[str, ...], as_json: bool) -> None:
    """Print what each role may do on every route of the models of TARGET: app.py, or module:app.

    Roles are those of RolePolicy, or of your checker's attribute `roles`, and Admin, unless --role
    names others.
    """
    from lithair.cli.target import load

    declaration = load(target).declaration(os.environ, {})
    roles = list(named) or roles_known(declaration)
    cells = permission_map(declaration, roles)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(cells)))
        return
    for model in declaration.models:
        click.echo("\n".join(lines_of(model.name, [c for c in cells if c.model == model.name])))
        click.echo()


def lines_of(name: str, cells: list[PermissionCell]) -> list[str]:
    """Write the tables of one model: routes by role, then fields by role."""
    roles = list(dict.fromkeys(cell.role for cell in cells))
    rows: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        rows.setdefault((cell.path, cell.method), []).append(
            str(cell.status) if cell.status else cell.items
        )
    heads = [NOBODY if role is None else role for role in roles]
    alike: dict[tuple[str, ...], list[str]] = {}  # methods of one path that are answered alike
    for (path, method), marks in rows.items():
        alike.setdefault((path, *marks), []).append(method)
    table = [[path, " ".join(methods), *marks] for (path, *marks), methods in alike.items()]
    lines = [name, *_columns([["route", "methods", *heads], *table])]
    fields = list(dict.fromkeys(wire for cell in cells for wire in (*cell.shown, *cell.written)))
    uses = [[wire, "", *(_use(wire, cells, role) for role in roles)] for wire in fields]
    return [*lines, "", *_columns([["field", "", *heads], *uses])]


def _use(wire: str, cells: Iterable[PermissionCell], role: str | None) -> str:
    """Say what a role does with a field on any route."""
    own = [cell for cell in cells if cell.role == role]
    words = [
        word
        for word, is_so in (
            ("read", any(wire in cell.shown for cell in own)),
            ("write", any(wire in cell.written for cell in own)),
        )
        if is_so
    ]
    return ", ".join(words) or "-"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(["", *map(str.ljust, row, widths)]).rstrip() for row in rows]
