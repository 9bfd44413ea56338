"""Settings: what an operator can change without touching the code.

Owns every setting's name, default and form. Law: whoever operates it wins, that is, command-line
option > LT_* variable > code > default; a value that can't be read stops the start.

    number   := digits
    duration := number [ "ms" | "s" | "m" | "h" ]              seconds without a unit
    size     := number [ "KiB" | "MiB" | "GiB" ]               bytes without a unit
    rate     := number "/" duration
"""

import difflib
import ipaddress
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import cast

import msgspec

from lithair.errors import Mistakes

GATEWAYS_MAX = 256  # one SO_REUSEPORT socket and one process each; more than any machine's cores
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
DURABILITIES = ("always", "interval", "os")
HTTP_TRANSPORTS = ("httptools", "tornado")
SWITCH = ("off", "on")
DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
SIZE_UNITS = {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "": 1}


class RestartLimit(msgspec.Struct, frozen=True):
    """More than `count` restarts within `window_s` seconds mark a process failed."""

    count: int = 5
    window_s: float = 30.0


class Settings(msgspec.Struct, frozen=True):
    """Every setting with its value; the defaults are those of the documentation."""

    host: str = "127.0.0.1"
    port: int = 8080
    gateways: int = 1
    timeout_s: float = 30.0
    run_dir: str = ".lithair"  # absolute once resolved
    tls_cert: str | None = None
    tls_key: str | None = None
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()  # addresses and networks
    log_level: str = "info"
    durability: str = "always"
    max_take: int = 1000
    max_list_bytes: int = 16 << 20
    body_bytes_single: int = 2 << 20
    body_bytes_bulk: int = 12 << 20
    sse_heartbeat_s: float = 15.0
    sse_buffer_bytes: int = 1 << 20
    restart_limit: RestartLimit = RestartLimit()
    admin_token: str | None = None
    metrics_token: str | None = None
    secret_key_file: str | None = None  # a path; for second factors
    http_transport: str = "httptools"
    docs: str = "on"  # /docs and /openapi.json

    @property
    def max_body_size(self) -> int:
        """The most bytes that any request's body may have."""
        return max(self.body_bytes_single, self.body_bytes_bulk)


class Resolved(msgspec.Struct, frozen=True):
    """The settings, and where each one that is not a default came from (`LT_PORT`, `--port`)."""

    settings: Settings
    origins: dict[str, str]


class Setting(msgspec.Struct, frozen=True):
    """How one setting is named and read."""

    variable: str
    call: str  # the builder's call, "" when the code can't set it
    read: Callable[[object], object]  # ValueError when it can't be read
    form: str
    is_secret: bool = False


def resolve(
    code: Mapping[str, object],
    environ: Mapping[str, str],
    command_line: Mapping[str, object],
) -> Resolved:
    """Settle each setting by name; Mistakes name the place, the value and the form.

    `code` and `command_line` map setting names (`timeout_s`) to values; None is "not given".
    """
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    mistakes: list[str] = []
    for name, setting in SETTINGS.items():
        places = (
            (option_of(name), command_line.get(name)),
            (setting.variable, environ.get(setting.variable)),
            (setting.call, code.get(name)),
        )
        for origin, value in places:
            if value is None:
                continue
            try:
                values[name] = setting.read(value)
            except ValueError:
                mistakes.append(_unreadable(origin, value, setting))
            else:
                origins[name] = origin
            break
    settings = msgspec.structs.replace(Settings(), **values)
    mistakes.extend(_contradictions(settings, mistakes))
    if mistakes:
        raise Mistakes(mistakes)
    bulk = settings.body_bytes_bulk
    if "body_bytes_bulk" not in origins:  # not below the other limit, unless someone says so
        bulk = max(bulk, settings.body_bytes_single)
    settings = msgspec.structs.replace(
        settings, run_dir=os.path.abspath(settings.run_dir), body_bytes_bulk=bulk
    )
    return Resolved(settings, origins)


