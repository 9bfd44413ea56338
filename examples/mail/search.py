"""A full-text index of the mails: SQLite's FTS5, in a file of its own.

`put` and `remove` may be repeated: the index is the same afterwards. So who keeps it may be told of
a change twice, after a crash, and it is right all the same. It holds nothing that is not in the
mails: remove the file and ./data/emails/listeners/search, and the next start makes it anew.
"""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

TABLES = """
    CREATE TABLE IF NOT EXISTS mails (number INTEGER PRIMARY KEY, id TEXT UNIQUE, owner TEXT);
    CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (sender, subject, body);
"""
NUMBER = """
    INSERT INTO mails (id, owner) VALUES (?, ?)
    ON CONFLICT (id) DO UPDATE SET owner = excluded.owner RETURNING number
"""
FIND = """
    SELECT id, snippet(words, 2, '', '', ' … ', 16)
    FROM words JOIN mails ON mails.number = words.rowid
    WHERE words MATCH ? AND owner = ? ORDER BY rank LIMIT ?
"""


class Found(NamedTuple):
    id: str
    snippet: str  # of the body, about where the words are


class MailIndex:
    """The index in one file; any number of processes may search it, one writes."""

    def __init__(self, place: str) -> None:
        self._place = place

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection]:
        Path(self._place).parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._place, timeout=10)) as database:
            database.executescript(TABLES)
            with database:  # a transaction, on the disk when it is left
                yield database

    def put(self, mail_id: str, owner: str, sender: str, subject: str, body: str) -> None:
        """Index a mail, in place of what is known of it."""
        with self._opened() as database:
            number = database.execute(NUMBER, (mail_id, owner)).fetchone()[0]
            database.execute(
                "INSERT OR REPLACE INTO words (rowid, sender, subject, body) VALUES (?, ?, ?, ?)",
                (number, sender, subject, body),
            )

    def remove(self, mail_id: str) -> None:
        """Forget a mail, known or not."""
        with self._opened() as database:
            gone = database.execute("DELETE FROM mails WHERE id = ? RETURNING number", (mail_id,))
            database.executemany("DELETE FROM words WHERE rowid = ?", gone.fetchall())

    def find(self, text: str, owner: str, most: int = 50) -> list[Found]:
        """Find the mails of one owner with all of these words, or what begins so; best first."""
        words = text.replace("\0", " ").replace('"', " ").split()
        if not words:
            return []
        query = " ".join(f'"{word}"*' for word in words)  # in quotes nothing is an operator
        with self._opened() as database:
            return [Found(*row) for row in database.execute(FIND, (query, owner, most))]
