"""What we do with rows that Lithair refused: one small function for each kind of fault.

`as_found` only gives a row the names of our class; it hides no fault. What is wrong with a row, the
model's declaration says (`ValidationFailed.errors`), and `mend` applies the rule of each field
that was complained about, and of no other. A value that no rule can mend stays as it is, is
refused a second time, and the row is rejected with the reasons that Lithair gave.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Iterable

Row = dict[str, object]
Rule = Callable[[object], object]

# Our fields, and where they are in the source. Gaps are null there, and null here.
COLUMNS = {
    "title": "Title",
    "released": "Release Date",
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
# The source's age: it was gathered in 2010, so a later year is a two-digit one read wrongly.
NEWEST_YEAR = 2012
DATE_FORMS = ("%Y-%m-%d", "%b %d %Y", "%d-%b-%y", "%B %d, %Y")


def as_found(row: Row) -> Row:
    """Give a row our names, values untouched; the slug is made of what is there."""
    item: Row = {}
    for ours, theirs in COLUMNS.items():
        value = row.get(theirs, row.get(theirs.replace(" ", "_")))  # older releases: US_Gross
        if value is not None or ours == "title":
            item[ours] = value
    item["slug"] = slug_of(item)
    return item


def slug_of(item: Row) -> str:
    """Make "the-land-girls-1998" of a title and a date; "" when there is no title."""
    title = item.get("title")
    year = re.search(r"\d{4}", str(day_of(item.get("released"))))
    words = "" if title is None else str(title)
    plain = unicodedata.normalize("NFKD", words.replace("&", " and ")).encode("ascii", "ignore")
    parts = re.findall(r"[a-z0-9]+", plain.decode().lower().replace("'", ""))
    if parts and year:
        parts.append(year[0])
    return "-".join(parts)


def day_of(value: object) -> object:
    """Read "Jun 12 1998" and its like as a date; a bare year is its first of January."""
    if isinstance(value, int) and 1880 <= value <= NEWEST_YEAR:
        value = str(value)
    if not isinstance(value, str):
        return value
    text = value.strip()
    if re.fullmatch(r"\d{4}", text):
        text += "-01-01"
    for form in DATE_FORMS:
        try:
            day = dt.datetime.strptime(text, form).replace(tzinfo=dt.UTC).date()
        except ValueError:
            continue
        if day.year > NEWEST_YEAR:
            day = day.replace(year=day.year - 100)
        return day.isoformat()
    return value


def text_of_number(value: object) -> object:
    """Take a number for the text it is: the film 300 is called "300"."""
    return str(value) if isinstance(value, int | float) else value


def number_of_text(value: object) -> object:
    """Read "1,234,567" as a number, and words such as "Unknown" as a gap."""
    if not isinstance(value, str):
        return value
    digits = value.replace(",", "").replace("$", "").strip()
    if re.fullmatch(r"-?\d+", digits):
        return int(digits)
    return None if digits.lower() in {"", "unknown", "n/a", "none", "tbd"} else value


def gap_for_nonsense(value: object) -> object:
    """Drop what can't be a measure, such as a film of 0 minutes; the rest of the row is good."""
    number = number_of_text(value)
    if isinstance(number, float) and number.is_integer():
        return int(number)
    return None


def gap_for_empty(value: object) -> object:
    """Read blank text as a gap."""
    text = text_of_number(value)
    return None if isinstance(text, str) and not text.strip() else text


RULES: dict[str, Rule] = {
    "title": text_of_number,
    "released": day_of,
    "director": gap_for_empty,
    "distributor": gap_for_empty,
    "budget": number_of_text,
    "us_gross": number_of_text,
    "worldwide_gross": number_of_text,
    "minutes": gap_for_nonsense,
    "critics": gap_for_nonsense,
    "stars": number_of_text,
    "votes": gap_for_nonsense,
}


def mend(item: Row, fields: Iterable[str]) -> Row:
    """Give the item with the rules of these fields applied."""
    mended = dict(item)
    for field in fields:
        if field in RULES and field in mended:
            mended[field] = RULES[field](mended[field])
    return mended
