"""The report of a job: every number has its source in the ledger, and they add up."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from gateway.contract import EventType, Outbound, Outcome, OutcomeUnknown, PermanentFailure
from gateway.services import report
from gateway.services.earnings import OfferReport
from gateway.services.problems import NotFound
from gateway.services.report import ChannelReport, JobReport
from gateway.storage import suppressions

if TYPE_CHECKING:
    from tests.services.conftest import Road

DAY = timedelta(days=1)
ONE, TWO = {"channels": ["email"]}, {"channels": ["email"], "after": "P1D"}


def email(n: int) -> dict[str, Any]:
    return {"kind": "email", "value": f"c{n}@example.com"}


def phone(n: int) -> dict[str, Any]:
    return {"kind": "phone", "value": f"+1202555010{n}"}


def home(n: int) -> dict[str, Any]:
    return {
        "kind": "postal",
        "data": {"street": f"Via Roma {n}", "postcode": "10121", "city": "Torino", "country": "IT"},
    }


def read(road: "Road", id: str = "job_x") -> JobReport:
    with road.db.snapshot() as tx:
        found = report.of_job(tx, id)
    adds_up(found)
    return found


def adds_up(found: JobReport) -> None:
    """What must hold of every report."""
    assert found.audience == found.entries + sum(found.not_entering.values())
    assert sum(found.ended.values()) == found.entries
    assert found.steps[0].people == found.entries
    for step in found.steps:
        firsts = sum(channel.planned - channel.fallbacks for channel in step.channels)
        assert step.people == firsts >= step.people_sent >= step.people_reached
        assert max((channel.reached for channel in step.channels), default=0) <= step.people_reached
    channels = [channel for step in found.steps for channel in step.channels]
    for channel in channels:
        assert sum(outcome.sends for outcome in channel.outcomes) == channel.planned
        assert channel.delivered + channel.bounced + channel.returned + channel.in_doubt <= channel.sent
        assert channel.presumed + channel.delivered <= channel.reached <= channel.sent
        assert channel.fallbacks_reached <= channel.fallbacks
        assert channel.clicked + channel.clicked_by_bots <= channel.planned
    assert found.in_doubt == sum(channel.in_doubt for channel in channels)
    redeemed = sum(offer.redeemed - offer.unattributed for offer in found.offers)
    assert redeemed == sum(channel.redeemed for channel in channels)
    assert sum(offer.used for offer in found.offers) <= sum(offer.published for offer in found.offers)
    if found.segments:
        assert sum(segment.people for segment in found.segments) == found.entries
        for measure in ("published", "used", "redeemed", "reversed"):
            by_offer = sum(getattr(offer, measure) for offer in found.offers)
            assert by_offer == sum(getattr(segment, measure) for segment in found.segments)


def orders(found: ChannelReport | OfferReport) -> list[tuple[str, int, int]]:
    return [(earned.currency, earned.orders, earned.order_minor) for earned in found.earned]


def the_offer(found: JobReport) -> OfferReport:
    [one] = found.offers
    return one


def on(found: JobReport, step: int, channel: str) -> ChannelReport:
    [one] = [each for each in found.steps[step - 1].channels if each.channel == channel]
    return one


def outcomes(channel: ChannelReport) -> dict[tuple[str, str | None], int]:
    return {(each.state, each.reason): each.sends for each in channel.outcomes}


def test_a_job_that_nobody_knows_is_told(road: "Road") -> None:
    with road.db.snapshot() as tx, pytest.raises(NotFound, match="job_nothing"):
        report.of_job(tx, "job_nothing")


def test_a_job_without_an_audience_reports_zeros(road: "Road") -> None:
    road.job(ONE, TWO)
    found = read(road)
    assert (found.audience, found.entries, found.ended, found.offers) == (0, 0, {}, ())
    assert [(step.number, step.name, step.channels) for step in found.steps] == [(1, "step-1", ()), (2, "step-2", ())]
    assert {(step.people, step.people_sent, step.people_reached) for step in found.steps} == {(0, 0, 0)}
    assert (found.yielded_to, found.preferred_over, found.lift) == ((), (), None)


def test_who_is_not_sent_to_is_counted_by_reason(road: "Road") -> None:
    for n in range(4):
        road.person(f"c-{n}", email(n))
    road.person("c-5", phone(5))
    road.person("c-6", email(6), channels=())
    road.person("c-7", email(7))
    with road.db.transaction() as tx:
        digest = road.house.keys.hash_address("email", "c7@example.com")
        suppressions.add(tx, [("email", digest)], "bounced", "test", road.now(tx))
    ids = [f"c-{n}" for n in (0, 1, 2, 3, 5, 6, 7)] + ["stranger-1", "stranger-2"]
    road.job(ONE, audience={"kind": "ids", "ids": ids})
    found = read(road)
    assert (found.audience, found.entries, found.not_entering) == (9, 7, {"unknown recipient": 2})
    assert outcomes(on(found, 1, "email")) == {
        ("queued", None): 4,
        ("skipped", "no_address"): 1,
        ("skipped", "no_consent"): 1,
        ("skipped", "suppressed"): 1,
    }
    assert found.ended == {"active": 4, "not_sent": 3}


def test_every_outcome_of_a_message_is_counted_where_it_stands_now(road: "Road") -> None:
    for n in range(8):
        road.person(f"c-{n}", email(n))
    road.job(ONE)

    def answer(message: Outbound) -> Outcome:
        failures = {
            "c-0": OutcomeUnknown("lost", "no answer"),
            "c-1": PermanentFailure("550", "refused"),
        }
        failure = failures.get(message.recipient_id)
        return Outcome.failed(message, failure) if failure else Outcome.accepted(message, message.id)

    sent = road.pump("email", answer)
    for n in (2, 3, 4):
        road.report(sent[f"c-{n}"], EventType.DELIVERED)
    road.report(sent["c-4"], EventType.BOUNCED)
    road.report(sent["c-5"], EventType.BOUNCED)
    found = read(road)
    one = on(found, 1, "email")
    assert (one.planned, one.sent, one.delivered, one.bounced, one.in_doubt) == (8, 7, 2, 2, 1)
    assert outcomes(one)[("failed", "550")] == 1
    assert found.in_doubt == 1


def test_reactions_count_sends_and_keep_people_and_bots_apart(road: "Road") -> None:
    for n in range(6):
        road.person(f"c-{n}", email(n))
    road.job(ONE)
    sent = road.pump("email")
    for by in ("human", "human", "bot"):
        road.click(sent["c-0"], by)
    for _ in range(3):
        road.click(sent["c-1"], "bot")
    road.report(sent["c-2"], EventType.CLICKED)
    road.report(sent["c-3"], EventType.UNSUBSCRIBED)
    road.report(sent["c-4"], EventType.COMPLAINED)
    road.report(sent["c-4"], EventType.OPENED)
    one = on(read(road), 1, "email")
    assert (one.clicked, one.clicked_by_bots, one.unsubscribed, one.complained) == (2, 1, 1, 1)
    assert (one.opened, one.opened_by_programs) == (1, 0)


def test_a_redemption_belongs_to_the_last_message_before_it(road: "Road") -> None:
    for n in range(4):
        road.person(f"c-{n}", email(n))
    road.offer()
    road.job(ONE, TWO, offer="w15")
    first = road.pump("email")
    road.redeem(first["c-0"], order_minor=1990, currency="EUR")
    road.to(road.noon + 2 * DAY)
    road.plan_due()
    second = road.pump("email")
    assert set(second) == {"c-1", "c-2", "c-3"}
    road.redeem(first["c-1"], order_minor=1000, currency="EUR")
    road.redeem(second["c-2"], order_minor=500, currency="USD")
    found = read(road)
    one, two = on(found, 1, "email"), on(found, 2, "email")
    assert (one.redeemed, orders(one)) == (1, [("EUR", 1, 1990)])
    assert two.redeemed == 2
    assert orders(two) == [("EUR", 1, 1000), ("USD", 1, 500)]
    assert (the_offer(found).published, the_offer(found).redeemed, the_offer(found).redemption_rate) == (4, 3, 0.75)
    assert orders(the_offer(found)) == [("EUR", 2, 2990), ("USD", 1, 500)]
    assert found.ended == {"completed": 3, "redeemed": 1}


def test_a_message_that_was_refused_earns_nothing(road: "Road") -> None:
    road.person("c-0", email(0))
    road.offer()
    road.job(ONE, TWO, offer="w15")
    first = road.pump("email")
    road.to(road.noon + 2 * DAY)
    road.plan_due()
    road.pump("email", lambda message: Outcome.failed(message, PermanentFailure("550", "refused")))
    road.redeem(first["c-0"])
    found = read(road)
    assert (on(found, 1, "email").redeemed, on(found, 2, "email").redeemed) == (1, 0)


def test_a_message_that_bounced_after_its_acceptance_still_came_before(road: "Road") -> None:
    road.person("c-0", email(0))
    road.offer()
    road.job(ONE, offer="w15")
    sent = road.pump("email")
    road.redeem(sent["c-0"])
    road.to(road.noon + DAY)
    road.report(sent["c-0"], EventType.FAILED)
    found = read(road)
    assert on(found, 1, "email").redeemed == 1
    assert the_offer(found).unattributed == 0


def test_a_code_known_before_anything_was_accepted_is_nobodys_merit(road: "Road") -> None:
    road.person("c-0", email(0))
    road.offer()
    road.job(ONE, offer="w15")
    sent = road.pump("email", lambda message: Outcome.failed(message, PermanentFailure("550", "refused")))
    road.redeem(sent["c-0"], order_minor=100, currency="EUR")
    found = read(road)
    assert (the_offer(found).redeemed, the_offer(found).unattributed) == (1, 1)
    assert orders(the_offer(found)) == [("EUR", 1, 100)]


def test_a_card_counts_from_its_mailing_and_not_from_its_hand_over(road: "Road") -> None:
    for n in range(2):
        road.person(f"c-{n}", email(n), home(n), channels=("email", "postal"))
    road.offer(valid_for="P30D")
    road.job(ONE, {"channels": ["postal"], "after": "P1D"}, offer="w15")
    first = road.pump("email")
    road.to(road.noon + 2 * DAY)
    road.plan_due()
    road.mail(road.noon + 5 * DAY)
    road.to(road.noon + 4 * DAY)
    road.redeem(first["c-0"])
    road.to(road.noon + 9 * DAY)
    road.redeem(first["c-1"])
    found = read(road)
    assert (on(found, 1, "email").redeemed, on(found, 2, "postal").redeemed) == (1, 1)


def test_an_order_without_a_value_is_a_redemption_and_no_order(road: "Road") -> None:
    for n in range(2):
        road.person(f"c-{n}", email(n))
    road.offer()
    road.job(ONE, offer="w15")
    sent = road.pump("email")
    road.redeem(sent["c-0"], currency="EUR")
    road.redeem(sent["c-1"], order_minor=0, currency="EUR")
    one = on(read(road), 1, "email")
    assert (one.redeemed, orders(one)) == (2, [("EUR", 1, 0)])


def test_a_person_who_is_in_two_jobs_is_counted_in_each_alone(road: "Road") -> None:
    road.person("c-0", email(0))
    road.offer()
    road.job(ONE, offer="w15")
    road.job(ONE, id="job_y", offer="w15")
    sent: dict[str, Outbound] = {}

    def answer(message: Outbound) -> Outcome:
        sent[message.job_id] = message
        return Outcome.accepted(message, message.id)

    for _ in range(2):
        road.pump("email", answer)
    road.click(sent["job_x"])
    road.redeem(sent["job_y"])
    x, y = on(read(road, "job_x"), 1, "email"), on(read(road, "job_y"), 1, "email")
    assert (x.clicked, x.redeemed, y.clicked, y.redeemed) == (1, 0, 0, 1)


def test_fallback_channels_are_counted_where_the_decision_fell(road: "Road") -> None:
    road.person("c-0", email(0))
    road.person("c-1", phone(1), channels=("sms",))
    road.person("c-2", phone(2), channels=())
    road.job({"channels": ["email", "sms"]})
    found = read(road)
    assert outcomes(on(found, 1, "email")) == {("queued", None): 1}
    assert outcomes(on(found, 1, "sms")) == {("queued", None): 1, ("skipped", "no_consent"): 1}


def test_counting_takes_the_same_number_of_queries_for_any_number_of_people(road: "Road") -> None:
    counts = []
    for n in range(6):
        road.person(f"c-{n}", email(n))
        road.job(ONE, id=f"job_{n}")
        with road.db.snapshot() as tx:
            asked: list[str] = []
            event.listen(tx, "before_cursor_execute", lambda *args, asked=asked: asked.append(args[2]))
            report.of_job(tx, f"job_{n}")
        counts.append(len(asked))
    assert len(set(counts)) == 1
    assert counts[0] <= 12
