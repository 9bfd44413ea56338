"""FastAPI + SQLite with the notes that the benchmark asks for.

Its fastest ordinary form on one process: coroutines that call sqlite3 at once (a thread for each
request costs more than the query), one connection with prepared statements, WAL,
`synchronous=FULL`, an index that holds filter and order, answers checked by pydantic.
"""

import os
import sqlite3
import uuid
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel

FIELDS = "id, sender, folder, sent, subject, body"
INSERT = f"INSERT INTO notes ({FIELDS}) VALUES (?, ?, ?, ?, ?, ?)"

database = sqlite3.connect(
    os.environ["NOTES_DATABASE"], isolation_level=None, cached_statements=256
)
database.execute("PRAGMA journal_mode = WAL")
database.execute("PRAGMA synchronous = FULL")
database.execute("PRAGMA cache_size = -65536")
database.execute(
    "CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, sender TEXT NOT NULL,"
    " folder TEXT NOT NULL, sent INTEGER NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL)"
)
database.execute("CREATE INDEX IF NOT EXISTS notes_folder_sent ON notes (folder, sent)")
database.execute("CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, user TEXT NOT NULL)")

app = FastAPI()


class NewNote(BaseModel):
    id: str | None = None
    sender: str
    folder: str
    sent: int
    subject: str
    body: str


class Note(NewNote):
    id: str


class Patch(BaseModel):
    sender: str | None = None
    folder: str | None = None
    sent: int | None = None
    subject: str | None = None
    body: str | None = None


class Page(BaseModel):
    items: list[Note]
    total: int


def read(key: str) -> Note:
    row = database.execute(f"SELECT {FIELDS} FROM notes WHERE id = ?", (key,)).fetchone()
    if row is None:
        raise HTTPException(404)
    return note_of(row)


def note_of(row: tuple) -> Note:
    return Note(id=row[0], sender=row[1], folder=row[2], sent=row[3], subject=row[4], body=row[5])


def made(note: NewNote) -> tuple:
    return (
        note.id or uuid.uuid4().hex,
        note.sender,
        note.folder,
        note.sent,
        note.subject,
        note.body,
    )


async def user(authorization: Annotated[str, Header()]) -> str:
    token = authorization.removeprefix("Bearer ")
    row = database.execute("SELECT user FROM sessions WHERE token = ?", (token,)).fetchone()
    if row is None:
        raise HTTPException(401)
    return row[0]


@app.get("/notes/{key}")
async def get(key: str) -> Note:
    return read(key)


@app.get("/gated/{key}")
async def get_gated(key: str, asker: Annotated[str, Depends(user)]) -> Note:
    return read(key)


@app.get("/notes")
async def page(folder: str, take: int = 20, skip: int = 0) -> Page:
    rows = database.execute(
        f"SELECT {FIELDS} FROM notes WHERE folder = ? ORDER BY sent DESC LIMIT ? OFFSET ?",
        (folder, take, skip),
    ).fetchall()
    total = database.execute("SELECT count(*) FROM notes WHERE folder = ?", (folder,)).fetchone()
    return Page(items=[note_of(row) for row in rows], total=total[0])


@app.post("/notes", status_code=201)
async def create(note: NewNote) -> Note:
    row = made(note)
    database.execute(INSERT, row)
    return note_of(row)


@app.post("/notes/_bulk", status_code=201)
async def create_many(notes: list[NewNote]) -> list[Note]:
    rows = [made(note) for note in notes]
    database.execute("BEGIN IMMEDIATE")
    try:
        database.executemany(INSERT, rows)
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
    return [note_of(row) for row in rows]


@app.patch("/notes/{key}")
async def patch(key: str, told: Patch) -> Note:
    fields = told.model_dump(exclude_unset=True)
    if not fields:
        return read(key)
    names = ", ".join(f"{name} = ?" for name in fields)
    rows = database.execute(
        f"UPDATE notes SET {names} WHERE id = ? RETURNING {FIELDS}", (*fields.values(), key)
    ).fetchall()
    if not rows:
        raise HTTPException(404)
    return note_of(rows[0])
