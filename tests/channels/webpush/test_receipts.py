"""What devices tell of notifications, and what anybody could tell."""

from datetime import UTC, datetime

import pytest

from gateway.contract import BadSignature, BadWebhook, EventType, WebhookRequest

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def call(body: bytes, *, method: str = "POST", message_id: str | None = "m-1") -> WebhookRequest:
    return WebhookRequest(
        method=method,
        url="https://gateway.example.com/hooks/webpush/m-1",
        headers={"content-type": "text/plain;charset=UTF-8"},
        query=(),
        body=body,
        received_at=NOW,
        message_id=message_id,
    )


@pytest.mark.parametrize(
    ("word", "event"),
    [("shown", EventType.SHOWN), ("clicked", EventType.CLICKED), ("closed", EventType.CLOSED)],
)
async def test_a_receipt_is_an_event_about_the_message_of_its_url(channel, word, event):
    request = call(b'{"type":"%s"}' % word.encode())

    channel.verify(request)
    [told] = channel.parse(request)

    assert (told.type, told.message_id, told.event_id) == (event, "m-1", f"m-1:{word}")
    assert event in channel.capabilities.reports
    assert told.at is None
    assert told.by == ("human" if word == "clicked" else None)


async def test_a_receipt_told_again_is_the_same_event(channel):
    first, again = (list(channel.parse(call(body))) for body in (b'{"type":"shown"}', b' {"type": "shown"} '))

    assert first == again


@pytest.mark.parametrize(
    "request_",
    [
        call(b'{"type":"shown"}', message_id=None),
        call(b'{"type":"shown"}', method="GET"),
        call(b'{"type":"delivered"}'),
        call(b'{"type":"unsubscribed"}'),
        call(b'{"type":"shown","message_id":"m-2"}'),
        call(b'{"type":"shown"}' + b" " * 200),
        call(b'{"type":"shown"}&x'),
        call(b"[]"),
        call(b"\xff"),
        call(b""),
    ],
    ids=lambda request: f"{request.method} {request.message_id} {request.body[:40]!r}",
)
async def test_what_no_worker_of_ours_would_send_is_refused(channel, request_):
    with pytest.raises(BadSignature):
        channel.verify(request_)


@pytest.mark.parametrize("request_", [call(b"shown"), call(b'{"type":"shown"}', message_id=None)], ids=["body", "url"])
async def test_what_is_no_receipt_is_told_as_that(channel, request_):
    with pytest.raises(BadWebhook):
        list(channel.parse(request_))
