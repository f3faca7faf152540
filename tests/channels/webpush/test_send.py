"""Notifications that a push service takes, decrypts and believes to be ours."""

from datetime import UTC, datetime, timedelta

import pytest

from channels.webpush import WebPushChannel
from gateway.contract import PermanentFailure

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FOUR_WEEKS_S = 2_419_200


async def test_an_accepted_notification_carries_the_services_own_address_of_it(channel, service, outbound, outcomes):
    address = service.subscribe()

    [outcome] = (await outcomes(channel, outbound(address))).values()

    assert outcome.failure is None
    assert outcome.provider_id == address.value.replace("/push/", "/message/")


async def test_the_browser_decrypts_what_was_written(channel, service, outbound, outcomes):
    parts = {
        "title": "Ειρήνη, μας λείπεις! Ждём вас 🎁",
        "body": "Wróć do nas, Łukasz\nשלום \u200fمرحبا",
        "url": "https://shop.example.com/c/abc?x=1&y=2",
        "icon": "https://shop.example.com/icon.png",
    }

    url = "https://gateway.example.com/hooks/webpush/m-1"
    await outcomes(channel, outbound(service.subscribe(), parts=parts, status_url=url))

    [received] = service.received
    assert received.payload == {**parts, "tag": received.headers["Topic"], "lang": "el-GR", "status_url": url}


async def test_what_a_message_has_not_its_payload_has_not_either(channel, service, outbound, outcomes):
    await outcomes(channel, outbound(service.subscribe()))

    assert set(service.received[0].payload) == {"title", "body", "tag", "lang"}


async def test_the_service_can_tell_who_we_are(channel, service, outbound, outcomes, clock_s):
    await outcomes(channel, outbound(service.subscribe()))

    [received] = service.received
    assert received.claims["aud"] == service.url
    assert received.claims["sub"] == "mailto:push@example.com"
    assert clock_s + 11 * 3600 < received.claims["exp"] < clock_s + 13 * 3600
    assert received.public_key == channel.published["application_server_key"]


async def test_each_push_service_gets_a_header_of_its_own(channel, service, other_service, outbound, outcomes):
    for _ in range(2):
        await outcomes(channel, outbound(service.subscribe()), outbound(other_service.subscribe()))

    assert [r.claims["aud"] for r in service.received] == [service.url] * 2
    assert [r.claims["aud"] for r in other_service.received] == [other_service.url] * 2


async def test_a_header_is_signed_once_per_push_service(channel, service, outbound, outcomes):
    await outcomes(channel, *(outbound(service.subscribe()) for _ in range(5)))

    assert len({received.headers["Authorization"] for received in service.received}) == 1


@pytest.mark.parametrize(
    ("expires_at", "ttl_s"),
    [
        (None, FOUR_WEEKS_S),
        (NOW + timedelta(days=90), FOUR_WEEKS_S),
        (NOW + timedelta(hours=2), 7200),
        (NOW + timedelta(seconds=1), 1),
    ],
)
async def test_the_service_keeps_it_as_long_as_it_is_worth_it(channel, service, outbound, outcomes, expires_at, ttl_s):
    await outcomes(channel, outbound(service.subscribe(), expires_at=expires_at))

    assert service.received[0].headers["TTL"] == str(ttl_s)


async def test_a_notification_that_is_too_late_never_leaves(channel, service, outbound, outcomes):
    [outcome] = (await outcomes(channel, outbound(service.subscribe(), expires_at=NOW))).values()

    assert type(outcome.failure) is PermanentFailure
    assert outcome.failure.code == "expired"
    assert service.posts == 0


@pytest.mark.parametrize(("urgent", "urgency"), [(False, "normal"), (True, "high")])
async def test_urgent_messages_may_wake_the_device(channel, service, outbound, outcomes, urgent, urgency):
    await outcomes(channel, outbound(service.subscribe(), urgent=urgent))

    assert service.received[0].headers["Urgency"] == urgency


async def test_one_topic_per_job_and_recipient_tells_nothing_of_either(channel, service, outbound, outcomes):
    address = service.subscribe()
    for job, person in [("j-1", "crm-1"), ("j-1", "crm-1"), ("j-2", "crm-1"), ("j-1", "crm-2")]:
        await outcomes(channel, outbound(address, job_id=job, recipient_id=person))

    first, repeated, other_job, other_person = (received.headers["Topic"] for received in service.received)
    assert first == repeated
    assert len({first, other_job, other_person}) == 3
    assert "crm" not in first


async def test_a_window_is_posted_in_parallel_up_to_the_limit(opened, service, outbound, outcomes):
    service.hold = 5
    batch = [outbound(service.subscribe()) for _ in range(50)]

    async with opened(concurrency=5) as channel:
        answer = await outcomes(channel, *batch)

    assert service.most_at_once == 5
    expected = {m.id: m.address.value.replace("/push/", "/message/") for m in batch}
    assert {key: outcome.provider_id for key, outcome in answer.items()} == expected


async def test_an_outcome_is_yielded_while_another_post_still_runs(channel, service, outbound):
    quick, slow = outbound(service.subscribe()), outbound(service.subscribe(service.silent))

    stream = channel.send([slow, quick])
    first = await anext(stream)
    await stream.aclose()

    assert first.message_id == quick.id


async def test_a_payload_of_three_thousand_bytes_travels_and_one_more_does_not(channel, service, outbound, outcomes):
    frame = len('{"title":"","body":"","tag":"","lang":"el-GR"}') + 32 + len("Ciao")
    fits = outbound(service.subscribe(), parts={"title": "Ciao", "body": "x" * (3000 - frame)})
    too_long = outbound(service.subscribe(), parts={"title": "Ciao", "body": "x" * (3001 - frame)})

    answer = await outcomes(channel, fits, too_long)

    assert answer[fits.id].failure is None
    assert service.received[0].bytes == channel.weigh(fits).bytes == 3103
    with pytest.raises(PermanentFailure, match="payload-too-large"):
        channel.weigh(too_long)
    assert type(answer[too_long.id].failure) is PermanentFailure
    assert answer[too_long.id].failure.code == "payload-too-large"


async def test_the_longest_text_that_the_capabilities_allow_may_be_too_long_in_bytes(
    channel, service, outbound, outcomes
):
    limits = WebPushChannel.capabilities.parts
    parts = {"title": "Ж" * limits["title"].max_chars, "body": "Ж" * limits["body"].max_chars}

    [outcome] = (await outcomes(channel, outbound(service.subscribe(), parts=parts))).values()

    assert outcome.failure is None
