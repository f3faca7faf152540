"""The comparison at the end of the demonstration: each promise, when it is broken, is seen to be."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from msgspec.structs import replace

from gateway.demo.checks import Findings, checks
from gateway.demo.customers import Farewell, Race, Use
from gateway.demo.ledger import Ledger, Piece
from gateway.demo.paper import Mailing, Printed
from gateway.demo.people import Person, Standing, person
from gateway.demo.postbag import Message
from gateway.demo.receivers.twilio_reports import Callback
from gateway.demo.shop import Batch, Count, Forecast, TillReport
from gateway.demo.stall import Market
from gateway.services.earnings import Earned, OfferReport
from gateway.services.report import ChannelReport, JobReport, Outcome, StepReport

NOON = datetime(1998, 7, 1, 12, tzinfo=UTC)
"""In Rome two in the afternoon."""


TOLD = TillReport(received=2, redeemed=1, replayed=0, outcomes={"redeemed": 1, "double_use": 1})


def roman(number: int, standing: Standing = "granted") -> Person:
    return replace(
        person(f"{number:04}", date(1997, 2, 1)), name="Chiara Ventaluna", time_zone="Europe/Rome", standing=standing
    )


CHIARA, ELISA, NOEMI, PERLA = (roman(number) for number in (1, 2, 3, 4))
CODES = {one.id: f"2222-2222-{one.customer}" for one in (CHIARA, ELISA, NOEMI, PERLA)}


USE = Use(
    person=CHIARA,
    channel="email",
    code=CODES[CHIARA.id],
    order_minor=2_000,
    cancelled_sends=0,
    at=NOON + timedelta(hours=1),
)


def message(owner: Person, channel: str, id: str, at: datetime = NOON) -> Message:
    return Message(channel=channel, person=owner, at=at, id=id, code=CODES[owner.id])


MAIL = message(CHIARA, "email", "<m1@records.example>")
SMS = message(ELISA, "sms", "SM1")
PUSH = message(NOEMI, "webpush", "message/1")
CARD = message(PERLA, "postal", CODES[PERLA.id])


def channel(name: str, outcome: str, reason: str | None = None, sends: int = 1) -> ChannelReport:
    return ChannelReport(
        channel=name,
        outcomes=(Outcome(state=outcome, reason=reason, sends=sends),),
        planned=sends,
        sent=0,
        reached=0,
        presumed=0,
        delivered=0,
        bounced=0,
        returned=0,
        in_doubt=0,
        throttled=0,
        yielding=0,
        fallbacks=0,
        fallbacks_reached=0,
        opened=0,
        opened_by_programs=0,
        clicked=0,
        clicked_by_bots=0,
        unsubscribed=0,
        complained=0,
        redeemed=0,
        reversed=0,
        earned=(),
    )


def ledger(*channels: ChannelReport, people: int = 5, redeemed: int = 1, order_minor: int = 2_000) -> Ledger:
    report = JobReport(
        id="job_1",
        name="come back",
        purpose="marketing",
        priority=5,
        state="done",
        accepted_at=NOON,
        expanded_at=NOON,
        ended_at=NOON,
        audience=5,
        entries=5,
        not_entering={},
        ended={"completed": 5},
        in_doubt=0,
        steps=(StepReport(number=1, name="coupon", people=people, people_sent=4, people_reached=4, channels=channels),),
        offers=(
            OfferReport(
                key="winback-15",
                title="−15 %",
                published=4,
                used=redeemed,
                redeemed=redeemed,
                reversed=0,
                redemption_rate=None,
                unattributed=0,
                earned=(Earned(currency="USD", orders=redeemed, order_minor=order_minor),),
            ),
        ),
        segments=(),
        yielded_to=(),
        preferred_over=(),
        lift=None,
        no_lift="nobody was held out",
    )
    accepted = {
        "email": [MAIL.id],
        "sms": [SMS.id],
        "webpush": [f"http://127.0.0.1:1/{PUSH.id}"],
        "postal": [],
    }
    return Ledger(report=report, accepted=accepted)


ARRIVED = (
    channel("email", "accepted"),
    channel("sms", "delivered"),
    channel("webpush", "accepted"),
    channel("postal", "accepted"),
)
LEFT_OUT = channel("email", "skipped", "no_consent")


def good() -> Findings:
    """Four people have a message each, a fifth never agreed; Chiara has bought, Elisa wants no more mail."""
    later = NOON + timedelta(hours=1)
    both = replace(ARRIVED[0], outcomes=(*ARRIVED[0].outcomes, *LEFT_OUT.outcomes))
    return Findings(
        messages=[MAIL, SMS, PUSH, CARD],
        reports=[
            Callback(at=NOON, sid="SM1", status=status, answer=204, attempts=1) for status in ("sent", "delivered")
        ],
        ledger=ledger(both, *ARRIVED[1:]),
        business_at=lambda at: at,
        uses=[USE],
        farewells=[Farewell(person=ELISA, at=later)],
        forecast=Forecast(
            audience=5,
            counts=[
                Count(channel="email", state="skipped", reason="no_consent", recipients=1),
                Count(channel="email", state="queued", reason=None, recipients=4),
            ],
            samples=[],
        ),
        left_out=Counter({("email", "no_consent"): 1}),
        mailing=Mailing(
            batch=Batch(id="bat_1", job="job_1", state="handed_over", pieces=1, printed=1, mailing_at=NOON, files=[]),
            printed=Printed(files=(), pages=2, sides=2, code_ends={1: CODES[PERLA.id][-4:]}),
            pieces=[Piece(sequence=1, person=PERLA, code=CODES[PERLA.id])],
            pull=frozenset(),
        ),
        race=Race(tills=12, sold=1, refused=11),
        market=Market(listed_bytes=0, uses=[USE], report=TOLD, again=TOLD),
    )


def broken(found: Findings) -> list[str]:
    return [check.promise for check in checks(found) if not check.holds]


def test_where_everything_is_right_every_promise_holds() -> None:
    assert broken(good()) == []


def with_messages(*more: Message) -> Callable[[Findings], Findings]:
    return lambda found: replace(found, messages=[*found.messages, *more])


def at_night(found: Findings) -> Findings:
    late = replace(SMS, at=NOON.replace(hour=19))
    return replace(found, messages=[MAIL, late, PUSH, CARD])


def without_consent(found: Findings) -> Findings:
    return replace(found, messages=[replace(MAIL, person=roman(1, "none")), SMS, PUSH, CARD])


def in_spite_of_an_objection(found: Findings) -> Findings:
    return replace(found, messages=[MAIL, SMS, PUSH, replace(CARD, person=roman(4, "withdrawn"))])


def hours_later(original: Message, hours: int, id: str) -> Message:
    return replace(original, at=original.at + timedelta(hours=hours), id=id)


@pytest.mark.parametrize(
    ("what_happens", "promise"),
    [
        (lambda found: replace(found, messages=[SMS, PUSH, CARD]), "mails, by Message-ID: none lost, none twice"),
        (with_messages(MAIL), "mails, by Message-ID: none lost, none twice"),
        (with_messages(hours_later(SMS, 1, "SM2")), "SMS, by Twilio's SID: none lost, none twice"),
        (with_messages(PUSH), "pushes, by their address: none lost, none twice"),
        (lambda found: replace(found, reports=found.reports[:1]), "SMS reports: all on record"),
        (
            lambda found: replace(
                found,
                mailing=replace(found.mailing, printed=Printed(files=(), pages=2, sides=2, code_ends={1: "9999"})),
            ),
            "cards: pages, manifest, ledger, code by code",
        ),
        (without_consent, "messages to people who did not agree"),
        (in_spite_of_an_objection, "messages to people who did not agree"),
        (at_night, "SMS and pushes at night, where the person lives"),
        (
            with_messages(*(hours_later(MAIL, hours, f"<m{hours}@records.example>") for hours in (24, 48, 72))),
            "caps: the most that anybody got in seven days",
        ),
        (
            with_messages(*(hours_later(SMS, hours, f"SM{hours}") for hours in (24, 48))),
            "caps: the most that anybody got in seven days",
        ),
        (with_messages(hours_later(MAIL, 2, "<m2@records.example>")), "messages after the coupon was redeemed"),
        (
            with_messages(message(ELISA, "email", "<m2@records.example>", NOON + timedelta(hours=2))),
            "mails after unsubscribing with one click",
        ),
        (
            with_messages(replace(SMS, id="SM2", code="3333-3333-3333")),
            "people with two codes, over all channels",
        ),
        (lambda found: replace(found, race=Race(tills=12, sold=2, refused=10)), "one code at many tills at once"),
        (
            lambda found: replace(found, market=replace(found.market, report=replace(TOLD, redeemed=2))),
            "tills without a network, told twice",
        ),
        (
            with_messages(hours_later(MAIL, 2, "<m3@records.example>")),
            "last calls to people who had bought at the market",
        ),
        (
            lambda found: replace(found, ledger=ledger(*ARRIVED, LEFT_OUT, order_minor=1_999)),
            "redemptions and revenue",
        ),
        (
            lambda found: replace(found, forecast=replace(found.forecast, audience=6)),
            "everybody selected has an outcome",
        ),
        (
            lambda found: replace(found, forecast=replace(found.forecast, counts=found.forecast.counts[1:])),
            "the preview foretold who is left out, and why",
        ),
        (
            lambda found: replace(found, ledger=ledger(*ARRIVED, channel("email", "in_doubt", "connection-lost"))),
            "sends without an outcome, or in doubt",
        ),
    ],
)
def test_a_broken_promise_is_found(what_happens: Callable[[Findings], Findings], promise: str) -> None:
    assert promise in broken(what_happens(good()))


def test_pushes_to_two_devices_of_one_person_are_one_message() -> None:
    twice = [
        replace(PUSH, id=f"message/{hours}-{device}", at=NOON + timedelta(hours=hours, seconds=device))
        for hours in (0, 24, 48)
        for device in (1, 2)
    ]
    found = good()
    assert "caps: the most that anybody got in seven days" not in broken(
        replace(found, messages=[MAIL, SMS, *twice, CARD])
    )
