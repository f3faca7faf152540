"""Two records turn out to be one person."""

import itertools
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from gateway.contract import EventType, OutcomeUnknown, ProviderEvent
from gateway.domain.consent import Action, ConsentRow, ConsentState, latest
from gateway.domain.preferences import OwnCap, Preferences
from gateway.domain.words import shard_of
from gateway.services import expand, mailing, merge, people, printing, privacy, redeem, timeline, track
from gateway.services import preferences as wishes
from gateway.services.merge import Merged, stricter
from gateway.services.problems import Conflict, Invalid, NotFound
from gateway.storage import activities, attempts, consents, coupons, entries, events, preferences, recipients, sends
from gateway.storage.tables import entries as entries_
from gateway.storage.tables import metadata, recipient_aliases, recipient_merges
from gateway.storage.types import Record
from tests.builders import NOW, World, cap, installation, job, person, postal, step

DAY = timedelta(days=1)
_numbers = itertools.count(1)


def merged(world: World, old: str = "old", new: str = "new") -> Merged:
    with world.db.transaction() as tx:
        return merge.merge(tx, world.house, old, new, f"merged_{next(_numbers)}", "shop")


def get(world: World, id: str) -> Record:
    with world.db.snapshot() as tx:
        row = recipients.get(tx, id)
    assert row is not None
    return row


def entered(world: World, id: str) -> list[tuple[int, int, str | None]]:
    """(job, run, why it ended) of a person's entries."""
    with world.db.snapshot() as tx:
        rows = entries.of_recipient(tx, recipients.ids_of(tx, [id])[id])
    return sorted(((row.job_id, row.run, row.ended) for row in rows), key=lambda each: each[:2])


def sent(world: World, id: str) -> list[tuple[int, int, str]]:
    with world.db.snapshot() as tx:
        rows = sends.of_recipient(tx, recipients.ids_of(tx, [id])[id])
    return sorted((row.job_id, row.run, row.state) for row in rows)


@pytest.fixture
def pair(world: World) -> World:
    """The same woman twice: `old` and `new`, each with an e-mail address and a grant of her own."""
    world.people("old", "new")
    return world


def test_everything_of_the_one_becomes_the_others(pair: World) -> None:
    pair.offer()
    job_id = pair.run(step(text="{{ coupon.code }}"), offer="w15", audience={"kind": "ids", "ids": ["old"]})
    [message] = pair.pump()
    pair.report(EventType.DELIVERED, message)
    pair.activity("old", amount_minor=990, currency="EUR")
    old = get(pair, "old").id
    answer = merged(pair)
    assert (answer.recipient, answer.merged, answer.ended) == ("new", "old", 0)
    assert {name: answer.moved[name] for name in ("entries", "sends", "coupons", "activities", "addresses")} == {
        "entries": 1,
        "sends": 1,
        "coupons": 1,
        "activities": 1,
        "addresses": 1,
    }
    new = get(pair, "new")
    assert sent(pair, "new") == [(job_id, 0, "delivered")]
    with pair.db.snapshot() as tx:
        assert [row.type for row in events.of_recipient(tx, new.id)] == ["delivered"]
        assert len(activities.of_recipient(tx, new.id)) == 1
        assert len(coupons.of_recipient(tx, new.id)) == 1
        left = [
            table.name
            for table in metadata.sorted_tables
            if "recipient_id" in table.c and tx.execute(select(table).where(table.c.recipient_id == old)).first()
        ]
        [row] = tx.execute(select(entries_)).all()
    assert left == []
    assert row.shard == shard_of(new.id)


def test_the_timeline_tells_both_stories_and_that_they_became_one(pair: World) -> None:
    pair.activity("old")
    merged(pair)
    with pair.db.snapshot() as tx:
        told = [item.text for item in timeline.of_recipient(tx, pair.house, "old").items]
    assert "Another record of the person was merged into this one." in told
    assert any("purchase" in text for text in told)


