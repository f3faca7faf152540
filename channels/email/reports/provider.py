"""What the providers have in common: how a call is read, and when it is too old."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from gateway.contract import BadSignature, BadWebhook, ProviderEvent, WebhookAnswer, WebhookRequest

LARGEST_BYTES: Final = 1_000_000

_AHEAD_S: Final = 300.0
"""So far may a provider's clock be ahead of ours."""

Id = Annotated[str, Meta(pattern=r"^[!-~]{1,150}$(?!\n)")]
"""An id of a provider's own."""

T = TypeVar("T")


class Provider:
    """A provider that reports. Of the calls that it is shown, any may be a stranger's."""

    async def prepare(self, request: WebhookRequest) -> None:
        """Fetch what `verify` needs. Raises BadSignature, or TransientFailure where it cannot be had just now."""
        return None

    def verify(self, request: WebhookRequest) -> None:
        """Raises BadSignature unless the call is the provider's, for us, and new enough."""
        raise NotImplementedError

    def parse(self, request: WebhookRequest) -> Iterable[ProviderEvent]:
        """The events about our mails; those about the mails of others are none. Raises BadWebhook."""
        raise NotImplementedError

    async def answer(self, request: WebhookRequest) -> WebhookAnswer | None:
        return None


def decoded(body: bytes, shape: type[T]) -> T:
    """A body in JSON of this shape. Raises BadWebhook, in whose text nothing of the body stands."""
    if len(body) > LARGEST_BYTES:
        raise BadWebhook("the body is too large")
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise BadWebhook(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadWebhook("the body is not JSON") from None


def signed(body: bytes, shape: Any) -> Any:
    """As `decoded`, for what the signature of a call is in. Raises BadSignature."""
    try:
        return decoded(body, shape)
    except BadWebhook:
        raise BadSignature from None


def refuse_old(sent_at_s: float, request: WebhookRequest, window_s: float) -> None:
    """Raises BadSignature for a call that was signed too long ago: it may have been overheard since."""
    age_s = request.received_at.timestamp() - sent_at_s
    # Also refuses what is no number.
    if not -_AHEAD_S <= age_s <= window_s:
        raise BadSignature


def instant(text: str | None) -> datetime | None:
    """A time as ISO 8601 has it, in UTC; None where it cannot be read."""
    try:
        at = datetime.fromisoformat(text or "")
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def instant_of(at_s: float | None) -> datetime | None:
    """A time in seconds since 1970, in UTC."""
    try:
        return None if at_s is None else datetime.fromtimestamp(at_s, UTC)
    except (ValueError, OverflowError, OSError):
        return None
