"""Who may report: calls that were altered, overheard, or are somebody else's are refused."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from channels.email import EmailChannel, EmailConfig
from channels.email.reports.sns import AMAZON
from gateway.contract import BadSignature, BadWebhook, Failure, Secret, TransientFailure, WebhookRequest
from gateway.testkit.recorder import Recorder
from tests.channels.email.reports import callers, samples
from tests.channels.email.reports.callers import NOW, PASSWORD, SIGNING_KEY, TOPIC, Sendgrid, Sns, sns_running

Told = Callable[..., EmailChannel]
SENT = samples.ses("Send")
FOREIGN = "arn:aws:sns:eu-west-1:210987654321:ses-events"


async def check(channel: EmailChannel, call: WebhookRequest) -> None:
    await channel.prepare(call)
    channel.verify(call)


async def is_heard(channel: EmailChannel, call: WebhookRequest) -> bool:
    try:
        await check(channel, call)
    except BadSignature:
        return False
    return True


def altered(call: WebhookRequest, **changes: Any) -> WebhookRequest:
    return msgspec.structs.replace(call, **changes)


@pytest.fixture
def calls(sns: Sns, sendgrid: Sendgrid) -> list[WebhookRequest]:
    return [
        sns.call(SENT),
        sendgrid.call([samples.sendgrid("delivered")]),
        callers.mailgun(samples.mailgun("delivered")),
        callers.postmark(samples.postmark("Delivery")),
    ]


async def test_each_provider_is_asked_for_its_own_signature_only(told: Told, calls: list[WebhookRequest]) -> None:
    channel = told()
    names = ["ses", "sendgrid", "mailgun", "postmark"]
    for own, call in zip(names, calls, strict=True):
        for name in [*names, "postmark ", "", "mailjet"]:
            renamed = altered(call, query=(("from", name),))
            assert await is_heard(channel, renamed) == (name == own), (own, name)


async def test_a_call_that_names_no_provider_is_the_only_ones_or_nobodys(
    told: Told, tables: dict[str, Any], calls: list[WebhookRequest]
) -> None:
    for name, call in zip(("ses", "sendgrid", "mailgun", "postmark"), calls, strict=True):
        nameless = altered(call, query=(("x", "1"),))
        assert await is_heard(told(**{name: tables[name]}), nameless)
        assert not await is_heard(told(), nameless)
        assert not await is_heard(told(), altered(call, query=(("from", name), ("from", name))))


async def test_a_channel_without_reports_hears_nobody(
    told: Told, calls: list[WebhookRequest], config: Callable[..., EmailConfig]
) -> None:
    channel = EmailChannel(config(), told().context)
    for call in calls:
        assert not await is_heard(channel, call)
        with pytest.raises(BadWebhook):
            channel.parse(call)


@pytest.mark.parametrize("version", ["1", "2"])
async def test_both_versions_of_the_signature_of_sns_are_known(told: Told, sns: Sns, version: str) -> None:
    call = sns.call(SENT, SignatureVersion=version)
    await check(told(), call)
    await check(told(), sns.call(SENT, SignatureVersion=version, Subject=None))
    lied = json.loads(call.body) | {"SignatureVersion": "2" if version == "1" else "1"}
    assert not await is_heard(told(), sns.called(lied))


@pytest.mark.parametrize(
    "changes",
    [
        {"Message": json.dumps(samples.ses_complaint())},
        {"Subject": "x"},
        {"Timestamp": "2026-03-02T09:29:59.041Z"},
        {"MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf325"},
        {"Type": "UnsubscribeConfirmation"},
        {"Signature": ""},
        {"Signature": "AAAA"},
        {"SignatureVersion": "3"},
    ],
)
async def test_an_altered_call_of_sns_is_refused(told: Told, sns: Sns, changes: dict[str, str]) -> None:
    genuine = json.loads(sns.call(SENT).body)
    assert not await is_heard(told(), sns.called(genuine | changes))


async def test_a_topic_of_somebody_else_is_refused_although_amazon_signed(told: Told, sns: Sns) -> None:
    assert not await is_heard(told(), sns.call(SENT, TopicArn=FOREIGN))
    assert not await is_heard(told(), sns.signed(sns.confirmation(TopicArn=FOREIGN)))
    assert sns.asked == []


@pytest.mark.parametrize("header", ["x-amz-sns-message-type", "x-amz-sns-message-id", "x-amz-sns-topic-arn"])
async def test_headers_that_say_otherwise_than_the_body_are_refused(told: Told, sns: Sns, header: str) -> None:
    call = sns.call(SENT)
    assert not await is_heard(told(), altered(call, headers={**call.headers, header: "SubscriptionConfirmation"}))


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
        "https://sns.eu-west-1.amazonaws.com/x.pem?y=.pem",
        "https://sns.eu-west-1.amazonaws.com/x.txt",
        "https://sns.eu-west-1.amazonaws.com/../x.pem",
        "https://sns.eu-west-1.amazonaws.com/a/b.pem",
        "https://sns.eu-west-1.amazonaws.com/x.pem\n",
        "https://s3.eu-west-1.amazonaws.com/x.pem",
        "https://sns.evil.example.amazonaws.com/x.pem",
        "https://SNS.eu-west-1.amazonaws.com/x.pem",
        "",
    ],
)
async def test_a_certificate_is_fetched_from_amazon_and_from_nowhere_else(told: Told, sns: Sns, url: str) -> None:
    class NeverAsked:
        def get(self, *_: Any, **__: Any) -> None:
            raise AssertionError("nothing may be fetched")

    channel = told()
    context = msgspec.structs.replace(channel.context, http=NeverAsked())
    pinned = EmailChannel(channel.config, context)
    with pytest.raises(BadSignature):
        await pinned.prepare(sns.call(SENT, SigningCertURL=url))


@pytest.mark.parametrize("domain", ["eu-west-1.amazonaws.com", "cn-north-1.amazonaws.com.cn"])
def test_amazon_lives_where_it_lives(domain: str) -> None:
    assert re.fullmatch(AMAZON, f"https://sns.{domain}")
    assert EmailChannel.sns_origin == AMAZON


async def test_a_certificate_is_fetched_once(told: Told, sns: Sns) -> None:
    channel = told()
    for _ in range(3):
        await check(channel, sns.call(SENT))
    assert len(sns.asked) == 1


@pytest.mark.parametrize(
    ("status", "raised"), [(500, TransientFailure), (503, TransientFailure), (403, BadSignature), (302, BadSignature)]
)
async def test_while_amazon_is_away_nothing_is_refused_for_good(
    told: Told, sns: Sns, status: int, raised: type[Exception]
) -> None:
    channel = told()
    sns.status = status
    with pytest.raises(raised):
        await channel.prepare(sns.call(SENT))
    assert len(sns.asked) == 1
    sns.status = 200
    await check(channel, sns.call(SENT))


async def test_where_nobody_answers_the_provider_is_to_come_again(told: Told) -> None:
    async with sns_running(Sns()) as gone:
        pass
    with pytest.raises(TransientFailure):
        await told(origin=re.escape(gone.url)).prepare(gone.call(SENT))


@pytest.mark.parametrize(
    "unfit",
    [
        {"name": "evil.example"},
        {"name": "sns.amazonaws.com.evil.example"},
        {"begins_at": NOW - timedelta(days=400)},
        {"begins_at": NOW + timedelta(days=1)},
    ],
)
async def test_a_certificate_of_others_or_out_of_its_time_signs_nothing(told: Told, unfit: dict[str, Any]) -> None:
    async with sns_running(Sns(**unfit)) as other:
        assert not await is_heard(told(origin=re.escape(other.url)), other.call(SENT))


async def test_a_subscription_to_a_known_topic_is_confirmed(told: Told, sns: Sns, recorder: Recorder) -> None:
    channel, call = told(), sns.signed(sns.confirmation())
    await check(channel, call)
    assert list(channel.parse(call)) == []
    assert await channel.answer(call) is None
    assert sns.asked[1:] == [f"/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37f"]
    assert "reports.confirmed" in recorder.names()


@pytest.mark.parametrize(
    "url", ["https://evil.example/?Action=ConfirmSubscription&Token=7", "{}/?Action=Publish", "{}"]
)
async def test_a_confirmation_leads_nowhere_else(told: Told, sns: Sns, recorder: Recorder, url: str) -> None:
    channel, call = told(), sns.signed(sns.confirmation(SubscribeURL=url.format(sns.url)))
    await check(channel, call)
    assert await channel.answer(call) is None
    assert len(sns.asked) == 1
    assert "reports.foreign_confirmation" in recorder.names()


async def test_a_confirmation_that_fails_comes_again_or_is_told(told: Told, sns: Sns, recorder: Recorder) -> None:
    channel, call = told(), sns.signed(sns.confirmation())
    await check(channel, call)
    sns.status = 500
    with pytest.raises(Failure):
        await channel.answer(call)
    sns.status = 403
    assert await channel.answer(call) is None
    assert "reports.not_confirmed" in recorder.names()


async def test_a_topic_that_is_left_is_told(told: Told, sns: Sns, recorder: Recorder) -> None:
    channel, call = told(), sns.signed(sns.confirmation(Type="UnsubscribeConfirmation"))
    await check(channel, call)
    assert await channel.answer(call) is None
    assert "reports.topic_left" in recorder.names()
    assert len(sns.asked) == 1


async def test_an_overheard_call_is_refused_when_it_is_old(told: Told, calls: list[WebhookRequest]) -> None:
    channel = told()
    for call in calls[:3]:
        assert await is_heard(channel, altered(call, received_at=NOW + timedelta(hours=24)))
        assert not await is_heard(channel, altered(call, received_at=NOW + timedelta(hours=26)))
        assert not await is_heard(channel, altered(call, received_at=NOW - timedelta(minutes=10)))


async def test_the_window_can_be_made_smaller(told: Told, tables: dict[str, Any], calls: list[WebhookRequest]) -> None:
    for name, call in zip(("ses", "sendgrid", "mailgun"), calls, strict=False):
        channel = told(**{name: tables[name] | {"window_s": 300}})
        assert await is_heard(channel, altered(call, received_at=NOW + timedelta(seconds=290)))
        assert not await is_heard(channel, altered(call, received_at=NOW + timedelta(seconds=310)))


@pytest.mark.parametrize("header", ["signature", "timestamp"])
@pytest.mark.parametrize("value", [None, "", "AAAA", "17724438000", "١٧٧٢٤٤٣٨٠٠", "nan", "ñ"])
async def test_sendgrid_signs_time_and_body(told: Told, sendgrid: Sendgrid, header: str, value: str | None) -> None:
    call = sendgrid.call([samples.sendgrid("delivered")])
    headers = dict(call.headers) | {f"x-twilio-email-event-webhook-{header}": value or ""}
    if value is None:
        del headers[f"x-twilio-email-event-webhook-{header}"]
    assert not await is_heard(told(), altered(call, headers=headers))
    assert not await is_heard(told(), altered(call, body=call.body.replace(b"delivered", b"spamreport")))


@pytest.mark.parametrize("field", ["timestamp", "token", "signature"])
@pytest.mark.parametrize("value", [None, "", "0", "ñ", 7, "1772443801"])
async def test_mailgun_signs_time_and_token(told: Told, field: str, value: Any) -> None:
    call = callers.mailgun(samples.mailgun("delivered"))
    body = json.loads(call.body)
    body["signature"][field] = value
    assert not await is_heard(told(), altered(call, body=json.dumps(body).encode()))


async def test_an_overheard_token_of_mailgun_serves_for_no_other_report(told: Told) -> None:
    channel = told()
    call = callers.mailgun(samples.mailgun("delivered"))
    body = json.loads(call.body)
    body["event-data"]["event"] = "complained"
    forged = altered(call, body=json.dumps(body).encode())
    assert await is_heard(channel, call)
    assert await is_heard(channel, call)
    assert not await is_heard(channel, forged)
    # In another process it passes, and is put down as the repeat that it pretends not to be.
    other = told()
    assert await is_heard(other, forged)
    [first], [second] = other.parse(call), other.parse(forged)
    assert first.event_id == second.event_id


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ñ",
        "Basic cG9zdG1hcms=",
        "Bearer cG9zdG1hcms6eA==",
        "Basic cG9zdG1hcms6",
        "Digest x",
    ],
)
async def test_postmark_needs_the_password(told: Told, header: str) -> None:
    call = callers.postmark(samples.postmark("Delivery"))
    assert await is_heard(told(), call)
    assert not await is_heard(told(), altered(call, headers={"authorization": header}))
    assert not await is_heard(told(), callers.postmark({}, password=PASSWORD + " "))
    assert not await is_heard(told(), callers.postmark({}, username="Postmark"))


async def test_postmark_may_bring_a_header_of_its_own(told: Told) -> None:
    both = {
        "username": "postmark",
        "passwords": [PASSWORD],
        "header": "x-hook-secret",
        "secrets": ["sesamo", "σουσάμι"],
    }
    call = callers.postmark(samples.postmark("Delivery"))
    for secret, fits in (("sesamo", True), ("σουσάμι", True), ("sesam", False), ("", False)):
        brought = altered(call, headers={**call.headers, "x-hook-secret": secret})
        assert await is_heard(told(postmark=both), brought) == fits
        without = altered(brought, headers={"x-hook-secret": secret})
        assert not await is_heard(told(postmark=both), without)
        assert await is_heard(told(postmark={"header": "x-hook-secret", "secrets": both["secrets"]}), without) == fits


async def test_two_keys_serve_while_one_takes_the_others_place(told: Told, sendgrid: Sendgrid) -> None:
    new = Sendgrid()
    channel = told(
        sendgrid={"public_keys": [new.public_key, sendgrid.public_key]},
        mailgun={"signing_keys": ["key-of-tomorrow", SIGNING_KEY]},
        postmark={"username": "postmark", "passwords": ["of-tomorrow", PASSWORD]},
    )
    event, record = samples.mailgun("delivered"), samples.postmark("Delivery")
    for call in (
        sendgrid.call([]),
        new.call([]),
        callers.mailgun(event),
        callers.mailgun(event | {"id": "2"}, key="key-of-tomorrow"),
        callers.postmark(record),
        callers.postmark(record, password="of-tomorrow"),
    ):
        assert await is_heard(channel, call)
    assert not await is_heard(channel, Sendgrid().call([]))
    assert not await is_heard(channel, callers.mailgun(event, key="key-of-yesterday"))


def test_no_secret_shows(told: Told) -> None:
    shown = repr(told().config.reports)
    assert SIGNING_KEY not in shown
    assert PASSWORD not in shown
    assert isinstance(told().config.reports.mailgun.signing_keys[0], Secret)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"ses": {"topics": []}}, "topics"),
        ({"ses": {"topics": ["my-topic"]}}, "topics"),
        ({"ses": {"topics": [TOPIC], "window_s": 1}}, "window_s"),
        ({"ses": {"topic": TOPIC}}, "topic"),
        ({"sendgrid": {"public_keys": ["A" * 124]}}, "public_keys"),
        ({"sendgrid": {"public_keys": ["short"]}}, "public_keys"),
        ({"mailgun": {"signing_keys": []}}, "signing_keys"),
        ({"mailgun": {"signing_keys": [""]}}, "signing_keys"),
        ({"postmark": {}}, "username"),
        ({"postmark": {"username": "postmark"}}, "passwords"),
        ({"postmark": {"username": "a:b", "passwords": ["x"]}}, "username"),
        ({"postmark": {"header": "X-Secret", "secrets": ["x"]}}, "header"),
        ({"postmark": {"header": "x-secret"}}, "secrets"),
        ({"postmark": {"header": "x-secret", "secrets": [""]}}, "secrets"),
        ({"mailjet": {}}, "mailjet"),
    ],
)
def test_a_fault_of_the_table_names_its_key(
    config: Callable[..., EmailConfig], table: dict[str, Any], key: str
) -> None:
    with pytest.raises(msgspec.ValidationError, match=key):
        config(reports=table)
