"""`make run`: serves the films, fills the model when it is empty, and says what to try."""

import os
import select
import signal
import sys
from pathlib import Path

from rich.console import Console

from app import DATA, Film, app
from lithair import LithairError, Mistakes, connect
from load import fill, shown

TO_TRY = """
Served at {url}/api/films. Try, in another terminal:

  curl '{url}/api/films?take=3'
  curl '{url}/api/films?genre=Western&sort=-stars&take=5&fields=title,stars'
  curl '{url}/api/films?released=>=1990-01-01&released=<2000-01-01&title=~star'
  curl '{url}/api/films/count?worldwide_gross=>500000000'
  curl -i -X POST {url}/api/films -H 'Content-Type: application/json' \\
       -d '{{"id": "my-film", "slug": "my-film-2010", "title": "My Film", "stars": 7}}'
  curl -X PATCH {url}/api/films/my-film -H 'Content-Type: application/json' -d '{{"stars": 9.5}}'
  curl {url}/api/films/my-film/history
  curl -i -X DELETE {url}/api/films/my-film
  curl -X POST {url}/api/films -H 'Content-Type: application/json' \\
       -d '{{"title": 300, "stars": 11}}'

In a browser:

  the dashboard     {dashboard}
  the API's docs    {url}/docs

The data is in {data}, and stays: stop with Ctrl-C, start again with make run.
To begin afresh, stop it and remove {data}.
"""


def dashboard(url: str, run_dir: str) -> str:
    """Give the dashboard's link; only a terminal is told the token that lets in."""
    token = Path(run_dir, "admin-token")  # not there where LT_ADMIN_TOKEN gives one
    if sys.stdout.isatty() and token.exists():
        return f"{url}/_admin/#{token.read_text(encoding='utf-8').strip()}"
    return f"{url}/_admin/"


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop in order on both
    console = Console(stderr=True)
    try:
        with app.running() as server:
            if server.handle(Film).count() == 0:
                with connect(server.run_dir) as lithair:
                    fill(lithair.model("Film"), console)
            link = dashboard(server.url, server.run_dir)
            print(TO_TRY.format(url=server.url, dashboard=link, data=shown(DATA)), flush=True)
            wait_for_end(server.pid)
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 0
    except Mistakes as mistakes:
        print(*mistakes.sentences, sep="\n", file=sys.stderr)
        return 2
    except LithairError as error:
        print(error, file=sys.stderr)
        return 1
    print("The server has ended; its log above says why.", file=sys.stderr)
    return 1


def wait_for_end(pid: int) -> None:
    """Return when the process has ended; Ctrl-C interrupts."""
    process = os.pidfd_open(pid)
    try:
        select.select([process], [], [])
    finally:
        os.close(process)


if __name__ == "__main__":
    sys.exit(main())
