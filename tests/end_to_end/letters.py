"""The application of the retention test: one model with retention, and its twin without."""

import msgspec

from lithair import Audited, Hidden, Indexed, Lithair, Model, Pinned, Unique, retention


class Origin(msgspec.Struct):
    city: str
    stars: int = 0


class Twin(Model):
    """Every way in which a field can be kept in RAM, and fields that are not."""

    from_: Pinned[str]
    subject: Pinned[Audited[str | None]] = None
    size: Indexed[int] = 0
    code: Unique[str | None] = None
    rank: Pinned[Indexed[float | None]] = None
    body: str = ""
    read: bool = False
    origin: Origin | None = None
    secret: Hidden[str] = ""


@retention(memory=5)
class Letter(Twin):
    pass


app = (
    Lithair()
    .with_model(Letter, "./data/letters", "/api/letters")
    .with_model(Twin, "./data/twins", "/api/twins")
)
