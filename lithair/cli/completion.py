"""`lithair completion`: makes a shell complete commands, options and the names of models.

Owns the scripts (click's) and what is offered for a model's name. Law: a completion never says
anything but what can be typed; whatever goes wrong, it offers nothing.
"""

from typing import Final, cast

import click
from click.shell_completion import CompletionItem, get_completion_class

from lithair.cli.server import ask
from lithair.errors import LithairError

VARIABLE: Final = "_LITHAIR_COMPLETE"  # click's own name for it
SHELLS: Final = ("bash", "zsh", "fish")
WHERE: Final = """\
Put one of these lines into the start-up file of your shell:

\b
  bash  ~/.bashrc                   eval "$(lithair completion bash)"
  zsh   ~/.zshrc                    eval "$(lithair completion zsh)"
  fish  ~/.config/fish/config.fish  lithair completion fish | source
"""


@click.command(epilog=WHERE)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that makes SHELL complete commands, options, and models of the server."""
    from lithair.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "lithair", VARIABLE).source())


def complete_models(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the names of the models of the server that the command would talk to."""
    models = _asked(ctx, "where", "models")
    named = [model for model in models if model["class_name"]]
    return [
        CompletionItem(model["name"], help=model["class_name"])
        for model in named
        if model["name"].startswith(incomplete)
    ]


def complete_processes(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the names of the processes of that server."""
    return [
        CompletionItem(process["name"], help=process["kind"])
        for process in _asked(ctx, "status", "processes")
        if process["name"].startswith(incomplete)
    ]


def _asked(ctx: click.Context, question: str, answer: str) -> list[dict[str, str]]:
    run_dir = ctx.params.get("run_dir")
    try:
        reply = ask(run_dir if isinstance(run_dir, str) else None, {"ask": question})
    except (LithairError, OSError):
        return []
    return cast("list[dict[str, str]]", reply[answer])
