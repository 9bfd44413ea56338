"""Announcement: what a person who starts a server in a terminal is told, once it is ready.

Owns the text on stdout. Law: it is data for people; the log goes to stderr.
"""

import sys
from typing import Final

import lithair
from lithair.actors.plan import Plan
from lithair.core.supervised import MODEL
from lithair.core.supervision import Supervision
from lithair.phase import FAILED
from lithair.storage.run_dir import read_admin_token

MODELS_SHOWN_MAX: Final = 20  # more would scroll the rest away; /info lists all


class Announcement:
    """The observer of a server in the foreground."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def ready(self, supervision: Supervision, url: str) -> None:
        processes = {process.name: process for process in supervision.of_kind(MODEL)}
        lines = [f"Lithair {lithair.__version__} is ready: {url}"]
        models = [model for model in self._plan.of_kind(MODEL) if model.path]
        width = max((len(model.path) for model in models[:MODELS_SHOWN_MAX]), default=0)
        for model in models[:MODELS_SHOWN_MAX]:
            process = processes[model.name]
            state = f"   FAILED: {process.detail}" if process.phase == FAILED else ""
            lines.append(f"  {model.alias + ':':<16} {url}{model.path:<{width}}{state}".rstrip())
        if len(models) > MODELS_SHOWN_MAX:
            lines.append(f"  and {len(models) - MODELS_SHOWN_MAX} more: {url}/info")
        if models and self._plan.has_streams:
            further = ", and so on" if len(models) > 1 else ""
            lines.append(f"  {'Streams:':<16} {url}{models[0].path}/stream{further}")
        if self._plan.has_docs:
            lines.append(f"  {'Docs:':<16} {url}/docs")
        lines.append(f"  {'Metrics:':<16} {url}/metrics")
        if models:
            further = ", and so on" if len(models) > 1 else ""
            lines.append(f"  {'Data:':<16} {models[0].directory}{further}")
        lines += self._ways_in(url)
        lines += [
            f"  {one.name} = {one.value}   (from {one.origin})" for one in self._plan.settings
        ]
        lines.append("Stop it with Ctrl-C.")
        try:
            sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()
        except OSError:
            pass  # nobody reads; the server does not depend on it

    def _ways_in(self, url: str) -> list[str]:
        """Give the dashboard's link, or the token where there is none.

        The token is never written into a file or a service's log, and behind `#` it is sent to no
        server.
        """
        plan = self._plan
        is_told = plan.makes_admin_token and sys.stdout.isatty()
        token = read_admin_token(plan.run_dir) if is_told else None
        if plan.dashboard_path is not None:
            link = f"{url}{plan.dashboard_path}/" + (f"#{token}" if token else "")
            return [f"  {'Dashboard:':<16} {link}"]
        return [] if token is None else [f"  {'Admin token:':<16} {token}"]

    def over(self, exit_status: int, sentences: list[str]) -> None:
        """Nothing: the log on stderr has said it."""
