"""The form of an item's id.

Owns the rule that every id passes, whoever gives it. New ids are made where a clock and randomness
may be read, never here.

    id := 1 to 255 characters; no "/", no control character, no lone surrogate;
          not "." | "..", which clients take out of paths;
          not "count" | "random-id" | "stream" | "_bulk"
"""

ID_CHARACTERS_MAX = 255  # a path segment and a file name of every system hold it
RESERVED_IDS = frozenset(("count", "random-id", "stream", "_bulk"))  # routes beside /{id}


def id_problem(text: str) -> str | None:
    """Say what is wrong with an id, or None when it is allowed."""
    if text.isalnum() and text.isascii() and len(text) <= ID_CHARACTERS_MAX:
        return f'"{text}" is a reserved word' if text in RESERVED_IDS else None
    if not text:
        return "an id has at least 1 character"
    if len(text) > ID_CHARACTERS_MAX:
        return f"an id has at most {ID_CHARACTERS_MAX} characters; this one has {len(text)}"
    if text in RESERVED_IDS:
        return f'"{text}" is a reserved word'
    if text in (".", ".."):
        return f'"{text}" is a place in a path, which clients take out of it'
    if "/" in text:
        return 'an id has no "/" in it'
    if not text.isprintable():
        for character in text:
            point = ord(character)
            if point < 0x20 or 0x7F <= point <= 0x9F:
                return f"an id has no control character (U+{point:04X}) in it"
            if 0xD800 <= point <= 0xDFFF:
                return f"an id has no lone surrogate (U+{point:04X}) in it"
    return None