def test_services_that_know_the_old_id_write_to_the_merged_person(pair: World) -> None:
    merged(pair)
    assert get(pair, "old").id == get(pair, "new").id
    pair.consents("withdrawn", "old", at=NOW + DAY)
    pair.activity("old")
    with pair.db.transaction() as tx:
        people.put(tx, pair.house, person("old", name="Ἑλένη", addresses=[{"kind": "email", "value": "h@example.com"}]))
    with pair.db.snapshot() as tx:
        assert tx.scalars(select(recipient_aliases.c.external_id)).all() == ["old"]
        row = recipients.get(tx, "new")
        assert row is not None
        assert row.name == "Ἑλένη"
        assert [each.value for each in recipients.addresses_of(tx, row.id)] == ["h@example.com"]
        assert consents.state_of(tx, row.id, "email", "marketing") == "withdrawn"
    job_id = pair.run(audience={"kind": "ids", "ids": ["old", "new"]}, purpose="service")
    assert sent(pair, "new") == [(job_id, 0, "queued")], "named twice, entered once"


def test_links_and_reports_of_messages_sent_before_still_work(pair: World) -> None:
    job_id = pair.run()
    messages = {message.recipient_id: message for message in pair.pump()}
    later = pair.run(audience={"kind": "ids", "ids": ["new"]})
    merged(pair)
    ref = pair.house.keys.open_ref("message", messages["old"].id)
    pair.click(ref.key)
    assert pair.report(EventType.DELIVERED, messages["old"])
    with pair.db.transaction() as tx:
        assert track.unsubscribe(tx, pair.house, ref, "one-click")
        assert track.unsubscribe(tx, pair.house, ref, "one-click")
    assert sent(pair, "new") == [(job_id, 0, "accepted"), (job_id, 1, "delivered"), (later, 0, "cancelled")]
    new = get(pair, "new").id
    with pair.db.snapshot() as tx:
        seen = [(row.type, row.run) for row in events.of_recipient(tx, new)]
        assert consents.state_of(tx, new, "email", "marketing") == "withdrawn"
    assert sorted(seen) == [("clicked", 1), ("delivered", 1), ("unsubscribed", 1)]


def test_the_preference_page_of_an_old_message_shows_the_merged_person(pair: World) -> None:
    old = get(pair, "old").id
    merged(pair)
    with pair.db.transaction() as tx:
        assert wishes.pause(tx, pair.house, old, timedelta(days=30)) == wishes.standing(tx, pair.house, old)
        assert preferences.get(tx, get(pair, "new").id).preferences.paused_until is not None
        assert preferences.get(tx, old).changed_at is None


def test_a_report_by_the_providers_id_finds_the_send_too(pair: World) -> None:
    job_id = pair.run(audience={"kind": "ids", "ids": ["old"]})
    [message] = pair.pump()
    merged(pair)
    event = ProviderEvent(type=EventType.BOUNCED, event_id="b", provider_id=f"p-{message.id}", address_gone=True)
    with pair.db.transaction() as tx:
        assert track.report(tx, pair.house, "email", event)
    assert sent(pair, "new") == [(job_id, 0, "bounced")]


def test_the_slots_of_both_count_for_the_one(world: World) -> None:
    house = World(world.db, installation(caps=[cap(2, 7)]))
    house.people("old", "new")
    for id in ("old", "new"):
        house.run(audience={"kind": "ids", "ids": [id]})
    assert len(house.pump()) == 2
    merged(house)
    third = house.run(audience={"kind": "ids", "ids": ["new"]})
    house.pump()
    assert [each for each in sent(house, "new") if each[0] == third] == [(third, 0, "queued")]
    assert len(house.spent()["new"]) == 2
    house.later(days=7, seconds=1)
    assert len(house.pump()) == 1


