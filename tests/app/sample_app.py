"""An application in a module: what the tests of the builder declare."""

from typing import TYPE_CHECKING, Annotated

from tornado.web import RequestHandler

from lithair import Lithair, Model, ModelHandler, Owner, Permission, Pinned, Ref, Request, retention

if TYPE_CHECKING:
    from collections.abc import Awaitable


@retention(memory=10)
class Email(Model):
    subject: Pinned[str]


class Product(Model):
    price: Annotated[int, Permission(write="PriceEdit")] = 0
    seller: Owner[str] = ""


class Reply(Model):
    to: Ref["Email"]


class Broken(Model):
    friend: Ref["Nobody"]  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore[reportUndefinedVariable]


class Emails(ModelHandler[Email]):
    def __init__(self, data_dir: str, limit: int) -> None:
        super().__init__(Email, data_dir)
        self.limit = limit


class Unready(ModelHandler[Email]):
    def __init__(self) -> None:
        pass


class Slow(ModelHandler[Email]):
    async def before_create(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        self, item: Email
    ) -> Email:
        return item


class Page(RequestHandler):
    def initialize(self, title: str) -> None:
        self.title = title


class Asked:
    async def __call__(self, request: Request) -> None:
        return None


async def show(request: Request) -> dict[str, str]:
    return {"path": request.path}


def plain(request: Request) -> "Awaitable[None]":
    raise NotImplementedError(request)


def nightly(lithair: object) -> None:
    raise NotImplementedError(lithair)


async def hourly(lithair: object) -> None:
    raise NotImplementedError(lithair)


app = Lithair().with_model(Email, "./data/emails", "/api/emails")
