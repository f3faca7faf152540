"""One call to a provider over HTTP."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import aiohttp
import msgspec
from msgspec import Struct

from gateway.contract import OutcomeUnknown, TransientFailure

T = TypeVar("T")

_MOST_ANSWER_BYTES: Final = 65_536


class Answer(Struct, frozen=True, kw_only=True):
    """`body` is empty where it is longer than any answer should be."""

    status: int
    retry_after: str | None
    body: bytes


async def called(
    http: aiohttp.ClientSession, method: str, url: str, timeout_s: float, headers: Mapping[str, str], **body: Any
) -> Answer:
    """Whatever is answered. Raises TransientFailure where nothing has left us, OutcomeUnknown where it may have."""
    # The smaller part is for the connection: where that fails, nothing has left.
    timeout = aiohttp.ClientTimeout(total=timeout_s, connect=timeout_s / 2)
    try:
        async with http.request(
            method, url, headers=headers, timeout=timeout, allow_redirects=False, **body
        ) as response:
            return Answer(
                status=response.status, retry_after=response.headers.get("Retry-After"), body=await _read(response)
            )
    except aiohttp.ClientConnectorError as error:
        raise TransientFailure("no-connection", f"no connection to the provider: {error.strerror}") from None
    except aiohttp.ConnectionTimeoutError:
        raise TransientFailure("no-connection", "the provider did not take the connection in time") from None
    except (aiohttp.ClientError, TimeoutError, OSError):
        raise OutcomeUnknown("no-answer", "the provider gave no answer") from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for chunk in response.content.iter_chunked(8192):
        body += chunk
        if len(body) > _MOST_ANSWER_BYTES:
            return b""
    return body


def decoded(body: bytes, wanted: type[T]) -> T | None:
    """What JSON says; None where it says something else."""
    try:
        return msgspec.json.decode(body, type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
