"""`lithair run`: runs an application, with the command line's settings above all others.

Owns the options: one per setting of `lithair.config` that is no secret (other users can read a
command line). Law: values are read and checked where all settings are.
"""

import os

import click

from lithair.config import SETTINGS, option_of


@click.command(
    epilog="Settings: option > LT_* variable > code > default. Each option's variable is its name"
    " in upper case behind LT_."
)
@click.argument("target")
def run(target: str, **options: str | None) -> int:
    """Run the application TARGET: app.py, or module:app, until SIGTERM or Ctrl-C."""
    from lithair.actors import supervisor
    from lithair.cli.target import load

    command_line = {name: text for name, text in options.items() if text is not None}
    declaration = load(target).declaration(os.environ, command_line)
    return supervisor.run(declaration)


for _name, _setting in SETTINGS.items():
    if not _setting.is_secret:
        run.params.append(
            click.Option([option_of(_name), _name], metavar="VALUE", help=_setting.form)
        )
