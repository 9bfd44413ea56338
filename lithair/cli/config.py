"""`lithair config`: every setting, its value and where it came from. Starts nothing.

Law: what is shown is what `lithair run` would use here with the same options; a secret is never
shown, only that there is one.
"""

import os
from collections.abc import Mapping
from typing import Final

import click
import msgspec

from lithair.cli.setting_options import add_setting_options
from lithair.cli.status import table
from lithair.config import SETTINGS, Settings, misspelt, option_of, resolve, text_of
from lithair.declaration import Declaration
from lithair.retention import OVERRIDES, declared_retention

SET: Final = "(set)"  # a secret has a value
NONE: Final = "-"
DEFAULT: Final = "default"
COLUMNS: Final = ("setting", "value", "from", "default")


class Shown(msgspec.Struct, frozen=True):
    """One setting. `source` is option, variable, code or default; `origin` says which."""

    name: str
    variable: str
    option: str | None
    value: str | None
    source: str
    origin: str
    default: str | None
    is_secret: bool = False


@click.command(
    epilog="Settings: option > LT_* variable > code > default. Give the options that `lithair run`"
    " is given to see what they change."
)
@click.argument("target", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, an object per setting.")
def config(target: str | None, as_json: bool, **options: str | None) -> None:
    """Print every setting, its value and where that comes from.

    With TARGET (app.py, or module:app) as that application would run with them, its code and its
    models included; without, as far as options and the environment say.
    """
    command_line = {name: text for name, text in options.items() if text is not None}
    if target is None:
        resolved = resolve({}, os.environ, command_line)
        shown = settings_shown(resolved.settings, resolved.origins)
    else:
        from lithair.cli.target import load

        declaration = load(target).declaration(os.environ, command_line)
        shown = settings_shown(declaration.settings, declaration.origins)
        shown += retention_shown(declaration, os.environ)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(shown)))
        return
    rows = [(one.variable, one.value or NONE, one.origin, one.default or NONE) for one in shown]
    click.echo("\n".join(table([COLUMNS, *rows])))
    for sentence in misspelt(os.environ):
        click.echo(sentence, err=True)


add_setting_options(config)


def settings_shown(settings: Settings, origins: Mapping[str, str]) -> list[Shown]:
    """Give every setting in the order of the docs."""
    defaults = Settings()
    shown: list[Shown] = []
    for name, setting in SETTINGS.items():
        origin = origins.get(name, DEFAULT)
        value = text_of(name, getattr(settings, name)) or None
        if setting.is_secret and value is not None:
            value = SET
        shown.append(
            Shown(
                name=name,
                variable=setting.variable,
                option=None if setting.is_secret else option_of(name),
                value=value,
                source=_source(origin),
                origin=origin,
                default=text_of(name, getattr(defaults, name)) or None,
                is_secret=setting.is_secret,
            )
        )
    return shown


def retention_shown(declaration: Declaration, environ: Mapping[str, str]) -> list[Shown]:
    """Give what each model keeps whole in RAM, by the variables that change it."""
    shown: list[Shown] = []
    for model in declaration.models:
        declared = declared_retention(model.handler.model)
        for name, (suffix, _, _) in OVERRIDES.items():
            variable = f"LT_{model.class_name.upper()}{suffix}"
            in_code = _retention_text(name, getattr(declared, name))
            origin = DEFAULT if in_code is None else "@retention"
            if variable in environ:
                origin = variable
            value = _retention_text(name, getattr(model.retention, name))
            shown.append(
                Shown(
                    name=f"{model.name}.{name}",
                    variable=variable,
                    option=None,
                    value=value,
                    source=_source(origin),
                    origin=origin,
                    default=None,
                )
            )
    return shown


def _retention_text(name: str, bound: int | None) -> str | None:
    if bound is None:
        return None
    if name == "age_s":
        return f"{bound // 86_400}d" if bound % 86_400 == 0 else f"{bound}s"
    return str(bound >> 20) if name == "max_bytes" else str(bound)


def _source(origin: str) -> str:
    if origin == DEFAULT:
        return DEFAULT
    if origin.startswith("--"):
        return "option"
    return "variable" if origin.startswith("LT_") else "code"
