"""The OpenAPI 3.1 document, made of the routes themselves and of msgspec's own schemas.

Litestar's generator loses the limits of list items; these schemas are those that bodies are checked against.
"""

import html
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

import gateway
from gateway.api.idempotent import HEADER
from gateway.api.operations import PLACE, Operation
from gateway.api.problems import KINDS, MEDIA_TYPE, ProblemDetails, path_of

_REFERENCE: Final = "#/components/schemas/{name}"
_OF_THE_SERVER: Final = ("unexpected", "no-room", "unavailable")
_EVERYWHERE: Final = ("bad-request", "not-found", "method-not-allowed", "misdirected", *_OF_THE_SERVER)
_WITH_KEY: Final = ("unauthorized", "missing-scope")
_WITH_BODY: Final = ("malformed", "too-large", "unsupported-media-type", "invalid")


def document(app: Litestar, public_url: str) -> bytes:
    """The document as JSON."""
    routes = list(_routes(app))
    schemas = _Schemas(operation for _, _, operation in routes)
    paths: dict[str, dict[str, Any]] = {}
    for path, method, operation in routes:
        paths.setdefault(path, {})[method] = _operation(path, method, operation, schemas)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Risveglio",
                "version": gateway.__version__,
                "description": "A multichannel messaging gateway. Errors are problem details (RFC 9457).",
            },
            "servers": [{"url": public_url}],
            "paths": paths,
            "components": {
                "schemas": schemas.components,
                "securitySchemes": {
                    "key": {"type": "http", "scheme": "bearer", "description": "An API key: rsv_<id>_<secret>"}
                },
            },
        }
    )


def _routes(app: Litestar) -> Iterable[tuple[str, str, Operation]]:
    """(path, method, operation) of every route that is shown."""
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for handler in route.route_handlers:
            operation = handler.opt.get(PLACE)
            if isinstance(operation, Operation) and operation.listed:
                for method in _methods(handler):
                    yield path_of(route.path_format), method, operation


def _methods(handler: HTTPRouteHandler) -> list[str]:
    return sorted(str(method).lower() for method in handler.http_methods)


class _Schemas:
    """The schema of every type that stands in a body, by reference."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        types: list[Any] = [ProblemDetails]
        for operation in operations:
            types += [each for each in (operation.takes, operation.query, *operation.gives.values()) if each]
        self._types = list({_identity(each): each for each in types if each is not bytes}.values())
        schemas, self.components = msgspec.json.schema_components(self._types, ref_template=_REFERENCE)
        self._by_type = {_identity(kind): schema for kind, schema in zip(self._types, schemas, strict=True)}

    def of(self, kind: Any) -> dict[str, Any]:
        return {"type": "string", "format": "binary"} if kind is bytes else dict(self._by_type[_identity(kind)])

    def unfolded(self, kind: Any) -> dict[str, Any]:
        """The schema itself and not its reference."""
        schema = self.of(kind)
        name = schema.get("$ref", "").rpartition("/")[2]
        return dict(self.components[name]) if name else schema


def _identity(kind: Any) -> str:
    return repr(kind)


def _operation(path: str, method: str, operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _id(path, method),
        "summary": operation.summary,
        "tags": [path.strip("/").removeprefix("v1/").partition("/")[0].partition(":")[0]],
        "parameters": [*_path_parameters(path), *_query_parameters(operation, schemas), *_key_parameter(operation)],
        "responses": {**_good_answers(operation, schemas), **_problems(operation)},
        "security": [{"key": [scope]} for scope in operation.scopes],
    }
    if operation.scopes:
        described["description"] = f"Needs the scope {' or '.join(f'`{scope}`' for scope in operation.scopes)}."
    if operation.takes:
        described["requestBody"] = {
            "required": True,
            "content": {operation.takes_media_type: _body(operation, schemas)}
            | {media_type: {"schema": {"type": "string"}} for media_type in operation.takes_also},
        }
    return described


def _id(path: str, method: str) -> str:
    words = path.removeprefix("/v1/").replace("{", "").replace("}", "").replace(":", "/").replace("-", "_").split("/")
    return "_".join([method, *(word for word in words if word)])


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part.partition("}")[0] for part in path.split("{")[1:]]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(operation: Operation, schemas: _Schemas) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    shape = schemas.unfolded(operation.query)
    needed = [{"required": True} if name in shape.get("required", ()) else {} for name in shape["properties"]]
    named = [{"name": name, "in": "query", "schema": schema} for name, schema in shape["properties"].items()]
    return [parameter | more for parameter, more in zip(named, needed, strict=True)]


def _key_parameter(operation: Operation) -> list[dict[str, Any]]:
    if not operation.needs_key:
        return []
    schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
    said = "New for each request; the same again is answered as the first time"
    return [{"name": HEADER, "in": "header", "required": True, "schema": schema, "description": said}]


def _body(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    if operation.takes_media_type != "application/json":
        return {"schema": {"type": "string"}, "description": "One JSON object in each line"} | {
            "x-line-schema": schemas.of(operation.takes)
        }
    if not operation.may_omit:
        return {"schema": schemas.of(operation.takes)}
    schema = schemas.unfolded(operation.takes)
    required = [name for name in schema.get("required", ()) if name not in operation.may_omit]
    return {"schema": schema | {"required": required}}


def _good_answers(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status, kind in operation.gives.items():
        answers[str(status)] = {"description": _doc(kind)}
        if kind is not None:
            content = {media_type: {"schema": schemas.of(kind)} for media_type in operation.gives_media_types[:1]}
            content |= {media_type: {"schema": {"type": "string"}} for media_type in operation.gives_media_types[1:]}
            answers[str(status)]["content"] = content
    return answers


def _doc(kind: Any) -> str:
    text = (getattr(kind, "__doc__", None) or "Done") if kind is not bytes else "The file"
    return " ".join(text.split("\n\n")[0].split())


def _problems(operation: Operation) -> dict[str, Any]:
    kinds = [*_EVERYWHERE, *operation.refuses]
    if operation.scopes:
        kinds += _WITH_KEY
    if operation.takes:
        kinds += _WITH_BODY
    told: dict[str, list[str]] = {}
    for kind in KINDS:
        if kind in kinds and KINDS[kind][0] not in operation.gives:
            told.setdefault(str(KINDS[kind][0]), []).append(f"`{kind}`: {KINDS[kind][1]}")
    content = {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(name=ProblemDetails.__name__)}}}
    return {status: {"description": " ".join(said), "content": content} for status, said in told.items()}


def page(openapi: bytes) -> str:
    """A plain page of the same: routes, scopes, and the kinds of problems, each with its anchor."""
    paths: Mapping[str, Mapping[str, Any]] = msgspec.json.decode(openapi)["paths"]
    rows = "".join(
        f"<tr><td>{method.upper()}<td><code>{html.escape(path)}</code>"
        f"<td>{html.escape(' '.join(each['security'][0]['key']) if each['security'] else '')}"
        f"<td>{html.escape(each['summary'])}"
        for path, methods in paths.items()
        for method, each in methods.items()
    )
    problems = "".join(
        f'<dt id="{kind}">{kind} ({status})<dd>{html.escape(meaning)}' for kind, (status, meaning) in KINDS.items()
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Risveglio API</title>'
        '<h1>Risveglio API</h1><p>The whole of it, for programs: <a href="/schema/openapi.json">OpenAPI 3.1</a>.'
        f"<h2>Routes</h2><table><tr><th>Method<th>Path<th>Scope<th>What it does{rows}</table>"
        f"<h2>Problems</h2><dl>{problems}</dl></html>"
    )