def misspelt(environ: Mapping[str, str]) -> Iterator[str]:
    """Say which variables are nearly, and not quite, one of ours."""
    known = [setting.variable for setting in SETTINGS.values()]
    for variable in sorted(environ):
        if variable.startswith("LT_") and variable not in known:
            close = difflib.get_close_matches(variable, known, n=1, cutoff=0.85)
            if close:
                yield f"{variable} is not a setting; {close[0]} is."


def option_of(name: str) -> str:
    """Return the command-line option of a setting: `timeout_s` is `--timeout`."""
    return "--" + SETTINGS[name].variable.removeprefix("LT_").lower().replace("_", "-")


def text_of(name: str, value: object) -> str:
    """Write a setting's value as its variable would be written; "" when there is none."""
    if value is None:
        return ""
    if isinstance(value, RestartLimit):
        return f"{value.count}/{_seconds_text(value.window_s)}"
    if isinstance(value, tuple):
        return ",".join(str(part) for part in cast("tuple[object, ...]", value))
    if isinstance(value, float):
        return _seconds_text(value)
    if isinstance(value, int) and SETTINGS[name].read is _size:
        for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
            if value % size == 0:
                return f"{value // size}{unit}"
    return str(value)


def _seconds_text(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def _unreadable(origin: str, value: object, setting: Setting) -> str:
    shown = "..." if setting.is_secret else repr(value)
    place = f"{origin}({shown})" if origin == setting.call else f"{origin}={shown}"
    return f"{place} can't be read: write {setting.form}."


def _contradictions(settings: Settings, mistakes: list[str]) -> list[str]:
    if (settings.tls_cert is None) != (settings.tls_key is None) and not mistakes:
        given, missing = (
            ("certificate", "key") if settings.tls_cert is not None else ("key", "certificate")
        )
        remedy = "give both, with with_tls(cert, key) or LT_TLS_CERT and LT_TLS_KEY"
        return [f"TLS has a {given} and no {missing}: {remedy}."]
    return []


def _text(value: object) -> str:
    text = path_text(value)
    if text is None or not text.strip():
        raise ValueError(value)
    return text.strip()


def path_text(value: object) -> str | None:
    """Return a path as text, None when it is none."""
    of_path = getattr(value, "__fspath__", None)
    if callable(of_path):
        value = of_path()
    return value if isinstance(value, str) else None


def _token(value: object) -> str:
    text = _text(value)
    if not re.fullmatch(r"[\x21-\x7E]+", text):
        raise ValueError("a token")
    return text


def _number(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value.strip()):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(value)
        return value

    return read


def _duration(value: object) -> float:
    seconds: float
    if isinstance(value, str):
        match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|)", value.strip())
        if match is None:
            raise ValueError(value)
        seconds = float(match[1]) * DURATION_UNITS[match[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        raise ValueError(value)
    if not 0 < seconds < 1e9:  # refuses NaN, too
        raise ValueError(value)
    return seconds


def _size(value: object) -> int:
    if isinstance(value, str):
        match = re.fullmatch(r"([0-9]{1,15}) ?(kib|mib|gib|)", value.strip().lower())
        if match is None:
            raise ValueError(value)
        value = int(match[1]) * SIZE_UNITS[match[2]]
    return _number(1, 1 << 60)(value)


def _rate(value: object) -> RestartLimit:
    if isinstance(value, RestartLimit):
        return value
    count, slash, window = _text(value).partition("/")
    if not slash:
        raise ValueError(value)
    return RestartLimit(_number(1, 1_000_000)(count), _duration(window))


def _word(words: tuple[str, ...]) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = _text(value).lower()
        if text not in words:
            raise ValueError(value)
        return text

    return read


def _switch(value: object) -> str:
    return SWITCH[value] if isinstance(value, bool) else _word(SWITCH)(value)


def _origins(value: object) -> tuple[str, ...]:
    """Read origins (RFC 6454, 6.1) as browsers send them: scheme, host, port, and nothing else."""
    if isinstance(value, str):
        value = [part for part in re.split(r"[,\s]+", value) if part]
    if not isinstance(value, list):
        raise ValueError(value)
    found: list[str] = []
    for origin in cast("list[object]", value):
        if not isinstance(origin, str):
            raise ValueError(origin)
        if origin != "*" and not re.fullmatch(r"https?://[^/\s?#@*]+", origin, re.IGNORECASE):
            raise ValueError(origin)
        found.append(origin.lower())
    return tuple(dict.fromkeys(found))


def _networks(value: object) -> tuple[str, ...]:
    """Read addresses and networks; a network's address has nothing behind its prefix."""
    if isinstance(value, str):
        value = [part for part in re.split(r"[,\s]+", value) if part]
    if not isinstance(value, list):
        raise ValueError(value)
    found: list[str] = []
    for part in cast("list[object]", value):
        if not isinstance(part, str):  # a number would be taken for an address
            raise ValueError(part)
        found.append(str(ipaddress.ip_network(part.strip())))
    return tuple(dict.fromkeys(found))


_DURATION_FORM = "a number of seconds above 0, or one with a unit of ms s m h, such as 30s"
_SIZE_FORM = "a number of bytes above 0, or one with a unit, such as 16MiB"

SETTINGS: dict[str, Setting] = {
    "host": Setting("LT_HOST", "with_host", _text, "a host name or an address such as 0.0.0.0"),
    "port": Setting("LT_PORT", "with_port", _number(0, 65_535), "a number from 0 to 65535"),
    "gateways": Setting(
        "LT_GATEWAYS",
        "with_gateways",
        _number(1, GATEWAYS_MAX),
        f"a number from 1 to {GATEWAYS_MAX}",
    ),
    "timeout_s": Setting("LT_TIMEOUT", "with_timeout", _duration, _DURATION_FORM),
    "run_dir": Setting("LT_RUN_DIR", "with_run_dir", _text, "the path of a directory"),
    "tls_cert": Setting("LT_TLS_CERT", "with_tls", _text, "the path of a PEM file"),
    "tls_key": Setting("LT_TLS_KEY", "with_tls", _text, "the path of a PEM file"),
    "cors_origins": Setting(
        "LT_CORS_ORIGINS",
        "with_cors",
        _origins,
        "origins with commas between them, such as https://a.example,https://b.example:8443, or *",
    ),
    "trusted_proxies": Setting(
        "LT_TRUSTED_PROXIES",
        "with_trusted_proxies",
        _networks,
        "addresses or networks with commas between them, such as 127.0.0.1,10.0.0.0/8",
    ),
    "log_level": Setting(
        "LT_LOG_LEVEL", "", _word(LOG_LEVELS), "debug, info, warning, error or critical"
    ),
    "durability": Setting("LT_DURABILITY", "", _word(DURABILITIES), "always, interval or os"),
    "max_take": Setting("LT_MAX_TAKE", "", _number(1, 1_000_000), "a number from 1 to 1000000"),
    "max_list_bytes": Setting("LT_MAX_LIST_BYTES", "", _size, _SIZE_FORM),
    "body_bytes_single": Setting(
        "LT_HTTP_MAX_BODY_BYTES_SINGLE", "with_max_body_size", _size, _SIZE_FORM
    ),
    "body_bytes_bulk": Setting(
        "LT_HTTP_MAX_BODY_BYTES_BULK", "with_max_body_size", _size, _SIZE_FORM
    ),
    "sse_heartbeat_s": Setting("LT_SSE_HEARTBEAT", "", _duration, _DURATION_FORM),
    "sse_buffer_bytes": Setting("LT_SSE_BUFFER", "", _size, _SIZE_FORM),
    "restart_limit": Setting(
        "LT_RESTART_LIMIT", "", _rate, "a number of restarts, / and a duration, such as 5/30s"
    ),
    "admin_token": Setting(
        "LT_ADMIN_TOKEN", "", _token, "visible ASCII characters", is_secret=True
    ),
    "metrics_token": Setting(
        "LT_METRICS_TOKEN", "", _token, "visible ASCII characters", is_secret=True
    ),
    "secret_key_file": Setting("LT_SECRET_KEY_FILE", "", _text, "the path of a file"),
    "http_transport": Setting("LT_HTTP_TRANSPORT", "", _word(HTTP_TRANSPORTS), "httptools"),
    "docs": Setting("LT_DOCS", "with_docs", _switch, "on or off"),
}
