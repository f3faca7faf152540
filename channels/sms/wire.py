"""Twilio's SDK at the level of one HTTP call: time limit, Retry-After, and what a lost answer means."""

import asyncio
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
import msgspec
from msgspec import Struct
from twilio.http.async_http_client import AsyncTwilioHttpClient

from channels.sms.errors import Verdict, refusal
from gateway.contract import OutcomeUnknown, TransientFailure

_NOT_JSON: Final = (msgspec.DecodeError, UnicodeEncodeError, RecursionError)


class _Journey:
    """Whether a request has begun to leave this machine."""

    departed = False


_JOURNEY: Final[ContextVar[_Journey]] = ContextVar("_JOURNEY")


class _Problem(Struct):
    code: int | None = None


class Wire:
    """The HTTP client handed to the SDK: raises a Failure of the contract for all but a readable 2xx.

    Build it inside the running loop. It wraps the SDK's own client, which ignores its time
    limit, drops the headers of a refusal, and without a pooled session mixes up the answers
    of parallel calls.
    """

    is_async = True

    def __init__(self, timeout_s: float, overrules: Mapping[str, Verdict]) -> None:
        self._timeout_s = timeout_s
        self._overrules = overrules
        # Detached from the root logger: the SDK logs URLs and headers.
        silent = logging.Logger("twilio", level=logging.CRITICAL + 1)
        self._client = AsyncTwilioHttpClient(pool_connections=True, trace_configs=[_tracing()], logger=silent)

    async def request(
        self,
        method: str,
        url: str,
        *,
        auth: tuple[str, str],
        headers: Mapping[str, str],
        **options: Any,
    ) -> Any:
        # Set here, because the SDK would use a class that aiohttp is about to drop.
        signed = {**headers, "Authorization": aiohttp.encode_basic_auth(*auth)}
        response = await self._exchange(method, url, {**options, "headers": signed})
        if not 200 <= response.status_code < 300:
            raise refusal(
                response.status_code,
                _error_code(response.text),
                response.headers.get("Retry-After"),
                self._overrules,
                datetime.now(UTC),
            )
        if not _is_object(response.text):
            raise OutcomeUnknown("unreadable-answer", "Twilio accepted but its answer is not a JSON object")
        return response

    async def _exchange(self, method: str, url: str, options: Mapping[str, Any]) -> Any:
        journey = _Journey()
        _JOURNEY.set(journey)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._client.request(method, url, **options)
        except (TimeoutError, aiohttp.ClientError, OSError, UnicodeDecodeError) as error:
            cause = type(error).__name__
            if journey.departed:
                raise OutcomeUnknown("no-answer", f"no answer from Twilio: {cause}") from None
            raise TransientFailure("no-connection", f"no connection to Twilio: {cause}") from None

    async def close(self) -> None:
        await self._client.close()


def _tracing() -> aiohttp.TraceConfig:
    async def departed(_: aiohttp.ClientSession, __: SimpleNamespace, ___: object) -> None:
        _JOURNEY.get().departed = True

    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(departed)
    return tracing


def _error_code(body: str) -> str | None:
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except _NOT_JSON:
        return None
    return str(problem.code) if problem.code else None


def _is_object(body: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(body), dict)
    except _NOT_JSON:
        return False
