"""Paths: for every request one place that answers it, whatever the order of the calls."""

from itertools import product
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from lithair.declaration.paths import (
    Pattern,
    model_mistakes,
    model_path_problem,
    model_patterns,
    path_problem,
    route_mistakes,
    segments_of,
    speciality,
)
from lithair.gateway.routes import Shape

segment = st.sampled_from(["a", "b", "{x}"])
paths = st.lists(segment, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
literal = st.lists(st.sampled_from("abc"), min_size=1, max_size=3)
model_paths = literal.map(lambda parts: "/" + "/".join(parts))
# "d" is in no path that is declared, so a `{x}` always has something to itself.
REQUESTS = [
    "/" + "/".join(parts) for length in (1, 2, 3, 4) for parts in product("abcd", repeat=length)
]


def answers(pattern: Pattern, request: str) -> bool:
    parts = request[1:].split("/")
    return len(parts) == len(pattern.segments) and all(
        own is None or own == part for own, part in zip(pattern.segments, parts, strict=True)
    )


def route(path: str) -> Pattern:
    return Pattern(path, segments_of(path), frozenset({"GET"}))


@given(st.lists(paths, max_size=5))
def test_accepted_routes_have_one_most_special_answer_for_each_request(routes: list[str]) -> None:
    if list(route_mistakes([route(path) for path in routes], [])):
        return
    in_order = [route(path) for path in sorted(routes, key=speciality)]
    for request in REQUESTS:
        found = [pattern for pattern in in_order if answers(pattern, request)]
        for other in found[1:]:  # each one after the first is broader than it
            for mine, yours in zip(found[0].segments, other.segments, strict=True):
                assert yours is None or mine == yours


@given(st.lists(paths, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_routes_does_not_matter(routes: list[str], random: Random) -> None:
    shuffled = list(routes)
    random.shuffle(shuffled)
    assert sorted(routes, key=speciality) == sorted(shuffled, key=speciality)
    first = list(route_mistakes([route(path) for path in routes], []))
    second = list(route_mistakes([route(path) for path in shuffled], []))
    assert len(first) == len(second)


@given(st.lists(model_paths, max_size=3), paths)
def test_no_request_of_an_accepted_application_has_two_models(models: list[str], path: str) -> None:
    patterns = [model_patterns(model, model) for model in models]
    if list(model_mistakes(patterns)):
        return
    is_refused = bool(list(route_mistakes([route(path)], patterns)))
    for request in REQUESTS:
        owners = [own for own in patterns if any(answers(pattern, request) for pattern in own)]
        assert len(owners) <= 1
    taken = {
        request
        for own in patterns
        for request in REQUESTS
        if any(answers(pattern, request) for pattern in own)
    }
    mine = {request for request in REQUESTS if answers(route(path), request)}
    assert is_refused or not mine or not mine <= taken  # what is accepted can be reached


def test_a_model_is_known_to_answer_every_path_that_the_gateway_has_for_it() -> None:
    """Else a user's route on such a path would start, and never be reached."""
    own = model_patterns("it", "/api/emails")
    for shape in Shape:
        path = "/api/emails" + shape.value.replace("{id}", "x")
        assert any(answers(pattern, path) for pattern in own), shape


@given(st.text(max_size=12))
def test_any_text_is_a_path_or_has_a_problem(text: str) -> None:
    if path_problem(text) is None:
        assert segments_of(text)
    if model_path_problem(text) is None:
        assert path_problem(text) is None
        assert text.startswith("/")
