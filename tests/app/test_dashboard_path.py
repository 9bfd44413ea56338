"""Where the dashboard may be."""

import pytest

from lithair import Lithair, Model
from lithair.errors import Mistakes


class Email(Model):
    text: str = ""


def told(app: Lithair) -> tuple[str, ...]:
    with pytest.raises(Mistakes) as mistakes:
        app.declaration({}, {})
    return mistakes.value.sentences


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "admin",
        "/{x}",
        "/_admin/data",
        "/_admin/data/x",
        "/_admin/session",
        "/health",
        None,
    ],
)
def test_the_dashboard_has_a_path_of_its_own(path: str) -> None:
    (sentence,) = told(Lithair().with_data_admin_ui(path))
    assert sentence.startswith("with_data_admin_ui(")


def test_nothing_else_is_where_the_dashboard_is() -> None:
    for path in ("/api", "/api/emails", "/api/emails/panel"):
        app = Lithair().with_model(Email, "./data", "/api/emails").with_data_admin_ui(path)
        (sentence,) = told(app)
        assert "answers /api/emails" in sentence
    (sentence,) = told(Lithair().with_data_admin_ui().with_data_admin_ui("/panel"))
    assert "called twice" in sentence


def test_the_dashboard_brings_the_routes_that_it_works_with() -> None:
    app = Lithair().with_model(Email, "./data", "/api/emails")
    assert app.declaration({}, {}).has_data_admin is False
    assert app.with_data_admin_ui("/panel/").declaration({}, {}).has_data_admin is True
    assert app.declaration({}, {}).dashboard_path == "/panel"
