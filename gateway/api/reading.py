"""Bodies and queries become values of our types, or every reason why not."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final, Generic, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec
from litestar import Request
from msgspec import Struct

from gateway.api.plausible import problems_of
from gateway.api.pointers import problem_of
from gateway.api.problems import Fault, Refusal
from gateway.domain.words import ExternalId
from gateway.services.problems import Invalid, NotFound, Problem

T = TypeVar("T")
JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"
_LONG_BYTES: Final = 64 * 1024
"""Longer bodies are decoded in a thread, so that other requests need not wait."""
_MOST_PARAMETERS: Final = 20


class Body(Struct, Generic[T], frozen=True):
    """A body that makes sense. Equal requests have the same `fingerprint`, however they are written."""

    value: T
    fingerprint: bytes


async def read(request: Request[Any, Any, Any], shape: type[T]) -> T:
    """The JSON body as a `shape`. Raises Refusal where it cannot be read, Invalid where it makes no sense."""
    return (await read_body(request, shape)).value


async def read_body(request: Request[Any, Any, Any], shape: type[T], **given: str) -> Body[T]:
    """As `read`, with what the path has `given` filled in: fields that the body may leave out, or must repeat."""
    expect_media_type(request, JSON)
    raw = await request.body()
    if len(raw) < _LONG_BYTES:
        return understand(raw, shape, given)
    return await asyncio.to_thread(understand, raw, shape, given)


def expect_media_type(request: Request[Any, Any, Any], *known: str) -> None:
    coding = request.headers.get("content-encoding", "identity")
    if coding != "identity":
        raise Refusal("unsupported-media-type", f"the body is encoded as {coding}; send it as it is")
    sent = request.headers.get("content-type", "")
    media_type, _, parameters = sent.partition(";")
    charset = dict(part.strip().lower().partition("=")[::2] for part in parameters.split(";") if part).get("charset")
    if media_type.strip().lower() not in known or (charset or "utf-8").strip('"') not in ("utf-8", "utf8"):
        raise Refusal("unsupported-media-type", f"send the body as {' or '.join(known)}, in UTF-8")


def understand(raw: bytes, shape: type[T], given: dict[str, str]) -> Body[T]:
    plain = _plain(raw)
    problems = problems_of(plain)
    if problems:
        raise Invalid(problems)
    plain = _with_given(plain, given)
    try:
        value = msgspec.convert(plain, shape)
    except msgspec.ValidationError as error:
        raise Invalid([problem_of(error, plain, shape)]) from None
    problems = problems_of(value)
    if problems:
        raise Invalid(problems)
    return Body(value, sha256(msgspec.json.encode(plain, order="sorted")).digest())


def _plain(raw: bytes) -> Any:
    if not raw:
        raise Refusal("malformed", "the body is empty")
    try:
        return msgspec.json.decode(raw)
    except msgspec.ValidationError:
        raise Invalid([Problem(pointer="", detail="holds a number that is too large")]) from None
    except UnicodeDecodeError as error:
        raise Refusal("malformed", f"the body is not UTF-8: byte {error.start} of a text in it") from None
    except msgspec.DecodeError as error:
        raise Refusal("malformed", str(error)) from None
    except RecursionError:
        raise Invalid([Problem(pointer="", detail="is nested far too deeply")]) from None


def _with_given(plain: Any, given: dict[str, str]) -> Any:
    if not given or not isinstance(plain, dict):
        return plain
    differing = [name for name, value in given.items() if plain.get(name, value) != value]
    if differing:
        raise Invalid([Problem(pointer=f"/{name}", detail=f"the path says {given[name]}") for name in differing])
    return plain | given


def external_id_in(routed: str) -> str:
    """A recipient's id in a path. Raises NotFound for what cannot be one."""
    try:
        return msgspec.convert(unquote(routed), ExternalId)
    except msgspec.ValidationError:
        raise NotFound("no recipient has such an id") from None


def query(request: Request[Any, Any, Any], shape: type[T]) -> T:
    """The query as a `shape`. Raises Refusal for parameters that are unknown, doubled or make no sense."""
    found = _parameters(request.scope["query_string"])
    doubled = {name for name, _ in found if sum(name == other for other, _ in found) > 1}
    if doubled:
        raise _bad_query([Fault(parameter=name, detail="is given more than once") for name in sorted(doubled)])
    try:
        return msgspec.convert(dict(found), shape, strict=False)
    except msgspec.ValidationError as error:
        problem = problem_of(error, dict(found), shape)
        raise _bad_query([Fault(parameter=problem.pointer.lstrip("/"), detail=problem.detail)]) from None


def _parameters(raw: bytes) -> Sequence[tuple[str, str]]:
    try:
        found = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise Refusal("bad-request", "the query cannot be read: percent-encoded UTF-8 is expected") from None
    if any("\0" in text for pair in found for text in pair):
        raise Refusal("bad-request", "the query holds a NUL character")
    return found


def _bad_query(faults: Sequence[Fault]) -> Refusal:
    return Refusal("bad-request", "the query makes no sense", faults)
