"""A mailbox: the model, the application and the calls that the tests of a model's routes share."""

from pathlib import Path
from typing import Annotated

import httpx2
import msgspec
from msgspec import Meta

from lithair import Hidden, Lithair, Model, Pinned, Unique
from lithair.http import Request

SHOP = "https://shop.example"
ITEMS = "/api/emails"
SINGLE_MAX, BULK_MAX = 4000, 20_000


class Email(Model):
    from_: Pinned[str]
    subject: Annotated[str, Meta(max_length=20)]
    body: str = ""
    code: Unique[str | None] = None
    secret: Hidden[str] = ""


class Unknown(Model):
    text: str


async def subjects(request: Request) -> list[str]:
    page = await request.model(Email).list({"from": request.path["sender"]})
    return [item.subject for item in page.data]


async def send(request: Request) -> Email:
    return await request.model(Email).create(request.json(Email))


async def unknown(request: Request) -> int:
    return await request.model(Unknown).count()


def application(folder: Path) -> Lithair:
    return (
        Lithair()
        .with_model(Email, folder / "emails", ITEMS)
        .with_route("GET", "/subjects/{sender}", subjects)
        .with_route("POST", "/send", send)
        .with_route("GET", "/unknown", unknown)
        .with_run_dir(folder / "run")
        .with_port(0)
        .with_cors([SHOP])
        .with_max_body_size(SINGLE_MAX, BULK_MAX)
    )


def email(**fields: object) -> dict[str, object]:
    return {"from": "a@b.c", "subject": "hi", **fields}


def create(client: httpx2.Client, **fields: object) -> httpx2.Response:
    answer = client.post(ITEMS, json=email(**fields))
    assert answer.status_code == 201, answer.text
    return answer


def at(answer: httpx2.Response) -> str:
    return answer.headers["Location"]


def problem_of(answer: httpx2.Response) -> dict[str, object]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = msgspec.json.decode(answer.content, type=dict[str, object])
    assert problem["status"] == answer.status_code
    assert {"type", "title", "status", "detail", "error"} <= problem.keys()
    return problem
