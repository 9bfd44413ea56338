"""Server: how commands reach a running server.

Owns the run directory's option and the question over the control socket. Law: no answer in time is
"not reachable", an exit status of its own.
"""

import os
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import click

from lithair.config import Settings
from lithair.errors import LithairError
from lithair.storage.places import is_directory as is_there
from lithair.transport.control_socket import ControlClient
from lithair.wire.protocol import WireError

ANSWER_MAX_S: Final = 10.0  # the supervisor answers at once; longer, and it hangs

Command = TypeVar("Command", bound=Callable[..., object])


class NotReachable(LithairError):
    """No server answers in the run directory."""


def run_dir_option(command: Command) -> Command:
    """Add --run-dir to a command that talks to a running server."""
    option = click.option(
        "--run-dir",
        default=None,
        metavar="DIR",
        help="the server's run directory: this option, LT_RUN_DIR, or ./.lithair",
    )
    return option(command)


def data_dir_option(call: str) -> Callable[[Command], Command]:
    """Add --data-dir to a command that does without a server; `call` names the directory."""
    return click.option(
        "--data-dir",
        default=None,
        metavar="DIR",
        type=click.Path(file_okay=False),
        help=f"The directory of {call}; the server must not run. Otherwise it has to.",
    )


def ask(run_dir: str | None, request: Mapping[str, object]) -> Mapping[str, object]:
    """Ask the supervisor; NotReachable when there is no answer, LithairError with its refusal."""
    place = run_dir or os.environ.get("LT_RUN_DIR") or Settings().run_dir
    place = os.path.abspath(place)
    try:
        reply = ControlClient(place).ask(request, ANSWER_MAX_S) if is_there(place) else None
    except WireError as error:
        raise LithairError(str(error)) from error
    if reply is None:
        raise NotReachable(
            f"no server answers in the run directory {place}: start one with `lithair run`, or name"
            " its directory with --run-dir or LT_RUN_DIR"
        )
    if "error" in reply:
        raise LithairError(str(reply["error"]))
    return reply
