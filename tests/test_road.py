"""The whole road inside one process, without workers: to see that the pieces meet."""

import msgspec
from datetime import UTC, datetime, timedelta

from gateway.contract import Capabilities, EventType, Outcome, Part, ProviderEvent
from gateway.domain.consent import ConsentRow
from gateway.domain.job import JobInput
from gateway.domain.offer import Offer
from gateway.domain.policy import CapRule, Policies
from gateway.domain.recipient import RecipientInput
from gateway.domain.tokens import KeyRing
from gateway.services import accept, claim, compose, consent, expand, follow, people, preview, record, redeem, track
from gateway.services.installation import Installation
from gateway.storage import clock, offers, sends, jobs
from gateway.storage.database import Database

EMAIL = Capabilities(address_kind="email", parts={"subject": Part(kind="line"), "text": Part(kind="text")})
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def installation() -> Installation:
    return Installation(
        policies=Policies(caps=(CapRule(name="two-a-week", max=2, window=timedelta(days=7)),)),
        keys=KeyRing(1, {1: b"k" * 32}, b"p" * 32),
        channels={"email": EMAIL},
        public_url="https://gateway.example.com",
    )


def test_the_road(db: Database) -> None:
    house = installation()
    with db.transaction() as tx:
        clock.move(tx, NOW)
        for n in range(10):
            people.put(tx, house, msgspec.convert({"id": f"c-{n}", "name": f"N {n}", "locale": "it-IT",
                "addresses": [{"kind": "email", "value": f"c{n}@example.com"}]}, RecipientInput))
        consent.record(tx, house, [ConsentRow(recipient=f"c-{n}", channel="email", purpose="marketing", action="granted", at=NOW, source="form") for n in range(8)], "test")
        offers.add(tx, Offer(key="w15", title="15 %", kind="percentage", value=15, valid_for=timedelta(hours=72)), NOW)
    job = msgspec.convert({
        "name": "wake", "purpose": "marketing", "offer": "w15",
        "audience": {"kind": "matching", "where": {"op": "everyone"}},
        "steps": [
            {"name": "coupon", "channels": ["email"], "content": {"email": {"en": {"subject": "Hi {{ recipient.name }}", "text": "{{ coupon.code }} {{ track('https://shop.example.com/') }}"}}}},
            {"name": "reminder", "channels": ["email"], "after": "P1D", "content": {"email": {"en": {"subject": "Hi", "text": "{{ coupon.code }}"}}}},
        ]}, JobInput)
    examined = accept.examine(house, job)
    with db.snapshot() as tx:
        forecast = preview.preview(tx, house, "me", examined)
    with db.transaction() as tx:
        accept.accept(tx, house, "me", examined, "job_x")
    with db.transaction() as tx:
        assert expand.due_jobs(tx) == [1]
        assert expand.expand_page(tx, house, 1, 1000) == 10
    with db.snapshot() as tx:
        counts = {(row.state, row.reason): row.count for row in sends.counts(tx, 1)}
    assert counts == {("queued", None): 8, ("skipped", "no_consent"): 2}
    assert {(c.state, c.reason): c.recipients for c in forecast.counts} == counts

    def pump() -> list[tuple[str, ...]]:
        out = []
        with db.snapshot() as tx:
            places = claim.places_due(tx, "email")
        for place in places:
            with db.transaction() as tx:
                taken = claim.claim(tx, house, "email", place, worker="w", lease=timedelta(seconds=60), limit=200)
            if not isinstance(taken, claim.Claim):
                continue
            with db.snapshot() as tx:
                drafts = compose.drafts_of(tx, house, "email", taken.members)
            with db.transaction() as tx:
                started = record.start(tx, taken, list(taken.members), timedelta(seconds=60))
            assert started == set(taken.members)
            answered = []
            for draft in drafts.drafts:
                [message] = compose.outbounds(house, "email", draft, "en", {"subject": "x"})
                out.append(message)
                answered.append(record.Answered(key=draft.key, outcomes=((draft.addresses[0][0], Outcome.accepted(message, message.id)),)))
            with db.transaction() as tx:
                record.record(tx, house, taken, answered, [], timedelta(seconds=60))
            with db.transaction() as tx:
                record.close(tx, taken)
        return out

    first = pump()
    assert len(first) == 8
    with db.transaction() as tx:
        assert track.report(tx, house, "email", ProviderEvent(type=EventType.DELIVERED, event_id="e1", message_id=first[0].id))
        assert not track.report(tx, house, "email", ProviderEvent(type=EventType.DELIVERED, event_id="e1", message_id=first[0].id))
        used = redeem.redeem(tx, first[1].coupon.code, redeem.Use(), "till")
        assert redeem.validate(tx, first[1].coupon.code, None).reasons == ("redeemed",)
    with db.transaction() as tx:
        clock.move(tx, NOW + timedelta(days=1, minutes=1))
    with db.transaction() as tx:
        shards = follow.due_shards(tx)
    planned = 0
    for shard in shards:
        with db.transaction() as tx:
            planned += follow.plan_due(tx, house, shard, 100)
    assert planned == 7
    second = pump()
    assert {m.coupon.code for m in second} == {m.coupon.code for m in first} - {used.code}
    with db.transaction() as tx:
        assert jobs.finish(tx, NOW) == 1
        counts = {(row.step, row.state, row.reason): row.count for row in sends.counts(tx, 1)}
    assert counts == {(0, "accepted", None): 7, (0, "delivered", None): 1, (0, "skipped", "no_consent"): 2, (1, "accepted", None): 7}
