"""An application with a webhook, as a user writes it; the tests say where it sends to."""

import os

from lithair import Hidden, Lithair, Model


class Parcel(Model):
    to: str
    code: Hidden[str] = ""


app = (
    Lithair()
    .with_model(Parcel, "./data/parcels", "/api/parcels")
    .with_webhook(
        Parcel,
        os.environ["HOOK_URL"],
        secret=os.environ["HOOK_SECRET"],
        name="hook",
        give_up_after=float(os.environ.get("HOOK_GIVE_UP_S", "259200")),
    )
)
