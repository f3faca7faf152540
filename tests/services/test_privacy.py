"""What a person may ask of us: to have everything that is known of them, and to be forgotten."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from gateway.contract import EventType, ProviderEvent, TransientFailure
from gateway.domain.consent import ConsentRow
from gateway.domain.preferences import OwnCap, Preferences
from gateway.domain.recipient import ActivityInput
from gateway.services import consent, expand, mailing, merge, printing, privacy, redeem, report, timeline, track, visit
from gateway.services.privacy import Erased, PersonalRecord
from gateway.services.problems import NotFound
from gateway.storage import activities, audit, clock, consents, preferences, recipients, sends, suppressions
from gateway.storage.tables import metadata, opt_ins
from tests.builders import EVERYONE, NOW, World, job, postal, step

CANARY = "kanarek"
"""In every place where something personal can be."""
_numbers = itertools.count(1)


def erased(world: World, id: str = "ada") -> Erased:
    with world.db.transaction() as tx:
        return privacy.erase(tx, world.house, id, f"erased_{next(_numbers)}", "shop")


def exported(world: World, id: str = "ada") -> PersonalRecord:
    with world.db.transaction() as tx:
        return privacy.export(tx, id, "shop")


def kept(world: World, text: str = CANARY) -> set[str]:
    """The tables that hold the text anywhere."""
    with world.db.snapshot() as tx:
        return {
            table.name
            for table in metadata.sorted_tables
            for row in tx.execute(select(table))
            if text in str([bytes(value) if isinstance(value, memoryview) else value for value in row])
        }


@pytest.fixture
def ada(world: World) -> World:
    """Somebody of whom everything is known that can be."""
    world.people(
        "ada",
        grants=("email", "sms", "postal"),
        name=f"Ада {CANARY} Λ",
        locale="ru-RU",
        time_zone="Europe/Rome",
        country="IT",
        attributes={CANARY: CANARY},
        addresses=[
            {"kind": "email", "value": f"{CANARY}@example.com"},
            {"kind": "phone", "value": "+12025550142"},
            postal(1, street=f"Via {CANARY} 1"),
        ],
    )
    world.offer()
    bought = {"recipient": "ada", "kind": "purchase", "at": NOW, "id": f"order-{CANARY}", "data": {"shop": CANARY}}
    with world.db.transaction() as tx:
        activity = msgspec.convert(bought | {"amount_minor": 990, "currency": "EUR"}, ActivityInput)
        activities.add(tx, [(recipients.ids_of(tx, ["ada"])["ada"], activity)])
    with world.db.transaction() as tx:
        row = ConsentRow(
            recipient="ada",
            channel="email",
            purpose="survey",
            action="granted",
            at=NOW,
            source=f"form:https://shop.example/?c={CANARY}",
            text_version="v7",
            evidence={"ip": CANARY},
        )
        consent.record(tx, world.house, [row], "shop")
        [id] = recipients.ids_of(tx, ["ada"]).values()
        wish = Preferences(cap=OwnCap(max=9, window=timedelta(days=1)))
        preferences.put(tx, id, wish, CANARY, NOW)
        asked = {"recipient_id": id, "channel": "email", "purposes": ["survey"], "address_hash": "h", "source": CANARY}
        until = {"requested_at": NOW, "expires_at": NOW + timedelta(days=7), "actor": "shop"}
        tx.execute(opt_ins.insert().values(asked | until | {"evidence": {"agent": CANARY}}))
    return world


def _audience(profile: dict[str, Any] | None = None) -> dict[str, Any]:
    given = {"id": "ada", "variables": {"greeting": CANARY}} | ({"profile": profile} if profile else {})
    return {"kind": "inline", "recipients": [given]}


@pytest.fixture
def written_to(ada: World) -> World:
    """Ada got a mail with a coupon, after a first try that failed, clicked and redeemed; a reminder would follow."""
    two = (step("one", text="{{ coupon.code }}"), step("two", after="P1D", only_if="always"))
    ada.run(*two, offer="w15", audience=_audience())
    ada.pump(answer=lambda _: TransientFailure("smtp-451", f"greylisted, says {CANARY}"))
    ada.later(hours=1)
    [message] = ada.pump()
    ada.report(EventType.DELIVERED, message, detail=f"<{CANARY}@example.com> taken")
    ada.click(ada.key_of(message))
    assert message.coupon is not None
    with ada.db.transaction() as tx:
        use = redeem.Use(order_id=CANARY, order_minor=5000, currency="EUR", place=CANARY)
        redeem.redeem(tx, message.coupon.code, use, "till")
    return ada


def test_nothing_is_left_that_tells_who_it_was(written_to: World) -> None:
    assert len(kept(written_to)) > 8, "it was everywhere"
    answer = erased(written_to)
    assert answer.addresses_suppressed == 3
    assert kept(written_to) == set()
    assert kept(written_to, "ada") == set()
    with written_to.db.snapshot() as tx:
        row = recipients.get(tx, answer.tombstone)
        assert row is not None
        assert row.erased_at is not None
        assert recipients.get(tx, "ada") is None
        proof = {(each.channel, each.purpose): each for each in consents.of_recipient(tx, row.id)}
    told = proof["email", "survey"]
    assert (told.action, told.at, told.text_version, told.source, told.evidence) == ("granted", NOW, "v7", "form", {})


def test_the_reports_are_the_same_before_and_after(written_to: World) -> None:
    with written_to.db.snapshot() as tx:
        before = report.of_job(tx, "job-1")
    erased(written_to)
    with written_to.db.snapshot() as tx:
        assert report.of_job(tx, "job-1") == before
    assert [offer.redeemed for offer in before.offers] == [1]


def test_what_comes_in_late_does_no_harm_and_brings_nothing_back(ada: World) -> None:
    ada.run(step("one", text="{{ coupon.code }}"), step("two", after="P1D"), offer="w15", audience=_audience())
    taken = ada.claim()
    messages = ada.begin(taken)
    [[(_, message)]] = messages.values()
    answer = erased(ada)
    assert len(answer.sending) == 1
    ada.record(taken, messages, lambda _: f"p-{CANARY[:3]}")
    ada.close(taken)
    ada.report(EventType.OPENED, message, detail=f"opened by {CANARY}")
    ada.report(EventType.BOUNCED, message, detail=f"no such user {CANARY}", address_gone=True)
    event = ProviderEvent(type=EventType.COMPLAINED, event_id="c", provider_id="p-kan", detail=CANARY)
    ref = ada.house.keys.open_ref("message", message.id)
    with ada.db.transaction() as tx:
        assert track.report(tx, ada.house, "email", event)
        visit.followed(tx, ref, "human")
        assert track.unsubscribe(tx, ada.house, ref, "one-click")
    assert kept(ada) == set(), "at once"
    assert message.coupon is not None
    with ada.db.transaction() as tx:
        used = redeem.redeem(tx, message.coupon.code, redeem.Use(order_id=CANARY), "till")
    assert used.recipient == answer.tombstone
    assert kept(ada) == {"redemptions"}
    with ada.db.transaction() as tx:
        assert privacy.sweep(tx) == 1
    assert kept(ada) == set()
    with ada.db.snapshot() as tx:
        assert timeline.of_recipient(tx, ada.house, answer.tombstone).items


def test_what_is_pending_is_cancelled_and_what_is_sending_is_told(ada: World) -> None:
    first = ada.run(audience=_audience())
    second = ada.run(step(channels=["sms"]), audience=_audience())
    third = ada.run(step(channels=["postal"]), audience=_audience())
    ada.pump("postal")
    ada.begin(ada.claim())
    with ada.db.snapshot() as tx:
        key = ada.key(first, "ada")
        letter = ada.key(third, "ada", channel="postal")
        pending = ada.key(second, "ada", channel="sms")
    answer = erased(ada)
    assert (answer.entries_ended, answer.cancelled, len(answer.sending)) == (3, 2, 1)
    assert ada.house.keys.open_ref("send", answer.sending[0]).key == key
    with ada.db.snapshot() as tx:
        rows = sends.get(tx, [key, pending, letter])
    assert [(rows[each].state, rows[each].reason) for each in (pending, letter)] == [("cancelled", "erased")] * 2
    assert rows[key].state == "sending"


def test_a_letter_that_is_printed_is_told_and_pulled(ada: World) -> None:
    ada.run(step(channels=["postal"]), audience=_audience())
    ada.pump("postal")
    with ada.db.snapshot() as tx:
        [batch] = printing.all_of_them(tx)
    ada.print_out(batch.id)
    answer = erased(ada)
    assert (answer.letters, answer.cancelled) == ((batch.id,), 1)
    with ada.db.transaction() as tx:
        assert mailing.hand_over(tx, ada.house, batch.id).pull == (1,)


def test_whoever_is_imported_again_is_somebody_new_whose_address_is_suppressed(ada: World) -> None:
    answer = erased(ada)
    ada.people("ada", addresses=[{"kind": "email", "value": f"{CANARY}@example.com"}])
    job_id = ada.run()
    assert ada.state(job_id, "ada") == ("skipped", "suppressed")
    assert ada.pump() == []
    with ada.db.snapshot() as tx:
        both = recipients.ids_of(tx, ["ada", answer.tombstone])
    assert len(set(both.values())) == 2


def test_a_job_that_has_not_entered_yet_does_not_make_the_person_anew(ada: World) -> None:
    profile = {"name": CANARY, "addresses": [{"kind": "email", "value": "other@example.com"}]}
    inline = ada.accept(job(audience=_audience(profile)))
    named = ada.accept(job(audience={"kind": "ids", "ids": ["ada"]}))
    everyone = ada.accept(job(audience=EVERYONE))
    answer = erased(ada)
    for job_id in (inline, named, everyone):
        ada.expand(job_id)
    for job_id in (inline, named):
        assert ada.state(job_id, answer.tombstone) == ("skipped", "erased")
    assert ada.counts(everyone) == {}
    assert kept(ada) == set()


def test_a_merged_person_is_forgotten_under_every_name(ada: World) -> None:
    ada.people("ada-old", name=CANARY)
    ada.run(audience={"kind": "ids", "ids": ["ada-old"]})
    [message] = ada.pump()
    with ada.db.transaction() as tx:
        merge.merge(tx, ada.house, "ada-old", "ada", "merged_1", "shop")
    erased(ada, "ada-old")
    assert kept(ada) == kept(ada, "ada-old") == set()
    assert ada.report(EventType.BOUNCED, message, detail=CANARY)
    assert kept(ada) == set()
    with pytest.raises(NotFound):
        erased(ada)


def test_nobody_is_erased_twice(ada: World) -> None:
    answer = erased(ada)
    for id in ("ada", answer.tombstone, "nobody"):
        with pytest.raises(NotFound):
            erased(ada, id)
        with pytest.raises(NotFound):
            exported(ada, id)


def test_an_export_holds_all_that_was_stored(written_to: World) -> None:
    written_to.people("ada-old", grants=())
    with written_to.db.transaction() as tx:
        merge.merge(tx, written_to.house, "ada-old", "ada", "merged_1", "shop")
    found = exported(written_to)
    whole = msgspec.to_builtins(found)
    empty = {name for name, value in whole.items() if value == []}
    assert empty == {
        "suppressions",
        "soft_bounces",
        "screenings",
        "not_entered",
        "doubts",
        "letters",
        "replies",
        "short_links",
    }
    assert found.profile["name"] == f"Ада {CANARY} Λ"
    assert [each["external_id"] for each in found.merged_ids] == ["ada-old"]
    assert {each["value"] for each in found.addresses} >= {f"{CANARY}@example.com", "+12025550142"}
    assert {each["evidence"].get("ip") for each in found.consents} == {None, CANARY}
    [entry] = found.entries
    assert (entry["job"], entry["variables"]) == ("job-1", {"greeting": CANARY})
    assert [each["offer"] for each in found.coupons] == ["w15"]
    assert [each["order_id"] for each in found.redemptions] == [CANARY]
    assert [each["action"] for each in found.audit] == ["recipient.merged", "recipient.exported"]
    assert msgspec.json.decode(msgspec.json.encode(found)) == msgspec.json.decode(msgspec.json.encode(whole))


def test_an_export_tells_of_letters_doubts_and_suppressed_addresses(ada: World) -> None:
    with ada.db.transaction() as tx:
        [row, *_] = recipients.addresses_of(tx, recipients.ids_of(tx, ["ada"])["ada"])
        suppressions.add(tx, [(row.kind, row.hash)], "hard-bounce", "provider:email", clock.now(tx).business)
    ada.run(step(channels=["postal"]), audience=_audience())
    ada.pump("postal")
    found = exported(ada)
    assert [(each["kind"], each["reason"]) for each in found.suppressions] == [("email", "hard-bounce")]
    assert [each["job"] for each in found.letters] == ["job-1"]


def test_another_persons_traces_are_left_alone(ada: World) -> None:
    ada.people("bob", name="Боб", attributes={"likes": "tea"})
    ada.run()
    ada.pump()
    before = exported(ada, "bob")
    erased(ada)
    after = exported(ada, "bob")
    assert after.sends == before.sends
    assert (after.profile, after.addresses, after.consents) == (before.profile, before.addresses, before.consents)


def test_the_audit_log_tells_who_erased_whom_without_a_name(ada: World) -> None:
    erased(ada)
    with ada.db.snapshot() as tx:
        [row] = audit.page(tx, None, 10)
    assert (row.actor, row.action, row.subject) == ("shop", "recipient.erased", audit.person(1))
    assert row.detail == {"addresses": 3, "cancelled": 0, "sending": 0}


def test_whoever_enters_a_job_at_this_moment_is_forgotten_in_it_too(world: World) -> None:
    """The page that is entering is waited for, and the next one meets a tombstone."""
    ids = [f"p-{n}" for n in range(40)]
    world.people(*ids)
    named = [{"id": id, "variables": {"greeting": CANARY}} for id in ids]
    job_id = world.accept(job(audience={"kind": "inline", "recipients": named}))
    start = threading.Barrier(2)

    def enter() -> None:
        start.wait()
        for _ in range(40):
            with world.db.transaction() as tx:
                expand.expand_page(tx, world.house, job_id, 1)

    def forget() -> None:
        start.wait()
        for id in reversed(ids):
            with world.db.transaction() as tx:
                privacy.erase(tx, world.house, id, f"erased_{id}", "shop")

    with ThreadPoolExecutor(2) as both:
        for done in [both.submit(enter), both.submit(forget)]:
            done.result()
    world.expand(job_id)
    assert kept(world) == set()
    assert sum(world.counts(job_id).values()) == 40
    assert {reason for _, _, reason in world.counts(job_id)} == {"erased"}
