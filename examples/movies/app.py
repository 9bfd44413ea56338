"""Films, served: one class, one path.

Run it with `lithair run examples/movies/app.py`, or with `make run`, which fills it as well.
"""

import datetime as dt
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from lithair import Indexed, Lithair, Model, Pinned, Slug, Unique, Updated, filled_in

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
RUN_DIR = DATA / "run"

Percent = Annotated[int, Meta(ge=0, le=100)]
Money = Annotated[int, Meta(gt=0)]  # US dollars; what nobody knows is null, not 0
Year = Annotated[int, Meta(ge=1900, le=2012)]  # the source was gathered in 2010
Genre = Literal[
    "Action",
    "Adventure",
    "Black Comedy",
    "Comedy",
    "Concert/Performance",
    "Documentary",
    "Drama",
    "Horror",
    "Musical",
    "Romantic Comedy",
    "Thriller/Suspense",
    "Western",
]
Rated = Literal["G", "PG", "PG-13", "R", "NC-17", "Not Rated", "Open"]


class Film(Model):
    slug: Pinned[Unique[Slug]]  # its title and year; no two films share it
    title: Annotated[Pinned[Indexed[str]], Meta(min_length=1, max_length=200)]
    released: Pinned[Indexed[dt.date | None]] = None
    year: Pinned[Indexed[Year | None]] = None
    genre: Indexed[Genre | None] = None
    rated: Rated | None = None
    director: Indexed[str | None] = None
    distributor: str | None = None
    minutes: Annotated[int, Meta(ge=1, le=600)] | None = None
    budget: Money | None = None
    us_gross: Money | None = None
    worldwide_gross: Indexed[Money | None] = None
    critics: Percent | None = None  # Rotten Tomatoes
    stars: Indexed[Annotated[float, Meta(ge=0, le=10)] | None] = None  # IMDB
    votes: Annotated[int, Meta(ge=0)] | None = None  # of IMDB's users
    changed: Updated[dt.datetime] = filled_in()


app = (
    Lithair()
    .with_model(Film, DATA / "films", "/api/films")
    .with_data_admin_ui()
    .with_run_dir(RUN_DIR)
)

if __name__ == "__main__":
    app.serve()