@pytest.mark.parametrize("ahead", ["old", "new", None])
def test_nobody_gets_a_message_of_one_job_twice(pair: World, ahead: str | None) -> None:
    """Both are in the job: the entry that is further goes on, the other ends."""
    held = "new" if ahead == "old" else "old"
    if ahead is not None:
        with pair.db.transaction() as tx:
            preferences.put(tx, get(pair, held).id, Preferences(paused_until=NOW + DAY), "test", NOW)
    job_id = pair.run(step("one"), step("two", after="P1D"), if_not_sent="continue")
    if ahead is not None:
        assert len(pair.pump()) == 1
    answer = merged(pair)
    assert answer.ended == 1
    going_on = 1 if ahead == "old" else 0
    ends = [None, "merged"] if going_on == 0 else ["merged", None]
    assert entered(pair, "new") == [(job_id, 0, ends[0]), (job_id, 1, ends[1])]
    for _ in range(3):
        pair.pump()
        pair.later(days=2)
        pair.plan_due()
    reached = sorted((row.step, row.run) for row in rows_of(pair, "new") if row.state == "accepted")
    assert reached == [(0, going_on), (1, going_on)]


def rows_of(world: World, id: str) -> list[Record]:
    with world.db.snapshot() as tx:
        return list(sends.of_recipient(tx, recipients.ids_of(tx, [id])[id]))


def test_what_one_of_the_two_has_redeemed_ends_the_reminders_of_both(pair: World) -> None:
    pair.offer()
    steps = (step("one", text="{{ coupon.code }}"), step("two", after="P1D"))
    job_id = pair.run(*steps, offer="w15")
    codes = {message.recipient_id: message.coupon.code for message in pair.pump() if message.coupon}
    with pair.db.transaction() as tx:
        redeem.redeem(tx, codes["old"], redeem.Use(), "till")
    merged(pair)
    assert entered(pair, "new") == [(job_id, 0, "merged"), (job_id, 1, "redeemed")]
    pair.later(days=2)
    assert (pair.plan_due(), pair.pump()) == (0, [])


def test_a_code_of_the_entry_that_ended_ends_the_one_that_goes_on(pair: World) -> None:
    pair.offer()
    job_id = pair.run(step("one", text="{{ coupon.code }}"), step("two", after="P1D"), offer="w15")
    codes = {message.recipient_id: message.coupon.code for message in pair.pump() if message.coupon}
    merged(pair)
    assert entered(pair, "new") == [(job_id, 0, None), (job_id, 1, "merged")]
    with pair.db.transaction() as tx:
        assert redeem.redeem(tx, codes["old"], redeem.Use(), "till").recipient == "new"
    assert entered(pair, "new") == [(job_id, 0, "redeemed"), (job_id, 1, "merged")]
    with pair.db.transaction() as tx, pytest.raises(redeem.Refused):
        redeem.redeem(tx, codes["old"], redeem.Use(), "till")


def test_an_audience_that_enters_later_finds_the_person_inside(pair: World) -> None:
    job_id = pair.accept(job(audience={"kind": "ids", "ids": ["old", "new"]}))
    with pair.db.transaction() as tx:
        assert expand.expand_page(tx, pair.house, job_id, 1) == 1
    assert len(pair.pump()) == 1
    merged(pair)
    pair.expand(job_id)
    assert entered(pair, "new") == [(job_id, 0, "completed")]


@pytest.mark.parametrize("moment", ["claimed", "sending", "repeated"])
def test_what_is_on_its_way_to_the_old_id_is_waited_for(pair: World, moment: str) -> None:
    channel = "app" if moment == "repeated" else "email"
    pair.consents("granted", "old", channel="app")
    pair.run(step(channels=[channel]), audience={"kind": "ids", "ids": ["old"]})
    if moment == "repeated":
        pair.pump("app", lambda _: OutcomeUnknown("timeout"))
    else:
        taken = pair.claim()
        if moment == "sending":
            messages = pair.begin(taken)
    with pytest.raises(Conflict, match="try again in a minute"):
        merged(pair)
    assert get(pair, "old").erased_at is None
    if moment == "claimed":
        pair.close(taken)
    elif moment == "sending":
        pair.record(taken, messages)
        pair.close(taken)
    else:
        pair.later(hours=5)
        pair.pump("app")
    assert merged(pair).recipient == "new"


