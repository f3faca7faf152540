"""What each provider reports becomes what the gateway should hear, signed by real keys and checked on its way."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from channels.email import EmailChannel
from channels.email.reports.postmark import BOUNCES
from gateway.contract import BadWebhook, EventType, ProviderEvent, WebhookRequest
from gateway.registry import reports
from tests.channels.email.inbound.conftest import ID, OTHER
from tests.channels.email.reports import callers, samples
from tests.channels.email.reports.callers import Sendgrid, Sns
from tests.channels.email.reports.samples import Heard, Sample

Told = Callable[..., EmailChannel]


def each(cases: Iterable[Sample]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases])


async def heard(channel: EmailChannel, call: WebhookRequest) -> list[ProviderEvent]:
    await channel.prepare(call)
    channel.verify(call)
    events = [reports.fit(event) for event in channel.parse(call)]
    assert await channel.answer(call) is None
    return [event for event in events if isinstance(event, ProviderEvent)]


def assert_told(events: list[ProviderEvent], case: Sample) -> None:
    assert tuple(Heard(each.type, each.code, each.address_gone, each.by) for each in events) == case.heard
    assert all(each.message_id == ID for each in events)
    assert len({each.event_id for each in events}) == len(events)
    for event in events:
        assert event.type in EmailChannel.capabilities.reports
        assert "@" not in f"{event.code}{event.detail}"
        assert "smtp;" not in f"{event.detail}"


@each(samples.SES)
async def test_ses_is_understood(told: Told, sns: Sns, case: Sample) -> None:
    assert_told(await heard(told(), sns.call(case.payload)), case)


@each(case for case in samples.SES if case.payload["eventType"] in ("Bounce", "Complaint", "Delivery"))
async def test_a_feedback_notification_of_ses_says_the_same(told: Told, sns: Sns, case: Sample) -> None:
    payload = {**case.payload, "notificationType": case.payload["eventType"]}
    del payload["eventType"]
    assert_told(await heard(told(), sns.call(payload)), case)


@each(samples.SENDGRID)
async def test_sendgrid_is_understood(told: Told, sendgrid: Sendgrid, case: Sample) -> None:
    assert_told(await heard(told(), sendgrid.call([case.payload])), case)


@each(samples.MAILGUN)
async def test_mailgun_is_understood(told: Told, case: Sample) -> None:
    assert_told(await heard(told(), callers.mailgun(case.payload)), case)


@each(samples.POSTMARK)
async def test_postmark_is_understood(told: Told, case: Sample) -> None:
    assert_told(await heard(told(), callers.postmark(case.payload)), case)


def test_every_type_of_postmarks_table_has_a_sample() -> None:
    tried = {case.payload.get("TypeCode") for case in samples.POSTMARK}
    assert set(BOUNCES) <= tried


async def test_several_reports_come_in_one_call_and_a_broken_one_costs_no_other(told: Told, sendgrid: Sendgrid) -> None:
    payloads = [case.payload for case in samples.SENDGRID]
    events = await heard(told(), sendgrid.call([*payloads[:3], {"event": 7}, None, *payloads[3:]]))
    assert len(events) == sum(len(case.heard) for case in samples.SENDGRID)
    with pytest.raises(BadWebhook):
        await heard(told(), sendgrid.call([{"event": 7}]))


async def test_times_are_the_providers_own(told: Told, sns: Sns, sendgrid: Sendgrid) -> None:
    seven = datetime(2026, 3, 2, 9, 0, 7, tzinfo=UTC)
    half_past = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    [ses] = await heard(told(), sns.call(samples.ses_bounce("Permanent", "NoEmail")))
    [grid] = await heard(told(), sendgrid.call([samples.sendgrid("delivered")]))
    [gun] = await heard(told(), callers.mailgun(samples.mailgun("delivered")))
    [mark] = await heard(told(), callers.postmark(samples.postmark_bounce("HardBounce", 1)))
    assert (ses.at, grid.at) == (seven, half_past)
    assert gun.at == half_past.replace(microsecond=153125)
    assert mark.at == seven.replace(microsecond=907025)


@pytest.mark.parametrize(
    "mail",
    [
        {"tags": None, "commonHeaders": {"messageId": f"<{ID}@shop.example>"}},
        {"tags": {}, "headers": [{"name": "Message-ID", "value": f"<{ID}@shop.example>"}]},
        {"tags": {}, "headers": [{"name": "X-SES-MESSAGE-TAGS", "value": f"a=b, risveglio-message={ID}"}]},
    ],
)
async def test_ses_may_name_our_mail_in_its_headers_only(told: Told, sns: Sns, mail: dict[str, Any]) -> None:
    [event] = await heard(told(), sns.call(samples.ses("Send", **mail)))
    assert (event.message_id, event.provider_id) == (ID, "0102019d1f0c3a5e-6b1a7a53-000000")


async def test_the_message_id_that_we_wrote_serves_where_nothing_is_echoed(told: Told, sendgrid: Sendgrid) -> None:
    [grid] = await heard(told(), sendgrid.call([samples.sendgrid("delivered") | {"risveglio-message": None}]))
    [gun] = await heard(told(), callers.mailgun(samples.mailgun("delivered", **{"user-variables": {}})))
    assert grid.message_id == gun.message_id == ID


async def test_mails_of_others_in_the_same_account_are_none_of_our_business(
    told: Told, sns: Sns, sendgrid: Sendgrid
) -> None:
    theirs = {"risveglio-message": "7", "smtp-id": f"<{OTHER}@other.example>"}
    elsewhere = {"user-variables": {"campaign": "spring"}, "message": {"headers": {"message-id": "1@other.example"}}}
    assert await heard(told(), sns.call(samples.ses("Send", tags={}))) == []
    assert await heard(told(), sendgrid.call([samples.sendgrid("delivered", **theirs)])) == []
    assert await heard(told(), callers.mailgun(samples.mailgun("delivered", **elsewhere))) == []
    assert await heard(told(), callers.postmark(samples.postmark("Delivery", Metadata={}))) == []


async def test_a_mail_whose_address_leads_to_several_is_gone_only_where_all_are(told: Told, sns: Sns) -> None:
    payload = samples.ses_bounce("Permanent", "General", **samples.FAILED)
    full = {"emailAddress": "x@example.org", "status": "5.2.2", "diagnosticCode": "smtp; 552 5.2.2 mailbox full"}
    payload["bounce"]["bouncedRecipients"].append(full)
    [event] = await heard(told(), sns.call(payload))
    assert (event.type, event.address_gone, event.code) == (EventType.BOUNCED, False, "5.2.2")


@pytest.mark.parametrize("message", ["Successfully validated SNS topic for Amazon SES event publishing.\n"])
async def test_the_greeting_of_ses_says_nothing(told: Told, sns: Sns, message: str) -> None:
    assert await heard(told(), sns.call(message)) == []


async def test_repeats_have_the_same_name_and_others_another(told: Told, sns: Sns, sendgrid: Sendgrid) -> None:
    def calls() -> list[WebhookRequest]:
        return [
            *(sns.call(case.payload, MessageId=f"22b80b92-{n}") for n, case in enumerate(samples.SES)),
            *(callers.mailgun(case.payload) for case in samples.MAILGUN),
            *(callers.postmark(case.payload) for case in samples.POSTMARK),
            sendgrid.call([case.payload | {"sg_event_id": f"e{n}"} for n, case in enumerate(samples.SENDGRID)]),
        ]

    channel = told()
    once = [event.event_id for call in calls() for event in await heard(channel, call)]
    again = [event.event_id for call in calls() for event in await heard(channel, call)]
    assert once == again
    # The samples tell of one complaint, one hard bounce and one full mailbox several times.
    twins = {name for name in once if once.count(name) > 1}
    assert {name.partition(":")[0] for name in twins} <= {"ses", "postmark"}


@pytest.mark.parametrize(
    "payload",
    [
        {"eventType": "Bounce", "mail": samples.ses_mail()},
        {"eventType": "Click", "mail": samples.ses_mail(), "click": None},
        {"mail": samples.ses_mail()},
        {"eventType": ["Bounce"], "mail": samples.ses_mail()},
        [],
        "Ci vediamo presto",
    ],
)
async def test_nonsense_that_ses_has_signed_is_told_as_such(told: Told, sns: Sns, payload: Any) -> None:
    call = sns.call(payload if payload != [] else "[]")
    channel = told()
    await channel.prepare(call)
    channel.verify(call)
    with pytest.raises(BadWebhook):
        channel.parse(call)


async def test_what_is_wrong_is_told_without_quoting_it(told: Told) -> None:
    call = callers.mailgun(samples.mailgun("delivered", timestamp="zofia.kowalska@example.com"))
    with pytest.raises(BadWebhook) as bad:
        told().parse(call)
    assert "zofia" not in str(bad.value)
    assert "timestamp" in str(bad.value)


def test_a_report_too_large_is_refused(told: Told) -> None:
    call = msgspec.structs.replace(callers.postmark({}), body=b" " * 1_000_001 + b"{}")
    with pytest.raises(BadWebhook):
        told().parse(call)
