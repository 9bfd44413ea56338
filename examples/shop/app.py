"""A shop with three roles: customers, employees and an administrator.

    lithair run examples/shop/app.py

Make users in a second terminal, in the same directory (each command asks for a password):

    lithair users add ann --role customer
    lithair users add eve --role employee
    lithair users add root --role Admin

`lithair permissions examples/shop/app.py` shows what each role may do, on every route and field.
Data lies in ./data of the directory where it was started.
"""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from lithair import (
    Audited,
    Created,
    Indexed,
    Lithair,
    Model,
    NonEmpty,
    Owner,
    Permission,
    PersistentSessionStore,
    Ref,
    RolePolicy,
    SessionManager,
    filled_in,
)

Cents = Annotated[int, Meta(ge=0)]


class Product(Model):
    name: NonEmpty
    price: Audited[Cents]  # of which the history tells
    stock: Annotated[int, Permission(write="StockEdit")] = 0
    # What the shop pays for it: customers neither see it nor can find it out by filter or sort.
    cost: Annotated[Cents, Permission(read="CostRead", write="CostEdit")] = 0


class Order(Model):
    product: Ref["Product"]
    pieces: Annotated[int, Meta(ge=1)] = 1
    customer: Owner[Indexed[str]]  # filled in with who orders
    # Customers see how far it is; only the shop moves it on.
    state: Annotated[str, Permission(write="OrderProceed")] = "new"
    remark: Annotated[str, Permission(read="RemarkRead", write="RemarkRead")] = ""
    ordered: Created[datetime] = filled_in()


policy = RolePolicy(
    {
        "customer": ["ProductRead", "OrderReadOwn", "OrderWriteOwn"],
        "employee": [
            *("ProductRead", "ProductWrite", "OrderRead", "OrderWrite"),
            *("StockEdit", "CostRead", "OrderProceed", "RemarkRead"),
        ],
        # The role Admin may do everything.
    }
)

app = (
    Lithair()
    .with_sessions(SessionManager(PersistentSessionStore("./data/sessions"), max_age=86_400))
    .with_users("./data/users")
    .with_model_full(Product, "./data/products", "/api/products", permission_checker=policy)
    .with_model_full(Order, "./data/orders", "/api/orders", permission_checker=policy)
)

if __name__ == "__main__":
    app.serve()
