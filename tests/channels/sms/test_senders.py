"""As whom a message goes out: brands, senders of countries, and the pace of each."""

import pytest

from channels.sms.countries import country_of
from gateway.contract import PermanentFailure, RateLimited

SERVICE = "MG" + "1" * 32
US, CANADIAN, BRITISH, ITALIAN = "+12025550101", "+14165550101", "+447700900123", "+393555000000"
SENDERS = [
    {"countries": ["US", "CA"], "sender": "+12025550100"},
    {"countries": ["GB", "IT"], "sender": "Caffe Rio"},
]


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+12025550100", "US"),
        ("+14165550100", "CA"),
        ("+12425550100", "BS"),
        ("+447911123456", "GB"),  # for whom a library guesses Guernsey
        ("+390669812345", "IT"),  # the Vatican
        ("+79161234567", "RU"),
        ("+77011234567", "KZ"),
        ("+48221234567", "PL"),
        ("+302101234567", "GR"),
        ("+88216000000", None),
        ("+99999999999", None),
        ("ciao", None),
    ],
)
def test_a_country_is_read_from_the_calling_code(number, country):
    assert country_of(number) == country


async def test_each_country_is_written_to_by_its_own_sender(opened, twilio, outbound, outcomes):
    numbers = [US, CANADIAN, BRITISH, ITALIAN, "+48221234567"]

    async with opened(senders=SENDERS) as channel:
        await outcomes(channel, *map(outbound, numbers))

    assert {form["To"]: form.get("From") or form["MessagingServiceSid"] for form in twilio.forms} == {
        US: "+12025550100",
        CANADIAN: "+12025550100",
        BRITISH: "Caffe Rio",
        ITALIAN: "Caffe Rio",
        "+48221234567": SERVICE,
    }


async def test_a_brand_has_senders_of_its_own(opened, twilio, outbound, outcomes):
    brands = {
        "outlet": {"sender": "RioOutlet", "senders": [{"countries": ["US"], "sender": "54321"}]},
        "club": {"messaging_service_sid": "MG" + "2" * 32},
    }

    async with opened(senders=SENDERS, brands=brands) as channel:
        assert channel.brands == {"outlet", "club"}
        await outcomes(
            channel, outbound(BRITISH, brand="outlet"), outbound(US, brand="outlet"), outbound(ITALIAN, brand="club")
        )

    assert {form["To"]: form.get("From") or form["MessagingServiceSid"] for form in twilio.forms} == {
        BRITISH: "RioOutlet",
        US: "54321",
        ITALIAN: "MG" + "2" * 32,
    }


@pytest.mark.parametrize(
    ("changes", "config", "code"),
    [
        ({"brand": "nobody"}, {}, "no-such-brand"),
        ({}, {"messaging_service_sid": None, "sender": "Caffe Rio"}, "sender-is-a-name"),
        ({"number": CANADIAN}, {"messaging_service_sid": None, "sender": "Caffe Rio"}, "sender-is-a-name"),
        ({"number": "+5511955500000"}, {"messaging_service_sid": None, "sender": "Rio", "numbers_only": ["BR"]}, None),
        ({"text": ""}, {}, "no-text"),
        ({"text": " \n"}, {}, "no-text"),
        ({"text": "ж" * 1601}, {}, "text-too-long"),
        ({"text": "ж" * 135}, {"most_segments": 2}, "too-many-segments"),
    ],
)
async def test_what_could_never_be_taken_is_refused_here_and_by_the_scales(
    opened, twilio, outbound, outcomes, changes, config, code
):
    message = outbound(**({"number": US} | changes))

    async with opened(**config) as channel:
        with pytest.raises(PermanentFailure) as weighed:
            channel.weigh(message)
        [outcome] = (await outcomes(channel, message)).values()

    assert type(outcome.failure) is PermanentFailure
    assert outcome.failure.code == weighed.value.code == (code or "sender-is-a-name")
    assert message.address.value not in str(outcome.failure)
    assert twilio.forms == []


async def test_a_window_never_outruns_its_sender(opened, twilio, outbound, outcomes):
    batch = [outbound(f"+120255501{n:02}") for n in range(20)]

    async with opened(per_second=0.01) as channel:
        answer = await outcomes(channel, *batch)

    failures = [outcome.failure for outcome in answer.values() if outcome.failure]
    assert len(twilio.forms) == 1
    assert len(failures) == 19
    assert {(type(each), each.code, each.paces_channel) for each in failures} == {(RateLimited, "not-its-turn", False)}
    assert all(90 < each.retry_after_s <= 100 for each in failures)


async def test_what_fits_into_the_window_goes_out_one_turn_after_the_other(opened, twilio, outbound, outcomes):
    async with opened(per_second=100, concurrency=100) as channel:
        answer = await outcomes(channel, *(outbound(f"+120255501{n:02}") for n in range(50)))

    assert all(outcome.failure is None for outcome in answer.values())
    assert len(twilio.forms) == 50


async def test_a_slow_sender_holds_up_no_other(opened, twilio, outbound, outcomes):
    brands = {"outlet": {"sender": "RioOutlet", "per_second": 0.01}}
    slow = [outbound(BRITISH, brand="outlet"), outbound(ITALIAN, brand="outlet")]
    quick = [outbound(f"+4477009001{n:02}") for n in range(30)]

    async with opened(brands=brands, concurrency=1) as channel:
        answer = await outcomes(channel, *slow, *quick)

    assert [answer[message.id].failure is None for message in slow].count(True) == 1
    assert all(answer[message.id].failure is None for message in quick)


async def test_a_sender_of_two_brands_has_one_pace_the_slower(opened, twilio, outbound, outcomes):
    brands = {
        "club": {"sender": "+12025550100", "per_second": 100},
        "outlet": {"sender": "+12025550100", "per_second": 0.01},
    }

    async with opened(brands=brands) as channel:
        await outcomes(channel, outbound(US, brand="club"), outbound(CANADIAN, brand="outlet"))

    assert len(twilio.forms) == 1
