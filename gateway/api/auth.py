"""Who calls, and what the caller may do. A route that says nothing of it is closed."""

from collections.abc import Sequence
from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers.base import BaseRouteHandler
from litestar.types import Guard

from gateway.api.operations import PLACE, Operation
from gateway.api.problems import Refusal
from gateway.api.rooms import Rooms
from gateway.services import keys
from gateway.services.keys import Caller, Scope

_LONGEST_TOKEN = 200


def guard(rooms: Rooms) -> Guard:
    async def let_in(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        operation = handler.opt.get(PLACE)
        if connection.scope.get("method") == "OPTIONS" and not isinstance(operation, Operation):
            raise MethodNotAllowedException(headers={"Allow": _methods(connection)})
        if not isinstance(operation, Operation):
            raise Refusal("forbidden")
        if operation.scopes:
            connection.scope["auth"] = await _caller(rooms, connection, operation.scopes)

    return let_in


async def _caller(rooms: Rooms, connection: ASGIConnection[Any, Any, Any, Any], scopes: Sequence[Scope]) -> Caller:
    token = _token(connection)
    caller = await rooms.db.read(keys.authenticate, token) if token else None
    if caller is None:
        raise Refusal(
            "unauthorized",
            "send Authorization: Bearer with an API key that is in force",
            headers={"WWW-Authenticate": 'Bearer realm="risveglio"'},
        )
    demand(caller, *scopes)
    return caller


def demand(caller: Caller, *scopes: Scope) -> None:
    """Raises Refusal where the caller's key has none of the scopes."""
    if not any(caller.may(scope) for scope in scopes):
        raise Refusal("missing-scope", f"the API key needs the scope {' or '.join(scopes)}")


def _token(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    given = connection.headers.getall("authorization", [])
    if len(given) != 1:
        return None
    scheme, _, token = given[0].partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token.isascii() and len(token) <= _LONGEST_TOKEN else None


def _methods(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    template = connection.scope.get("path_template")
    methods = {
        str(method)
        for route in connection.app.routes
        if route.path_format == template or route.path == template
        for method in route.methods
    }
    return ", ".join(sorted(methods - {"OPTIONS"}))