def test_a_worker_that_answers_after_the_lease_and_the_merge_does_no_harm(pair: World) -> None:
    job_id = pair.run(audience={"kind": "ids", "ids": ["old"]})
    taken = pair.claim()
    messages = pair.begin(taken)
    pair.lose(taken)
    assert pair.reap() == 1
    with pytest.raises(Conflict, match="settle the doubt"):
        merged(pair)
    [[(_, message)]] = messages.values()
    assert pair.report(EventType.DELIVERED, message)
    merged(pair)
    pair.record(taken, messages)
    assert sent(pair, "new") == [(job_id, 0, "delivered")]
    with pair.db.transaction() as tx:
        privacy.sweep(tx)
        assert len(attempts.of_recipient(tx, get(pair, "new").id)) == 1


def test_a_letter_in_an_open_batch_is_printed_for_the_merged_person(world: World) -> None:
    world.people("old", "new", grants=(), addresses=[postal()])
    job_id = world.run(step(channels=["postal"]), audience={"kind": "ids", "ids": ["old"]})
    world.pump("postal")
    merged(world)
    with world.db.snapshot() as tx:
        [batch] = printing.all_of_them(tx)
    assert [key.recipient_id for key in world.print_out(batch.id)] == [get(world, "new").id]
    with world.db.transaction() as tx:
        mailing.hand_over(tx, world.house, batch.id)
    assert sent(world, "new") == [(job_id, 0, "accepted")]


def test_a_letter_that_is_being_printed_is_waited_for(world: World) -> None:
    world.people("old", "new", grants=(), addresses=[postal()])
    world.run(step(channels=["postal"]), audience={"kind": "ids", "ids": ["old"]})
    world.pump("postal")
    with world.db.snapshot() as tx:
        [batch] = printing.all_of_them(tx)
    with world.db.transaction() as tx:
        printing.close(tx, batch.id)
    with pytest.raises(Conflict, match="print file"):
        merged(world)
    world.print_out(batch.id)
    merged(world)
    with world.db.transaction() as tx:
        assert mailing.hand_over(tx, world.house, batch.id).pull == ()


@pytest.mark.parametrize(("told", "holds"), [((("old", "withdrawn", 0), ("new", "granted", 1)), "granted")])
def test_the_newest_word_of_either_holds(pair: World, told: tuple[tuple[str, str, int], ...], holds: str) -> None:
    for id, action, days in told:
        pair.consents(action, id, channel="sms", at=NOW + days * DAY - 9 * DAY)
    merged(pair)
    with pair.db.snapshot() as tx:
        new = get(pair, "new").id
        assert consents.state_of(tx, new, "sms", "marketing") == holds
        assert len([row for row in consents.of_recipient(tx, new) if row.channel == "sms"]) == len(told)


def test_of_equally_old_words_the_withdrawal_holds_and_stops_what_is_pending(pair: World) -> None:
    job_id = pair.run(audience={"kind": "ids", "ids": ["new"]})
    pair.consents("granted", "new", channel="email", at=NOW + timedelta(minutes=1))
    pair.at(NOW + timedelta(minutes=2))
    pair.consents("withdrawn", "old", channel="email", at=NOW + timedelta(minutes=1))
    assert merged(pair).cancelled == 1
    assert sent(pair, "new") == [(job_id, 0, "cancelled")]


