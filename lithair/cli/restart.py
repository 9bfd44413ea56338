"""`lithair restart NAME`: stops one process in order and starts it again; a failed one, at once."""

import click

from lithair.cli.completion import complete_processes
from lithair.cli.server import ask, run_dir_option


@click.command()
@click.argument("name", shell_complete=complete_processes)
@run_dir_option
def restart(name: str, run_dir: str | None) -> None:
    """Restart the process NAME: a model (or its class), a worker, gateway-0, or gateway for all."""
    ask(run_dir, {"ask": "restart", "name": name})
    click.echo(f"{name}: restart asked for")
