"""The Bot API at the level of one call: where it goes, and what each answer means."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import aiohttp
import msgspec
from msgspec import Struct

from gateway.contract import (
    ChannelMisconfigured,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    RecipientGone,
    TransientFailure,
    retry_after_s,
)

from .config import TelegramConfig

T = TypeVar("T")

_MOST_ANSWER_BYTES: Final = 1_000_000
_GUESSED_PAUSE_S: Final = 30.0
_GONE: Final = ("blocked by the user", "user is deactivated", "chat not found", "user not found", "peer_id_invalid")
"""In the descriptions of refusals, which nobody documents. Others with 403 are known to pass by themselves."""


class Trouble(Struct, frozen=True, kw_only=True):
    """What a refusal says besides; `retry_after` is in seconds."""

    retry_after: int | None = None


class Answer(Struct, frozen=True, kw_only=True):
    """An answer of the Bot API. Nothing of the description is kept."""

    ok: bool
    result: Any = None
    description: str = ""
    parameters: Trouble = Trouble()


class Wire:
    """Makes the calls of one bot."""

    def __init__(self, config: TelegramConfig, http: aiohttp.ClientSession) -> None:
        self._config = config
        self._http = http

    async def call(self, method: str, body: Mapping[str, Any], wanted: type[T], *, wait_s: float = 0.0) -> T:
        """What a method returns. Raises a Failure.

        Telegram may wait for `wait_s` before it answers. The URL holds the token, so that nothing of an error's own
        text is kept.
        """
        url = f"{self._config.base_url.rstrip('/')}/bot{self._config.token.reveal()}/{method}"
        timeout_s = self._config.timeout_s
        timeout = aiohttp.ClientTimeout(total=timeout_s + wait_s, connect=timeout_s / 2)
        headers = {"Content-Type": "application/json"}
        try:
            async with self._http.post(
                url, data=msgspec.json.encode(body), headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                return _judged(response.status, response.headers.get("Retry-After"), await _read(response), wanted)
        except aiohttp.ClientConnectorError as error:
            raise TransientFailure("no-connection", f"no connection to Telegram: {error.strerror}") from None
        except aiohttp.ConnectionTimeoutError:
            raise TransientFailure("no-connection", "Telegram did not take the connection in time") from None
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise OutcomeUnknown("no-answer", "Telegram gave no answer") from None

    async def ask(self, method: str, body: Mapping[str, Any], wanted: type[T], *, wait_s: float = 0.0) -> T:
        """As `call`, for what may be asked again: whatever does not say that the set-up is wrong may pass."""
        try:
            return await self.call(method, body, wanted, wait_s=wait_s)
        except (OutcomeUnknown, PermanentFailure) as failure:
            raise TransientFailure(failure.code, failure.detail) from None


async def _read(response: aiohttp.ClientResponse) -> Answer | None:
    """The answer; None where it is none of the Bot API's."""
    body = b""
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > _MOST_ANSWER_BYTES:
            return None
    return decoded(body, Answer)


def decoded(body: bytes, wanted: type[T]) -> T | None:
    """What JSON says; None where it says something else."""
    try:
        return msgspec.json.decode(body, type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _judged(status: int, retry_after: str | None, answer: Answer | None, wanted: type[T]) -> T:
    """The result of a call that succeeded. Raises the Failure that any other answer stands for.

    There is no idempotency key, and an error page does not prove that nothing was sent.
    """
    said, code = answer or Answer(ok=False), f"http-{status}"
    match status:
        case 200 if said.ok:
            return _result(said.result, wanted)
        case 400 | 403 if any(each in said.description.lower() for each in _GONE):
            raise RecipientGone(code, "the person has blocked the bot, or the chat is no more")
        case 403:
            raise PermanentFailure(code, "Telegram refuses it: has this person started the bot?")
        case 401 | 404 | 405:
            raise ChannelMisconfigured(code, "Telegram does not know the bot: check token and base_url")
        case 409:
            raise TransientFailure(code, "another process fetches what the bot hears")
        case 429:
            asked = said.parameters.retry_after
            wait_s = retry_after_s(str(asked) if asked else retry_after, datetime.now(UTC), _GUESSED_PAUSE_S)
            raise RateLimited(wait_s, code, "Telegram asks to slow down")
        case _ if 300 <= status < 400:
            raise ChannelMisconfigured(code, "the answer leads elsewhere: check base_url")
        case _ if 400 <= status < 500:
            raise PermanentFailure(code, "Telegram refuses this message")
        case _:
            raise OutcomeUnknown(code, "Telegram's answer does not say whether it took the message")


def _result(told: Any, wanted: type[T]) -> T:
    try:
        return msgspec.convert(told, wanted)
    except msgspec.ValidationError:
        raise OutcomeUnknown("unreadable-answer", "Telegram accepted, but its answer cannot be read") from None
