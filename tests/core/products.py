"""A model with every rule for roles, and a state whose callers have them."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from lithair.core.command import TRUSTED, Action, Answer
from lithair.core.grants import Grants
from lithair.core.reads import Read, count, get
from lithair.core.scan import Scan
from lithair.errors import LithairError
from lithair.fields import (
    Audited,
    Hidden,
    Immutable,
    Indexed,
    Owner,
    Permission,
    Unique,
)
from lithair.handler import ModelHandler
from lithair.model import Model
from tests.core.films import Bench, decoded


class Size(msgspec.Struct):
    width: int = 1
    height: int = 1


class Product(Model):
    name: str = "thing"
    price: Annotated[float, Permission(write="PriceEdit")] = 1
    cost: Annotated[Indexed[int], Permission(read="CostRead", write="CostEdit")] = 10
    margin: Annotated[Audited[int], Permission(read="CostRead")] = 5  # written blindly
    size: Annotated[Size | None, Permission(read="CostRead")] = None
    code: Annotated[Unique[str | None], Permission(read="CostRead")] = None
    marks: Annotated[dict[str, int], msgspec.Meta(max_length=1), Permission(read="CostRead")] = {}
    batch: Annotated[Immutable[str], Permission(read="CostRead")] = "b"
    owner: Owner[Indexed[str | None]] = None
    secret: Hidden[str] = "none"


UNREADABLE = ("cost", "margin", "size", "marks", "code", "batch")
CLERK = Grants(unreadable=UNREADABLE, unwritable=("price", "cost")).access


def own(user: str, **more: object) -> str:
    """Give the access of a caller that has nothing but items of its own."""
    return msgspec.structs.replace(Grants(user=user, own=True, shows="own"), **more).access


class Shop(Bench):
    """Drives the state of products."""

    def __init__(self) -> None:
        handler: ModelHandler[Any] = ModelHandler(Product, "unused")
        super().__init__(handler)

    def put(self, **fields: object) -> None:
        """Create an item as a handle does."""
        body = msgspec.json.encode(fields)
        assert self.do(Action.CREATE, "", body, TRUSTED).status == 201

    def give(self, key: str, **fields: object) -> None:
        """Change an item as a handle does."""
        body = msgspec.json.encode(fields)
        assert self.do(Action.PATCH, key, body, TRUSTED).status == 200

    def fields(self, key: str) -> dict[str, object]:
        """Give an item as it is stored."""
        return decoded(get(self.state, key, TRUSTED).body)

    def ask(self, act: str, access: str, argument: Any) -> Read | Answer:
        """Do one request of any kind; a refusal is an answer, too."""
        try:
            return _ACTS[act](self, access, argument)
        except LithairError as error:
            errors = [(e.field, e.message) for e in error.errors]
            return Read(error.status, msgspec.json.encode((str(error), errors)))

    def _listed(self, access: str, pairs: list[tuple[str, str]]) -> Read:
        return Read(200, msgspec.json.encode(self.page(*pairs, access=access)))

    def _counted(self, access: str, pairs: list[tuple[str, str]]) -> Read:
        query = self.state.views[access].queries.read(pairs, for_count=True)
        scan = Scan(self.state.tables, self.state.payload, query)
        while (found := scan.advance()) is None:
            pass
        return count(found)

    def _got(self, access: str, argument: tuple[str, list[tuple[str, str]]]) -> Read:
        key, pairs = argument
        query = self.state.views[access].queries.read_item(pairs)
        return get(self.state, key, access, query.fields)

    def _past(self, access: str, key: str) -> Read:
        events = [event for event in self.events if event.key == key]
        return Read(200, b",".join(self.state.views[access].history(events)))

    def _wrote(self, access: str, argument: tuple[Action, str, object, bytes]) -> Answer:
        action, key, value, idempotency = argument
        body = value if isinstance(value, bytes) else msgspec.json.encode(value)
        return self.do(action, key, body, access, idempotency=idempotency)


_ACTS: dict[str, Callable[[Shop, str, Any], Read | Answer]] = {
    "list": Shop._listed,
    "count": Shop._counted,
    "get": Shop._got,
    "history": Shop._past,
    "write": Shop._wrote,
}


def told(answer: Read | Answer) -> tuple[int, bytes, int, str]:
    """Give all of an answer that leaves."""
    return answer.status, answer.body, answer.item_seq, answer.key
