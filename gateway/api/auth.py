"""Who calls, and what the caller may do. A route that says nothing of it is closed."""

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
        if operation.scope is not None:
            connection.scope["auth"] = await _caller(rooms, connection, operation.scope)

    return let_in


async def _caller(rooms: Rooms, connection: ASGIConnection[Any, Any, Any, Any], scope: Scope) -> Caller:
    token = _token(connection)
    caller = await rooms.db.read(keys.authenticate, token) if token else None
    if caller is None:
        raise Refusal(
            "unauthorized",
            "send Authorization: Bearer with an API key that is in force",
            headers={"WWW-Authenticate": 'Bearer realm="risveglio"'},
        )
    demand(caller, scope)
    return caller


def demand(caller: Caller, scope: Scope) -> None:
    """Raises Refusal where the caller's key lacks the scope."""
    if not caller.may(scope):
        raise Refusal("missing-scope", f"the API key needs the scope {scope}")


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