def test_the_one_that_stays_is_right_and_the_other_fills_its_gaps(world: World) -> None:
    mails = [[{"kind": "email", "value": f"{name}@example.com"}, postal()] for name in ("a", "b")]
    world.people(
        "old", name="Ян", locale="ru-RU", time_zone="Asia/Tokyo", attributes={"a": 1, "b": 1}, addresses=mails[0]
    )
    world.people("new", name="", locale="it-IT", attributes={"b": 2}, addresses=mails[1])
    merged(world)
    row = get(world, "new")
    assert (row.name, row.locale, row.time_zone, row.zones) == ("Ян", "it-IT", "Asia/Tokyo", "Asia/Tokyo")
    assert row.attributes == {"a": 1, "b": 2}
    with world.db.snapshot() as tx:
        places = [(each.kind, each.value, each.is_primary) for each in recipients.addresses_of(tx, row.id)]
    assert sorted(places) == [
        ("email", "a@example.com", False),
        ("email", "b@example.com", True),
        ("postal", "Via Roma 1, 00100, Roma, IT", True),
    ]


def _wish(days: float | None = None, cap: tuple[int, float] | None = None) -> Preferences:
    return Preferences(
        paused_until=None if days is None else NOW + days * DAY,
        cap=None if cap is None else OwnCap(max=cap[0], window=cap[1] * DAY),
    )


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (_wish(), _wish(), _wish()),
        (_wish(3), _wish(), _wish(3)),
        (_wish(3, (1, 30)), _wish(5, (1, 7)), _wish(5, (1, 30))),
        (_wish(cap=(4, 7)), _wish(cap=(10, 30)), _wish(cap=(10, 30))),
        (_wish(cap=(2, 14)), _wish(cap=(1, 7)), _wish(cap=(1, 7))),
    ],
)
def test_of_two_wishes_the_stricter_holds(one: Preferences, other: Preferences, both: Preferences) -> None:
    assert stricter(one, other) == stricter(other, one) == both


def test_preferences_go_along(pair: World) -> None:
    with pair.db.transaction() as tx:
        preferences.put(tx, get(pair, "old").id, _wish(5), "preference page", NOW)
        preferences.put(tx, get(pair, "new").id, _wish(cap=(1, 7)), "preference page", NOW)
    merged(pair)
    with pair.db.snapshot() as tx:
        assert preferences.get(tx, get(pair, "new").id).preferences == _wish(5, (1, 7))


def test_a_merge_of_merges_leads_to_the_last(world: World) -> None:
    world.people("a", "b", "c")
    job_id = world.run()
    messages = {message.recipient_id: message for message in world.pump()}
    merged(world, "a", "b")
    merged(world, "b", "c")
    assert get(world, "a").id == get(world, "b").id == get(world, "c").id
    for id in ("a", "b", "c"):
        assert world.report(EventType.DELIVERED, messages[id])
    assert [(job, state) for job, _, state in sent(world, "c")] == [(job_id, "delivered")] * 3
    assert len({run for _, run, _ in sent(world, "c")}) == 3
    with world.db.snapshot() as tx:
        assert {row.recipient_id for row in tx.execute(select(recipient_merges))} == {get(world, "c").id}


def test_what_cannot_be_merged_is_told(pair: World) -> None:
    with pytest.raises(NotFound):
        merged(pair, "nobody", "new")
    for old, new in (("old", "nobody"), ("old", "old")):
        with pytest.raises(Invalid):
            merged(pair, old, new)
    merged(pair)
    again = merged(pair)
    assert (again.recipient, again.moved) == ("new", {}), "once more does nothing"
    with pytest.raises(Invalid):
        merged(pair, "new", "old")


def test_what_was_written_to_the_old_id_meanwhile_is_brought_after(pair: World) -> None:
    """A service that had looked the old id up just before writes just after."""
    old = get(pair, "old").id
    merged(pair)
    pair.later(days=2)
    with pair.db.transaction() as tx:
        consents.add(tx, [(old, _said("withdrawn", NOW + DAY))], "form", pair.now())
    with pair.db.transaction() as tx:
        assert privacy.sweep(tx) == 1
    with pair.db.snapshot() as tx:
        assert consents.state_of(tx, get(pair, "new").id, "email", "marketing") == "withdrawn"
        assert consents.states_of(tx, old) == []


