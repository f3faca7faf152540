"""However a report is bent, it gives sound events about mails of ours, or BadWebhook; and never an exception."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.email import EmailChannel
from gateway.contract import BadSignature, BadWebhook, ProviderEvent, WebhookRequest
from gateway.registry import reports
from tests.channels.email.reports import callers, samples
from tests.channels.email.reports.callers import Sendgrid, Sns

EXAMPLES = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("x" * 300) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PAYLOADS = {
    "ses": [case.payload for case in samples.SES],
    "sendgrid": [[case.payload] for case in samples.SENDGRID],
    "mailgun": [case.payload for case in samples.MAILGUN],
    "postmark": [case.payload for case in samples.POSTMARK],
}


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each object or list within, with each of its keys."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


@st.composite
def bent(draw: st.DrawFn, provider: str) -> Any:
    payload = json.loads(json.dumps(draw(st.sampled_from(PAYLOADS[provider]))))
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(payload))
        if not found:
            break
        holder, key = draw(st.sampled_from(found))
        holder[key] = draw(VALUES)
    return payload


def assert_sound(channel: EmailChannel, call: WebhookRequest) -> None:
    try:
        told = list(channel.parse(call))
    except BadWebhook:
        return
    for event in told:
        assert isinstance(event, ProviderEvent)
        assert reports.fit(event) == event
        assert event.message_id is not None
        assert event.type in channel.capabilities.reports
        assert len(event.code or "") <= 50


def signers(sns: Sns, sendgrid: Sendgrid) -> dict[str, Callable[[Any], WebhookRequest]]:
    return {
        "ses": lambda payload: sns.call(json.dumps(payload)),
        "sendgrid": sendgrid.call,
        "mailgun": callers.mailgun,
        "postmark": callers.postmark,
    }


@pytest.mark.parametrize("provider", sorted(PAYLOADS))
async def test_a_bent_report_does_no_harm(
    told: Callable[..., EmailChannel], sns: Sns, sendgrid: Sendgrid, provider: str
) -> None:
    channel, sign = told(), signers(sns, sendgrid)[provider]

    @EXAMPLES
    @given(bent(provider))
    def bend(payload: Any) -> None:
        assert_sound(channel, sign(payload))

    await asyncio.to_thread(bend)


@pytest.mark.parametrize("provider", sorted(PAYLOADS))
async def test_any_bytes_are_refused_and_read(told: Callable[..., EmailChannel], sns: Sns, provider: str) -> None:
    channel = told()

    @EXAMPLES
    @given(st.binary(max_size=500), st.dictionaries(st.sampled_from(HEADERS), st.text(max_size=40)))
    def throw(body: bytes, headers: dict[str, str]) -> None:
        call = callers.call(provider, body, headers)
        with pytest.raises(BadSignature):
            channel.verify(call)
        assert_sound(channel, call)

    await asyncio.to_thread(throw)


@pytest.mark.parametrize("provider", sorted(PAYLOADS))
def test_deep_and_broken_texts_are_told_as_such(told: Callable[..., EmailChannel], provider: str) -> None:
    channel = told()
    for body in (b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"{", b"7", b'"\\ud800"'):
        call = callers.call(provider, body, {})
        with pytest.raises(BadSignature):
            channel.verify(call)
        with pytest.raises(BadWebhook):
            channel.parse(msgspec.structs.replace(call))


HEADERS = [
    "authorization",
    "x-amz-sns-message-type",
    "x-amz-sns-message-id",
    "x-twilio-email-event-webhook-signature",
    "x-twilio-email-event-webhook-timestamp",
]
