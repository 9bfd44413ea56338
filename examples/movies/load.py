"""Loads rows through a handle, and keeps account of what Lithair said of each.

A row is offered as it was found. Refused, its complained-about fields are mended and it is offered
once more. Refused again, it is written to rejected.ndjson with the reasons. Run it by itself to
load into a server that runs already: `python examples/movies/load.py`.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from app import DATA, HERE, RUN_DIR
from cleaning import Row, as_found, mend
from lithair import Conflict, FieldError, Handle, ValidationFailed, connect

Films = Handle[Row]  # items as dicts: the rows are not films yet, Lithair says whether they are

REJECTED = DATA / "rejected.ndjson"
SOURCE = HERE / "movies.json"


@dataclass
class Account:
    """What became of the rows."""

    as_found: int = 0
    mended: int = 0
    rejected: list[tuple[Row, list[str]]] = field(default_factory=list[tuple[Row, list[str]]])
    said: Counter[str] = field(default_factory=Counter[str])  # "field: message" -> how often


def read_rows(path: Path) -> list[Row]:
    rows: list[Row] = json.loads(path.read_bytes())
    return rows


def load(films: Films, rows: Iterable[Row], account: Account) -> Iterable[None]:
    """Offer each row, and yield after each, so that the caller can show how far it is."""
    for row in rows:
        offer(films, row, account)
        yield


def offer(films: Films, row: Row, account: Account) -> None:
    """Create one film; what Lithair says of it goes into the account."""
    item = as_found(row)
    try:
        films.create(item)
        account.as_found += 1
        return
    except Conflict as refusal:
        reject(row, [str(refusal)], account)
        return
    except ValidationFailed as refusal:
        complaints = refusal.errors
    account.said.update(sentence(complaint) for complaint in complaints)
    try:
        films.create(mend(item, [complaint.field for complaint in complaints]))
        account.mended += 1
    except Conflict as refusal:
        reject(row, [str(refusal)], account)
    except ValidationFailed as refusal:
        reject(row, [sentence(complaint) for complaint in refusal.errors], account)


def reject(row: Row, reasons: list[str], account: Account) -> None:
    account.rejected.append((row, reasons))


def sentence(complaint: FieldError) -> str:
    return f"{complaint.field}: {complaint.message}"


def write_rejected(account: Account, path: Path) -> None:
    """Write each rejected row and why, one JSON object a line."""
    lines = [json.dumps({"reasons": why, "row": row}) + "\n" for row, why in account.rejected]
    path.write_text("".join(lines), encoding="utf-8")


def show(account: Account, console: Console) -> None:
    """Print the account as a table."""
    table = Table("what became of the rows", "rows", box=None, title_justify="left")
    table.add_row("taken as they were found", str(account.as_found))
    table.add_row("taken after mending the fields that Lithair named", str(account.mended))
    table.add_row(f"rejected, with reasons in {shown(REJECTED)}", str(len(account.rejected)))
    console.print(table)
    complaints = Table("what Lithair said", "times", box=None)
    reasons = Counter(_kind(reason) for _, why in account.rejected for reason in why)
    for text, times in account.said.most_common(12):
        complaints.add_row(Text(text), str(times))
    for text, times in reasons.most_common(6):
        complaints.add_row(Text(f"rejected: {text}"), str(times))
    console.print(complaints)


def shown(path: Path) -> str:
    """Write a path as a person in the current directory would."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _kind(reason: str) -> str:
    """Leave the values out of a reason, so that reasons of a kind are counted together."""
    head, quote, _ = reason.partition('"')
    return head.strip() + ("..." if quote else "")


def fill(films: Films, console: Console) -> None:
    """Load the source into an empty model, with a progress bar and an account at the end."""
    rows = read_rows(SOURCE)
    account = Account()
    columns = (
        TextColumn("loading films"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("films", total=len(rows))
        for _ in load(films, rows, account):
            progress.advance(task)
    write_rejected(account, REJECTED)
    console.print(f"{len(rows)} rows of {shown(SOURCE)}:")
    show(account, console)


if __name__ == "__main__":
    with connect(RUN_DIR) as lithair:
        fill(lithair.model("Film"), Console(stderr=True))
