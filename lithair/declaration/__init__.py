"""An application as it was declared: what was asked for, the checks, and what came of them."""

from lithair.declaration.declared import (
    CompactionDeclaration,
    Declaration,
    ListenerDeclaration,
    MigrationDeclaration,
    ModelDeclaration,
    RateLimitDeclaration,
    RolesDeclaration,
    RouteDeclaration,
    RouteFunction,
    SessionsDeclaration,
    StaticDeclaration,
    TornadoDeclaration,
    WorkerDeclaration,
    WorkerFunction,
    pack,
    unpack,
)

__all__ = [
    "CompactionDeclaration",
    "Declaration",
    "ListenerDeclaration",
    "MigrationDeclaration",
    "ModelDeclaration",
    "RateLimitDeclaration",
    "RolesDeclaration",
    "RouteDeclaration",
    "RouteFunction",
    "SessionsDeclaration",
    "StaticDeclaration",
    "TornadoDeclaration",
    "WorkerDeclaration",
    "WorkerFunction",
    "pack",
    "unpack",
]
