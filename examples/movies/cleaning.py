"""What we do with rows that Lithair refused: one small function for each kind of fault.

`as_found` gives a row the names of our class and hides no fault that a declaration can see. What is
wrong with it, Lithair says (`ValidationFailed.errors`); `mend` applies the rule of each field that
was complained about, and of no other. A fault that no rule mends is refused a second time, and the
row is rejected with the reasons that Lithair gave.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Iterable

Row = dict[str, object]

# Our fields, and where they are in the source.
COLUMNS = {
    "title": "Title",
    "genre": "Major Genre",
    "rated": "MPAA Rating",
    "director": "Director",
    "distributor": "Distributor",
    "minutes": "Running Time min",
    "budget": "Production Budget",
    "us_gross": "US Gross",
    "worldwide_gross": "Worldwide Gross",
    "critics": "Rotten Tomatoes Rating",
    "stars": "IMDB Rating",
    "votes": "IMDB Votes",
}


def as_found(row: Row) -> Row:
    """Give a row our names, and the forms that JSON has for its values."""
    item: Row = {ours: row.get(theirs) for ours, theirs in COLUMNS.items()}
    item["title"] = decoded_again(item["title"])
    released = day_of(row.get("Release Date"))
    if released is not None:
        item.update(released=released.isoformat(), year=released.year)
    item["slug"] = slug_of(item)
    return item


def day_of(text: object) -> dt.date | None:
    """Read "Jun 12 1998"; a date in any other form is a gap."""
    try:
        return dt.datetime.strptime(str(text), "%b %d %Y").replace(tzinfo=dt.UTC).date()
    except ValueError:
        return None


def decoded_again(title: object) -> object:
    """Undo a mistaken encoding: someone took Windows' bytes for a Mac's, and "Léon" for "LÈon".

    No declaration can see this: "LÈon" is good text. A title that is no such case stays as it is.
    """
    if not isinstance(title, str) or title.isascii():
        return title
    try:
        return title.encode("mac_roman").decode("cp1252")
    except UnicodeError:
        return title


def slug_of(item: Row) -> str:
    """Make "the-land-girls-1998" of title and year; "" without a title, for Lithair to refuse."""
    title = item.get("title")
    if title is None:
        return ""
    words = str(title).lower().replace("&", " and ").replace("'", "")
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", f"{plain} {item.get('year', '')}"))


# The rules. Each gets the item and gives the fields to put in their place.


def number_as_text(item: Row) -> Row:
    """Take a number for the title that it is: the film 300 is called "300"."""
    title = item["title"]
    return {"title": str(title)} if isinstance(title, int) else {}


def century_before(item: Row) -> Row:
    """Take 100 off a year that had two digits once, and was read as one to come."""
    year, released = item["year"], str(item["released"])
    if not isinstance(year, int):
        return {}
    mended: Row = {"year": year - 100, "released": f"{year - 100}{released[4:]}"}
    return {**mended, "slug": slug_of({**item, **mended})}


def gap_for_nothing(field: str) -> Callable[[Row], Row]:
    """Make the rule that a film which took 0 dollars is one of which nobody knows."""
    return lambda item: {field: None} if item[field] == 0 else {}


RULES: dict[str, Callable[[Row], Row]] = {
    "title": number_as_text,
    "year": century_before,
    "us_gross": gap_for_nothing("us_gross"),
    "worldwide_gross": gap_for_nothing("worldwide_gross"),
}


def mend(item: Row, fields: Iterable[str]) -> Row:
    """Give the item as the rules of these fields leave it."""
    mended = dict(item)
    for field in fields:
        if field in RULES:
            mended.update(RULES[field](mended))
    return mended
