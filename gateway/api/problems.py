"""Errors as problem details (RFC 9457)."""

import secrets
import traceback
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, InternalServerException
from msgspec import Struct, field

from gateway.api.misses import TooManyMisses
from gateway.api.turnstile import TooOften
from gateway.rendering import RenderingUnavailable
from gateway.services.opt_in import AskedTooOften
from gateway.services.problems import Conflict, InProgress, Invalid, KeyReused, NotFound
from gateway.services.validate import Refused
from gateway.storage.database import OutOfRoom, Unavailable

log: Any = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"
RETRY_SOON_S: Final = 1
RETRY_AWAY_S: Final = 5
RETRY_FULL_S: Final = 60

KINDS: Final[Mapping[str, tuple[int, str]]] = {
    "malformed": (400, "The body cannot be read."),
    "bad-request": (400, "The request line or a header makes no sense."),
    "unauthorized": (401, "There is no valid API key in the request."),
    "forbidden": (403, "This is not allowed, whoever asks."),
    "missing-scope": (403, "The API key is not allowed to do this."),
    "not-found": (404, "There is no such thing."),
    "method-not-allowed": (405, "The method cannot be used here; Allow names those that can."),
    "conflict": (409, "Something stands in the way of the request at present."),
    "in-progress": (409, "The same request is being answered at this moment; ask again soon."),
    "coupon-refused": (409, "The coupon cannot be redeemed; `reasons` says why."),
    "too-large": (413, "The body is larger than this route takes."),
    "unsupported-media-type": (415, "The body is not in a media type that this route reads."),
    "misdirected": (421, "The request is addressed to a host that this gateway does not answer for."),
    "invalid": (422, "The request makes no sense; `errors` names what is wrong."),
    "key-reused": (422, "The Idempotency-Key came with another request before."),
    "asked-too-often": (429, "The address was asked to confirm so often that it is left alone for a while."),
    "too-often": (429, "The same was asked for too often; Retry-After says when to ask again."),
    "too-many-misses": (429, "Too many coupons were asked for that do not exist; Retry-After says when to ask again."),
    "unexpected": (500, "The gateway has a fault; its log tells more under `id`."),
    # 507 would say it too, but clients and proxies ask again by themselves for 503 alone (RFC 9110, 15.6.4).
    "no-room": (503, "The database has no room left: nothing was kept, and things can only be looked at."),
    "unavailable": (503, "The gateway cannot answer at present; ask again later."),
}
"""The kinds of problem: the last part of their type URI, their status, and what they mean."""


class Fault(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing wrong with a request: in its body (a JSON pointer, RFC 6901), its query or its headers."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None


class ProblemDetails(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, for programs (`type`, `errors`, `reasons`) and for people (`title`, `detail`)."""

    type: str
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    errors: Sequence[Fault] = ()
    reasons: Sequence[str] = ()
    """Of a refused coupon."""
    id: str | None = None
    """Of an unexpected fault: its place in the log."""


class Refusal(Exception):
    """A request that is not answered as hoped, for a reason of the API itself."""

    def __init__(
        self,
        kind: str,
        detail: str | None = None,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


class Answer(Struct, frozen=True, kw_only=True):
    """A problem before it knows where it happened."""

    kind: str
    detail: str | None = None
    errors: Sequence[Fault] = ()
    reasons: Sequence[str] = ()
    id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, public_url: str, path: str) -> bytes:
        status, _ = KINDS[self.kind]
        return msgspec.json.encode(
            ProblemDetails(
                type=f"{public_url}/schema#{self.kind}",
                title=HTTPStatus(status).phrase,
                status=status,
                detail=self.detail,
                instance=path or None,
                errors=self.errors,
                reasons=self.reasons,
                id=self.id,
            )
        )

    @property
    def status(self) -> int:
        return KINDS[self.kind][0]


def exception_handlers(public_url: str) -> dict[int | type[Exception], Callable[..., Response[bytes]]]:
    def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        found = answer_to(error)
        return Response(
            found.body(public_url, path_of(request.scope["path"])),
            status_code=found.status,
            media_type=MEDIA_TYPE,
            headers={**found.headers},
        )

    return {Exception: answer}


def path_of(routed: str) -> str:
    """The path as it was sent: `/v1/jobs/x:pause` is routed as `/v1/jobs/x/:pause`."""
    return routed.replace("/:", ":")


def answer_to(error: Exception) -> Answer:
    """What a caller is told of an exception. One that nobody expected is logged, and told by its id alone."""
    match error:
        case Refusal():
            return Answer(kind=error.kind, detail=error.detail, errors=error.errors, headers=error.headers)
        case Invalid():
            faults = [Fault(pointer=each.pointer, detail=each.detail) for each in error.problems]
            return Answer(kind="invalid", errors=faults)
        case NotFound():
            return Answer(kind="not-found", detail=str(error) or None)
        case Conflict():
            return Answer(kind="conflict", detail=str(error) or None)
        case InProgress():
            return Answer(kind="in-progress", headers={"Retry-After": str(RETRY_SOON_S)})
        case KeyReused():
            fault = Fault(header="Idempotency-Key", detail="take a new key for another request")
            return Answer(kind="key-reused", errors=[fault])
        case Refused():
            return Answer(
                kind="coupon-refused",
                detail=error.validity.detail,
                reasons=[str(each) for each in error.validity.reasons],
            )
        case AskedTooOften():
            return Answer(kind="asked-too-often", detail=str(error), headers={"Retry-After": str(error.wait_s)})
        case TooOften():
            return Answer(kind="too-often", headers={"Retry-After": str(error.wait_s)})
        case TooManyMisses():
            return Answer(kind="too-many-misses", headers={"Retry-After": str(error.wait_s)})
        case _:
            return _of_the_server(error)


def _of_the_server(error: Exception) -> Answer:
    match error:
        case OutOfRoom():
            log.error("api.no_room", error=str(error))
            detail = "nothing of the request was kept; ask again later, with the same Idempotency-Key where it had one"
            return Answer(kind="no-room", detail=detail, headers={"Retry-After": str(RETRY_FULL_S)})
        case Unavailable():
            log.error("api.database_away", error=str(error))
            return Answer(
                kind="unavailable", detail="the database does not answer", headers={"Retry-After": str(RETRY_AWAY_S)}
            )
        case RenderingUnavailable():
            log.error("api.rendering_away")
            return Answer(
                kind="unavailable", detail="no message can be rendered", headers={"Retry-After": str(RETRY_AWAY_S)}
            )
        case InternalServerException(detail="client disconnected prematurely"):
            return Answer(kind="bad-request", detail="the body broke off")
        case HTTPException() if error.status_code < 500:
            return _of_litestar(error)
        case _:
            return _unexpected(error)


_KIND_OF_STATUS: Final = {
    400: "bad-request",
    401: "unauthorized",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
}


def _of_litestar(error: HTTPException) -> Answer:
    kind = _KIND_OF_STATUS.get(error.status_code, "bad-request")
    return Answer(kind=kind, detail=KINDS[kind][1], headers={**(error.headers or {})})


def _unexpected(error: Exception) -> Answer:
    """The log gets the kind of the error and where it was raised: its text may quote people."""
    id = secrets.token_hex(8)
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    log.error("api.unexpected", id=id, error=type(error).__name__, where=where)
    return Answer(kind="unexpected", id=id)
