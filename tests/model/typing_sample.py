"""What a user writes, as type checkers see it; `test_typing` runs mypy and pyright over it.

A line that has to be refused carries an ignore, which is an error itself when nothing is refused.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, assert_type

from msgspec import Meta, Struct, field

from lithair import (
    Audited,
    Client,
    Created,
    EmailAddress,
    Handle,
    Hidden,
    Immutable,
    Indexed,
    Lithair,
    Model,
    ModelHandler,
    NonEmpty,
    Owner,
    Page,
    Permission,
    Pinned,
    PrimaryKey,
    Ref,
    Rejected,
    Request,
    Response,
    Slug,
    Unique,
    Updated,
    Url,
    filled_in,
    migrate,
    retention,
)


class Address(Struct):
    street: str
    town: str = ""


@retention(memory=(1000, "30d"), max_mb=512)
class Movie(Model):
    from_: Pinned[str]
    title: Annotated[Pinned[Unique[str]], Meta(max_length=99)]
    year: Indexed[int] = 2000
    director: Ref["Person"] | None = None
    kind: Indexed[Literal["film", "series"]] = "film"
    tags: list[NonEmpty] = field(default_factory=list[str])
    secret: Hidden[str] = ""
    price: Annotated[Audited[float], Permission(write="PriceEdit")] = 0.0
    owner: Owner[str] = ""
    at: Address | None = None
    site: Url | None = None
    created: Created[datetime] = filled_in()
    updated: Updated[datetime] = filled_in()
    body: str


class Person(Model):
    handle: PrimaryKey[Slug]
    email: Immutable[EmailAddress]


class Parcel(Model, version=3):
    weight: float


@migrate(Parcel, from_version=1)
def in_kilograms(old: dict[str, Any]) -> dict[str, Any]:
    return {"id": old["id"], "kilograms": old["pounds"] * 0.4536}


@migrate(Parcel, from_version=2)
def weighed(old: dict[str, Any]) -> dict[str, Any]:
    return {"id": old["id"], "weight": old["kilograms"]}


assert_type(Parcel(weight=1.5).weight, float)
assert_type(in_kilograms({"id": "1", "pounds": 1}), dict[str, Any])

movie = Movie(from_="a", title="b", body="c")
assert_type(movie.id, str)
assert_type(movie.from_, str)
assert_type(movie.title, str)
assert_type(movie.year, int)
assert_type(movie.kind, Literal["film", "series"])
assert_type(movie.tags, list[str])
assert_type(movie.price, float)
assert_type(movie.created, datetime)
assert_type(movie.at, Address | None)
assert_type(Person(handle="a", email="a@b.c").id, str)
director: str | None = movie.director
movie.year += 1
Movie(id="1", from_="a", title="b", body="c", director="someone", tags=["x"])

if TYPE_CHECKING:  # refused when it runs, too
    Movie(from_="a", title="b")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Movie(from_=1, title="b", body="c")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Movie("a", "b", "c")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    movie.year = "x"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]


class Movies(ModelHandler[Movie]):
    def before_create(self, item: Movie) -> Movie:
        if item.year < 1888:
            raise Rejected("there were no films yet", status=422)
        return item

    def before_update(self, old: Movie, new: Movie) -> Movie:
        assert_type(old, Movie)
        return new


async def show(request: Request) -> Response | dict[str, str]:
    address = request.json(Address)
    assert_type(address, Address)
    assert_type(request.path["id"], str)
    assert_type(request.query.get_all("q"), list[str])
    movie = await request.model(Movie).get(request.path["id"])
    assert_type(movie, Movie | None)
    return {"id": request.path["id"]} if address.town else Response(b"", status=404)


def nightly(lithair: Client) -> None:
    people = lithair.model(Person)
    assert_type(people, Handle[Person])
    assert_type(people.get("ada"), Person | None)
    assert_type(people.get("ada", as_of=41), Person | None)
    assert_type(people.get("ada", fields="email"), dict[str, Any] | None)
    assert_type(people.list(take=1), Page[Person])
    assert_type(people.list(as_of=datetime.now(UTC)), Page[Person])
    assert_type(people.list(fields=["email"], as_of=41), Page[dict[str, Any]])
    assert_type(people.count(as_of=41), int)


app = (
    Lithair()
    .with_handler(Movies(Movie, "./data/movies"), "/api/movies")
    .with_route("POST", "/show/{id}", show)
    .with_worker(nightly, "nightly", every=86_400)
    .with_cors(["https://a.example"])
    .with_port(0)
)
assert_type(app, Lithair)
app, people = app.with_model_ref(Person, "./data/people", "/api/people")
assert_type(people, Handle[Person])

if __name__ == "__main__":
    app.serve()