def _said(action: Action, at: datetime) -> ConsentRow:
    return ConsentRow(recipient="old", channel="email", purpose="marketing", action=action, at=at, source="form")


def test_a_withdrawal_beside_a_merge_is_heeded_whoever_comes_first(world: World) -> None:
    """The one waits for the other's lock, and looks again where the person is."""
    for n in range(6):
        world.people(f"old-{n}", f"new-{n}")
        job_id = world.run(audience={"kind": "ids", "ids": [f"new-{n}"]})
        start = threading.Barrier(2)

        def withdraw(id: str = f"old-{n}", start: threading.Barrier = start) -> None:
            start.wait()
            world.consents("withdrawn", id)

        def join(n: int = n, start: threading.Barrier = start) -> None:
            start.wait()
            merged(world, f"old-{n}", f"new-{n}")

        with ThreadPoolExecutor(2) as both:
            for done in [both.submit(withdraw), both.submit(join)]:
                done.result()
        assert world.state(job_id, f"new-{n}") == ("cancelled", "no_consent")


@pytest.mark.parametrize("seed", range(4))
def test_after_any_merges_the_ledger_is_the_same_and_no_cap_is_broken(world: World, seed: int) -> None:
    """Chance plays a shop: jobs, deliveries and merges in any order, with a cap of two in seven days."""
    chance, house = random.Random(seed), World(world.db, installation(caps=[cap(2, 7)]))
    alive = [f"p-{n}" for n in range(6)]
    house.people(*alive)
    before: Counter[str] = Counter()
    for _ in range(14):
        match chance.choice(("job", "pump", "pump", "later", "merge")):
            case "job":
                ids = chance.sample(alive, chance.randint(1, len(alive)))
                house.run(step("one"), step("two", after="P1D"), audience={"kind": "ids", "ids": ids})
                before["entries"] += len(ids)
            case "pump":
                house.plan_due()
                before["sent"] += len(house.pump())
            case "later":
                house.later(days=chance.randint(1, 4))
            case "merge" if len(alive) > 2:
                old, new = chance.sample(alive, 2)
                merged(house, old, new)
                alive.remove(old)
    _expect_whole(house, alive, before)


def _expect_whole(house: World, alive: list[str], before: Counter[str]) -> None:
    with house.db.snapshot() as tx:
        rows = [row for id in alive for row in sends.of_recipient(tx, recipients.ids_of(tx, [id])[id])]
        passages = [row for id in alive for row in entries.of_recipient(tx, recipients.ids_of(tx, [id])[id])]
    assert len(passages) == before["entries"]
    assert sum(row.state == "accepted" for row in rows) == before["sent"]
    going_on = Counter((row.job_id, row.recipient_id) for row in passages if row.ended is None)
    assert not going_on or max(going_on.values()) == 1, "of each job one entry goes on"
    with house.db.snapshot() as tx:
        ids = {number: id for id, number in recipients.ids_of(tx, alive).items()}
    assert {row.recipient_id for row in passages} <= ids.keys()


@pytest.mark.parametrize("seed", range(3))
def test_the_state_after_merges_is_the_latest_word_of_all(world: World, seed: int) -> None:
    chance = random.Random(seed)
    names = [f"p-{n}" for n in range(4)]
    world.people(*names, grants=())
    world.at(NOW + 99 * DAY)
    words: list[ConsentState] = []
    for _ in range(8):
        action: Action = chance.choice(("granted", "withdrawn", "objected"))
        words.append(ConsentState(action, NOW + chance.randint(0, 4) * DAY))
        world.consents(action, chance.choice(names), at=words[-1].at)
    while len(names) > 1:
        merged(world, names.pop(chance.randrange(1, len(names))), names[0])
    held = latest(words)
    with world.db.snapshot() as tx:
        [state] = consents.states_of(tx, get(world, names[0]).id)
    assert held == ConsentState(state.action, state.at)
