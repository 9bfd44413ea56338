"""Settings: who wins, which forms are read, and what is said of the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithair.config import SETTINGS, RestartLimit, Settings, misspelt, option_of, resolve
from lithair.errors import Mistakes


def read(variable: str, text: str) -> object:
    """Return what a variable's text is read as."""
    settings = resolve({}, {variable: text}, {}).settings
    name = next(name for name, setting in SETTINGS.items() if setting.variable == variable)
    found: object = getattr(settings, name)
    return found


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("LT_HOST", " 0.0.0.0 ", "0.0.0.0"),
        ("LT_PORT", "0", 0),
        ("LT_GATEWAYS", "4", 4),
        ("LT_TIMEOUT", "1.5", 1.5),
        ("LT_TIMEOUT", "500ms", 0.5),
        ("LT_TIMEOUT", "2m", 120.0),
        ("LT_CORS_ORIGINS", "https://A.example, http://b:1", ("https://a.example", "http://b:1")),
        ("LT_CORS_ORIGINS", "*", ("*",)),
        ("LT_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8", ("127.0.0.1/32", "10.0.0.0/8")),
        ("LT_TRUSTED_PROXIES", "FD00::/8 ::1", ("fd00::/8", "::1/128")),
        ("LT_LOG_LEVEL", "DEBUG", "debug"),
        ("LT_DURABILITY", "interval", "interval"),
        ("LT_MAX_TAKE", "10", 10),
        ("LT_MAX_LIST_BYTES", "16MiB", 16 << 20),
        ("LT_HTTP_MAX_BODY_BYTES_SINGLE", "4096", 4096),
        ("LT_SSE_HEARTBEAT", "5s", 5.0),
        ("LT_SSE_BUFFER", "64 kib", 64 << 10),
        ("LT_RESTART_LIMIT", "5/30s", RestartLimit(5, 30.0)),
        ("LT_RESTART_LIMIT", "1000/1h", RestartLimit(1000, 3600.0)),
        ("LT_ADMIN_TOKEN", "s3cret", "s3cret"),
    ],
)
def test_a_variable_is_read_in_its_forms(variable: str, text: str, value: object) -> None:
    assert read(variable, text) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("LT_HOST", ""),
        ("LT_PORT", "65536"),
        ("LT_PORT", "-1"),
        ("LT_PORT", "\uff18\uff10"),
        ("LT_PORT", "1e3"),
        ("LT_GATEWAYS", "0"),
        ("LT_TIMEOUT", "0"),
        ("LT_TIMEOUT", "nan"),
        ("LT_TIMEOUT", "5 days"),
        ("LT_CORS_ORIGINS", "a.example"),
        ("LT_CORS_ORIGINS", "https://a.example/"),
        ("LT_CORS_ORIGINS", "null"),
        ("LT_TRUSTED_PROXIES", "proxy.example"),
        ("LT_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("LT_TRUSTED_PROXIES", "*"),
        ("LT_LOG_LEVEL", "loud"),
        ("LT_DURABILITY", "never"),
        ("LT_MAX_LIST_BYTES", "16 XB"),
        ("LT_RESTART_LIMIT", "5"),
        ("LT_RESTART_LIMIT", "0/30s"),
        ("LT_RESTART_LIMIT", "5/"),
        ("LT_HTTP_TRANSPORT", "other"),
    ],
)
def test_what_can_not_be_read_is_named_with_its_value_and_form(variable: str, text: str) -> None:
    with pytest.raises(Mistakes) as caught:
        read(variable, text)
    (sentence,) = caught.value.sentences
    assert sentence.startswith(f"{variable}={text!r} can't be read: write ")


def test_a_secret_that_can_not_be_read_is_not_shown() -> None:
    with pytest.raises(Mistakes) as caught:
        resolve({}, {"LT_ADMIN_TOKEN": "not a token"}, {})
    assert "not a token" not in str(caught.value)


def test_every_setting_has_a_variable_an_option_and_a_default() -> None:
    assert set(SETTINGS) == set(Settings.__struct_fields__)
    assert len({setting.variable for setting in SETTINGS.values()}) == len(SETTINGS)
    assert option_of("timeout_s") == "--timeout"
    assert option_of("body_bytes_single") == "--http-max-body-bytes-single"
    assert resolve({}, {}, {}).origins == {}


@given(st.sets(st.sampled_from(["code", "environ", "command_line"])))
def test_whoever_operates_it_wins(places: set[str]) -> None:
    """Command-line option > variable > code > default."""
    resolved = resolve(
        {"port": 1} if "code" in places else {},
        {"LT_PORT": "2"} if "environ" in places else {},
        {"port": 3} if "command_line" in places else {"port": None},
    )
    order = [("command_line", 3, "--port"), ("environ", 2, "LT_PORT"), ("code", 1, "with_port")]
    expected = next(((value, name) for place, value, name in order if place in places), None)
    assert (resolved.settings.port, resolved.origins.get("port")) == (expected or (8080, None))


def test_the_bulk_limit_is_never_below_the_other_unless_asked_for() -> None:
    assert resolve({"body_bytes_single": 20 << 20}, {}, {}).settings.body_bytes_bulk == 20 << 20
    assert resolve({}, {}, {}).settings.body_bytes_bulk == 12 << 20
    given = {"body_bytes_single": 20, "body_bytes_bulk": 10}
    assert resolve(given, {}, {}).settings.body_bytes_bulk == 10
    assert resolve(given, {}, {}).settings.max_body_size == 20


def test_a_misspelt_variable_is_noticed() -> None:
    environ = {"LT_PROT": "80", "LT_DURABILTY": "os", "LT_PORT": "80", "LT_SYS_LIBRARY_PATH": "x"}
    assert list(misspelt(environ)) == [
        "LT_DURABILTY is not a setting; LT_DURABILITY is.",
        "LT_PROT is not a setting; LT_PORT is.",
    ]


def test_a_certificate_without_a_key_is_a_mistake() -> None:
    with pytest.raises(Mistakes, match="TLS has a certificate and no key"):
        resolve({}, {"LT_TLS_CERT": "c.pem"}, {})


@given(st.sampled_from(sorted(SETTINGS)), st.text(max_size=20))
def test_any_text_is_read_or_refused_and_nothing_else(name: str, text: str) -> None:
    try:
        resolved = resolve({}, {SETTINGS[name].variable: text}, {})
    except Mistakes:
        return
    assert resolved.origins == {name: SETTINGS[name].variable}
