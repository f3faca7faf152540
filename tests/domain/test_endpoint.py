"""Who is told what, when it is tried again, and how it is signed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from gateway.domain.endpoint import WAITS, EndpointInput, asks, signed, wait_after
from gateway.domain.notices import (
    BY_NAME_ONLY,
    PING,
    TYPES,
    AnyNews,
    ChannelNews,
    ConsentNews,
    CouponNews,
    JobNews,
    PingNews,
    RecipientNews,
    SendNews,
    read,
    written,
)
from gateway.domain.states import MOVES

AT = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
OLD, NEW = "whsec_" + "b2xk" * 10, "whsec_" + "bmV3" * 10
BODY = '{"type":"send.delivered","data":{"step":"Δώρο 🎁 для Жанеты"}}'.encode()


def endpoint(**fields: Any) -> EndpointInput:
    return msgspec.convert({"url": "https://crm.example.com/in", **fields}, EndpointInput)


@pytest.mark.parametrize(
    ("types", "told"),
    [
        (["*"], {"job.done", "send.delivered", "channel.paused"}),
        (["send.*"], {"send.delivered"}),
        (["send.delivered", "job.*"], {"send.delivered", "job.done"}),
        (["send.skipped"], {"send.skipped"}),
        (["send.*", "send.skipped"], {"send.delivered", "send.skipped"}),
        (["job.accepted"], set()),
    ],
)
def test_an_endpoint_is_told_what_it_asked_for(types: list[str], told: set[str]) -> None:
    offered = {"job.done", "send.delivered", "send.skipped", "channel.paused"}
    assert {type for type in offered if asks(types, type)} == told


def test_what_there_is_too_much_of_is_told_only_by_its_name() -> None:
    everything = {type for type in TYPES if asks(["*"], type)}
    assert everything == TYPES.keys() - BY_NAME_ONLY
    assert all(asks([type], type) for type in TYPES)


def test_a_test_reaches_every_endpoint() -> None:
    assert asks(["job.done"], PING)


def test_every_state_that_others_hear_of_has_a_type() -> None:
    inside = {"queued", "claimed", "sending", "batched"}
    assert {f"send.{state}" for state in MOVES if state not in inside} == {t for t in TYPES if t.startswith("send.")}


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"url": "ftp://crm.example.com/"}, "must start with https://"),
        ({"url": "HTTPS://crm.example.com/"}, "must start with https://"),
        ({"url": "https://user:word@crm.example.com/"}, "holds a user or a password"),
        ({"url": "https://@crm.example.com/"}, "holds a user or a password"),
        ({"url": "https://crm.example.com/#part"}, "holds a fragment"),
        ({"url": "https://"}, "names no host"),
        ({"url": "https://:443/"}, "names no host"),
        ({"url": "https://crm.example.com:99999/"}, "is no URL"),
        ({"url": "https://[::1/"}, "is no URL"),
        ({"url": "https://crm.example.com/ü"}, "percent-encoded"),
        ({"url": "https://почта.example/"}, "ASCII form"),
        ({"url": "https://crm.example.com/a b"}, "percent-encoded"),
        ({"url": "https://crm.example.com\\@127.0.0.1/"}, "percent-encoded"),
        ({"url": "https://crm.example.com/\r\nX: y"}, "percent-encoded"),
        ({"url": "https://crm.example.com/" + "a" * 2000}, "length <= 2000"),
        ({"types": []}, "length >= 1"),
        ({"types": ["send.eaten"]}, "there is no send.eaten"),
        ({"types": ["dove.*"]}, "there is no dove."),
        ({"types": ["send*"]}, "there is no send"),
        ({"description": "a\0b"}, "U.0000"),
        ({"secret": "whsec_mine"}, "unknown field"),
    ],
)
def test_an_endpoint_that_makes_no_sense_is_refused(fields: dict[str, Any], word: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=word):
        endpoint(**fields)


@pytest.mark.parametrize(
    "url", ["https://[2606:4700::1]:8443/a?b=c%20d", "http://10.1.2.3/", "https://xn--80a1acny.example"]
)
def test_an_ordinary_url_is_taken_as_it_is(url: str) -> None:
    assert endpoint(url=url).url == url


def test_tries_are_spread_over_more_than_a_day_and_then_end() -> None:
    waits = [wait_after(tries, 0) for tries in range(1, len(WAITS) + 1)]
    assert waits[:3] == [timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30)]
    assert waits[-1] is None
    assert sum((wait for wait in waits if wait), timedelta()) > timedelta(hours=24)


def test_chance_makes_a_wait_longer_by_a_fifth_at_most() -> None:
    assert wait_after(2, 0.0) == timedelta(minutes=5)
    assert wait_after(2, 1.0) == timedelta(minutes=6)


def test_a_delivery_holds_for_both_secrets_while_one_replaces_the_other() -> None:
    now = datetime.now(UTC)
    headers = signed("msg_1", now, BODY, [NEW, OLD])
    assert headers["webhook-id"] == "msg_1"
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (NEW, OLD):
        Webhook(secret).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "YWx0" * 10).verify(BODY, headers)


@pytest.mark.parametrize("part", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_delivery_that_was_tampered_with_does_not_hold(part: str) -> None:
    headers = signed("msg_1", datetime.now(UTC), BODY, [NEW])
    forged = {
        "webhook-id": "msg_2",
        "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1),
        "webhook-signature": headers["webhook-signature"].replace("v1,", "v1,AAAA", 1),
    }
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(BODY, headers | {part: forged[part]})
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(BODY.replace(b"delivered", b"bounced"), headers)


def test_a_delivery_of_ten_minutes_ago_does_not_hold() -> None:
    headers = signed("msg_1", datetime.now(UTC) - timedelta(minutes=10), BODY, [NEW])
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(NEW).verify(BODY, headers)


@pytest.mark.parametrize(
    "news",
    [
        JobNews(type="job.done", at=AT, job_id=3),
        SendNews(type="send.failed", at=AT, job_id=3, recipient_id=2**40, run=0, step=1, channel="sms", reason="5.1.1"),
        RecipientNews(type="recipient.clicked", at=AT, recipient_id=4, key=(3, 4, 0, 1, "email"), by="human"),
        RecipientNews(type="recipient.erased", at=AT, recipient_id=4, external_id="c-1042"),
        ConsentNews(
            type="consent.changed",
            at=AT,
            recipient_id=4,
            channel="email",
            purpose="marketing",
            action="withdrawn",
        ),
        CouponNews(type="coupon.redeemed", at=AT, job_id=3, recipient_id=4, offer="w15", redemption="red_x"),
        ChannelNews(type="channel.paused", at=AT, channel="sms", reason="λάθος"),
        PingNews(type=PING, at=AT, endpoint="ep_x"),
    ],
)
def test_news_is_read_as_it_was_written(news: AnyNews) -> None:
    assert read(written(news)) == news
