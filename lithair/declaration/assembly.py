"""Makes a declaration of what the builder was told.

Owns the order of the checks that are made once, when the application starts. Law: every mistake is
found, each is one sentence, and nothing has been started when they are told.
"""

from collections.abc import Mapping

import msgspec

from lithair import config
from lithair.declaration.asked import Asked
from lithair.declaration.dashboard_checks import dashboard_path
from lithair.declaration.declared import CompactionDeclaration, Declaration
from lithair.declaration.draft import Draft
from lithair.declaration.internal_models import account_store, session_store, token_store
from lithair.declaration.limit_checks import rate_limits
from lithair.declaration.listener_checks import listener_declarations
from lithair.declaration.model_checks import (
    model_declarations,
    unused_overrides,
    worker_declarations,
)
from lithair.declaration.role_checks import unknown_permissions
from lithair.declaration.route_checks import (
    route_declarations,
    shadow_mistakes,
    static_declarations,
    tornado_declarations,
)
from lithair.declaration.webhook_checks import webhook_listeners
from lithair.errors import Mistakes
from lithair.storage import places


def assemble(
    asked: Asked, environ: Mapping[str, str], command_line: Mapping[str, object]
) -> Declaration:
    """Check everything that was asked for, and settle it; Mistakes hold one sentence each."""
    draft = Draft()
    stores, sessions = session_store(asked, draft)
    stores = [*stores, *account_store(asked, draft), *token_store(asked, draft)]
    models = model_declarations(asked.models, stores, environ, draft)
    workers = worker_declarations(asked.workers, models, draft)
    asked = msgspec.structs.replace(
        asked, listeners=[*asked.listeners, *webhook_listeners(asked.webhooks, models, draft)]
    )
    listeners = listener_declarations(asked, models, workers, draft)
    routes = route_declarations(asked.routes, draft)
    tornado = tornado_declarations(asked.tornado, draft)
    statics = static_declarations(asked.statics, draft)
    draft.mistakes.extend(shadow_mistakes(asked))
    _check_switches(asked, draft)
    _check_gates(asked, draft)
    compaction = _compaction(asked, draft)
    limits = rate_limits(asked, draft)
    ui_path = dashboard_path(asked, draft)
    resolved = _settle(asked, environ, command_line, draft)
    if draft.mistakes or resolved is None:
        raise Mistakes(list(dict.fromkeys(draft.mistakes)))
    return Declaration(
        models=tuple(models),
        workers=tuple(workers),
        routes=tuple(routes),
        tornado=tuple(tornado),
        statics=tuple(statics),
        settings=resolved.settings,
        origins=resolved.origins,
        modules=draft.modules(),
        notices=(
            *draft.notices,
            *unknown_permissions(asked.models, models),
            *unused_overrides(models, environ),
            *config.misspelt(environ),
        ),
        compaction=compaction,
        internal_models=tuple(store for _, store in stores),
        sessions=sessions,
        requires_session=bool(asked.requires_session),
        has_streams=asked.streams is not False,
        rate_limits=tuple(limits),
        listeners=tuple(listeners),
        has_data_admin=asked.data_admin or bool(asked.dashboards),
        dashboard_path=ui_path,
    )


def _check_switches(asked: Asked, draft: Draft) -> None:
    switches: list[tuple[str, object]] = [
        ("with_sse", asked.streams),
        ("with_models_require_session", asked.requires_session),
    ]
    for name, value in switches:
        if value is not None and not isinstance(value, bool):
            draft.mistake(f"{name}({value!r})", "it has to be True or False")


def _check_gates(asked: Asked, draft: Draft) -> None:
    if asked.sessions or asked.users:
        return
    remedy = "there are no sessions; add with_sessions(SessionManager(store))"
    if asked.requires_session is True:
        draft.mistake("with_models_require_session(True)", remedy)
    for route in asked.routes:
        if route.require_session:
            draft.mistake(f"{route.call}, require_session=True", remedy)
    for model in asked.models:
        if model.has_roles and not asked.tokens:
            draft.notices.append(f"{model.call}: {remedy}; until then only the admin token passes.")


def _compaction(asked: Asked, draft: Draft) -> CompactionDeclaration | None:
    """Settle when logs are compacted by themselves."""
    if len(asked.compactions) > 1:
        draft.mistake(asked.compactions[1].call, "it was called twice; keep one")
    settled: CompactionDeclaration | None = None
    for each in asked.compactions:
        events, keep_history = each.events, each.keep_history
        every_s = draft.seconds(each.call, each.every)
        if not isinstance(events, int) or isinstance(events, bool) or events < 1:
            draft.mistake(each.call, f"events={events!r} has to be a whole number above 0")
        elif not isinstance(keep_history, bool):
            draft.mistake(each.call, f"keep_history={keep_history!r} has to be True or False")
        elif every_s is not None:
            settled = CompactionDeclaration(events, every_s, keep_history)
    return settled


def _settle(
    asked: Asked, environ: Mapping[str, str], command_line: Mapping[str, object], draft: Draft
) -> config.Resolved | None:
    try:
        resolved = config.resolve(asked.settings, environ, command_line)
    except Mistakes as error:
        draft.mistakes.extend(error.sentences)
        return None
    for name in ("tls_cert", "tls_key", "secret_key_file"):
        path = getattr(resolved.settings, name)
        if path is not None and not places.is_file(path):
            draft.mistake(resolved.origins[name], f"there is no file {path}")
    return resolved
