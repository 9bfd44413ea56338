"""What the builder was told, before anything of it was checked.

Law: whatever a user passed is kept as it came (`object`): the checks see it, and say what is wrong
with it, all at once when the application starts. `call` is how the call was written.
"""

from collections.abc import Iterable

import msgspec

from lithair.core.listening import Retries

TEXT_CHARACTERS_MAX = 120  # of one argument in a sentence; a mistake has to stay readable


class AskedModel(msgspec.Struct, frozen=True):
    call: str
    path: object
    model: object = None
    data_dir: object = None
    handler: object = None  # with_handler: the handler itself; else it is made of the two above
    has_roles: bool = False  # with_model_full
    checker: object = None


class AskedWorker(msgspec.Struct, frozen=True):
    call: str
    func: object
    name: object
    every: object


class AskedListener(msgspec.Struct, frozen=True):
    """`is_function`: on_change. `retries`, if not None, instead of what follows `max_retries`."""

    call: str
    model: object
    listener: object
    name: object
    start: object = "now"
    max_retries: object = None
    is_function: bool = False
    retries: Retries | None = None


class AskedWebhook(msgspec.Struct, frozen=True):
    call: str
    model: object
    url: object
    secret: object
    events: object
    name: object  # None: called after its model
    give_up_after: object


class AskedRoute(msgspec.Struct, frozen=True):
    call: str
    method: object
    path: object
    func: object
    require_session: object


class AskedTornado(msgspec.Struct, frozen=True):
    call: str
    path: object
    handler: object
    init: dict[str, object]


class AskedStatic(msgspec.Struct, frozen=True):
    call: str
    directory: object
    path: object


class AskedCompaction(msgspec.Struct, frozen=True):
    call: str
    events: object
    every: object
    keep_history: object


class AskedRateLimit(msgspec.Struct, frozen=True):
    call: str
    prefix: object
    requests: object
    per: object


class Asked(msgspec.Struct):
    """Everything that one builder was told."""

    models: list[AskedModel] = []
    workers: list[AskedWorker] = []
    listeners: list[AskedListener] = []
    webhooks: list[AskedWebhook] = []
    routes: list[AskedRoute] = []
    tornado: list[AskedTornado] = []
    statics: list[AskedStatic] = []
    sessions: list[tuple[str, object]] = []  # call, manager
    users: list[tuple[str, object]] = []  # call, directory
    tokens: list[tuple[str, object]] = []  # call, directory
    compactions: list[AskedCompaction] = []
    rate_limits: list[AskedRateLimit] = []
    settings: dict[str, object] = {}
    requires_session: bool = False
    data_admin: bool = False
    dashboards: list[tuple[str, object]] = []  # call, path
    streams: bool | None = None  # None: not said


def written(call: str, values: Iterable[object], **named: object) -> str:
    """Write a call as it stands in the user's code, with names for classes and functions."""
    arguments = [_value_text(value) for value in values]
    arguments.extend(f"{name}={_value_text(value)}" for name, value in named.items())
    return f"{call}({', '.join(arguments)})"


def _value_text(value: object) -> str:
    if isinstance(value, str):
        text = f'"{value}"'
    elif value is None or isinstance(value, int | float):
        text = repr(value)
    else:
        text = str(getattr(value, "__name__", f"{type(value).__name__}(...)"))
    return text if len(text) <= TEXT_CHARACTERS_MAX else text[:TEXT_CHARACTERS_MAX] + "..."
