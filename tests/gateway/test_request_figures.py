"""What a gateway counts of its answers, and in which form it tells it."""

import msgspec
import pytest

from lithair.gateway.request_figures import OTHER, STATUS_MAX, GatewayFigures, RequestFigures


def told(figures: RequestFigures, connections: int = 0) -> GatewayFigures:
    return msgspec.convert(figures.told(connections, {}), GatewayFigures)


def test_an_answer_is_counted_by_its_status_and_its_method() -> None:
    figures = RequestFigures()
    figures.answered("GET", 200, 0.001)
    figures.answered("GET", 404, 0.002)
    figures.answered("POST", 200, 0.004)
    counted = told(figures, connections=3)
    assert counted.statuses == {"200": 2, "404": 1}
    assert {method: sum(one.counts) for method, one in counted.latencies.items()} == {
        "GET": 2,
        "POST": 1,
    }
    assert counted.latencies["GET"].sum_s == pytest.approx(0.003)
    assert counted.connections == 3


def test_nothing_that_did_not_happen_is_told() -> None:
    assert told(RequestFigures()) == GatewayFigures()


def test_methods_that_clients_make_up_are_counted_together() -> None:
    figures = RequestFigures()
    for number in range(1000):
        figures.answered(f"BREW{number}", 405, 0.001)
    assert sum(told(figures).latencies[OTHER].counts) == 1000
    assert len(told(figures).latencies) == 1


@pytest.mark.parametrize("status", [STATUS_MAX + 1, 999, -1, 0])
def test_a_status_that_is_none_is_counted_as_such(status: int) -> None:
    figures = RequestFigures()
    figures.answered("GET", status, 0.001)
    assert told(figures).statuses == {OTHER: 1}


def test_what_was_told_is_told_again_unchanged_while_nothing_happens() -> None:
    figures = RequestFigures()
    figures.answered("GET", 200, 0.001)
    first = figures.told(1, {})
    assert figures.told(1, {}) == first
    figures.answered("GET", 200, 0.001)
    assert figures.told(1, {}) != first
