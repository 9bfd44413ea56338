"""Filters on a command line: `price>10`, `state!=open`, `name~disc`, or as in a query of HTTP.

filter := field operator value
operator := "=" | "!=" | ">" | "<" | ">=" | "<=" | "~"     "=" takes any value of HTTP's grammar
"""

import re
from typing import Final

import click

FILTER: Final = re.compile(r"([^\s=!<>~]+)(>=|<=|!=|=|>|<|~)(.*)", re.DOTALL)
AS_IN_HTTP: Final = {"=": "", "!=": "!"}  # the others are written the same


def filters_of(texts: tuple[str, ...]) -> dict[str, object]:
    """Read filters into those of a handle; UsageError for a text that is none."""
    found: dict[str, list[str]] = {}
    for text in texts:
        match = FILTER.fullmatch(text)
        if match is None:
            raise click.UsageError(
                f"{text!r} is no filter: write a field, an operator (= != > < >= <= ~) and a value,"
                " such as state=open or 'price>10'; quote what the shell reads otherwise"
            )
        name, operator, value = match.groups()
        found.setdefault(name, []).append(AS_IN_HTTP.get(operator, operator) + value)
    return dict(found)
