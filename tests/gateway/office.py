"""An application with data administration, and who comes to it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import httpx2

from lithair import Lithair, Model, RolePolicy, retention
from lithair.fields import Audited, Hidden, Owner, Permission, Pinned
from lithair.http import Request
from lithair.sessions import MemorySessionStore, SessionManager
from lithair.storage.run_dir import TOKEN_NAME

SECRET = "nobody-may-see-this"
ADMIN_COOKIE = "lithair_admin"


@retention(memory=10)
class Letter(Model):
    text: Audited[str] = ""
    from_: Pinned[str] = ""
    code: Hidden[str] = SECRET


class Ware(Model):
    text: str = ""
    owner: Owner[str] = ""
    price: Annotated[int, Permission(read="WareSeePrice", write="WareSetPrice")] = 0


class Post:
    """A listener that does its work, but for a letter that it can't take."""

    def on_event(self, event: object) -> None:
        if "unbearable" in str(getattr(event, "item")):  # noqa: B009
            raise ValueError("it is unbearable")


async def log_in(request: Request) -> dict[str, str | None]:
    asked = request.query
    session = await request.sessions.create(asked.get("user", "alice"), asked.get("role", ""))
    return {"token": session.token}


async def who(request: Request) -> dict[str, str | None]:
    return {"user": None if request.session is None else request.session.user_id}


def application(folder: Path, dashboard: str = "/_admin") -> Lithair:
    """Build it; the letters are open to all, the wares to roles."""
    return (
        Lithair()
        .with_model(Letter, folder / "letters", "/api/letters")
        .with_model_full(
            Ware, folder / "wares", "/api/wares", permission_checker=RolePolicy({"clerk": []})
        )
        .with_sessions(SessionManager(MemorySessionStore()))
        .with_route("POST", "/in", log_in)
        .with_route("GET", "/who", who)
        .with_event_listener(Letter, Post(), name="post", start="beginning")
        .with_data_admin_ui(dashboard)
        .with_run_dir(folder / "run")
        .with_port(0)
    )


def admin_token(folder: Path) -> str:
    return (folder / "run" / TOKEN_NAME).read_text(encoding="ascii").strip()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def session_of(url: str, user: str, role: str) -> str:
    """Log somebody in; gives the session's token."""
    answer = httpx2.post(f"{url}/in", params={"user": user, "role": role})
    return str(answer.json()["token"])


def exchanged(url: str, token: str) -> str:
    """Exchange the admin token for the cookie; gives that."""
    answer = httpx2.post(f"{url}/_admin/session", json={"token": token})
    assert answer.status_code == 200, answer.text
    return answer.cookies[ADMIN_COOKIE]


def cookie(name: str, value: str) -> dict[str, str]:
    return {"Cookie": f"{name}={value}"}


def credentials(token: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Give both ways to show a session's token."""
    yield "bearer", bearer(token)
    yield "cookie", cookie("session_token", token)
