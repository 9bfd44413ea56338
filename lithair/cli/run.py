"""`lithair run`: runs an application, with the command line's settings above all others.

Law: what is run is the declaration; `--reload` runs the same command again and again.
"""

import os
import signal

import click

from lithair.cli.setting_options import add_setting_options


@click.command(
    epilog="Settings: option > LT_* variable > code > default. Each option's variable is its name"
    " in upper case behind LT_; `lithair config` shows them all."
)
@click.argument("target")
@click.option(
    "--reload",
    "reloads",
    is_flag=True,
    help="For development: start again whenever a .py file of the project changes.",
)
@click.option("--with-parent", type=int, hidden=True, help="End with this process: of --reload.")
def run(target: str, reloads: bool, with_parent: int | None, **options: str | None) -> int:
    """Run the application TARGET: app.py, or module:app, until SIGTERM or Ctrl-C."""
    command_line = {name: text for name, text in options.items() if text is not None}
    if reloads:
        from lithair.cli.reloading import run_again_and_again

        return run_again_and_again(target, command_line)
    from lithair.actors import supervisor
    from lithair.actors.child_process import die_with_parent
    from lithair.cli.target import load

    if with_parent is not None:
        die_with_parent(with_parent, signal.SIGTERM)
    declaration = load(target).declaration(os.environ, command_line)
    return supervisor.run(declaration)


add_setting_options(run)
