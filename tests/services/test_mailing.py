"""A print run with the print shop: what must be pulled, when codes begin to hold, and what a lost part costs."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from gateway.domain.cut_off import CutOff
from gateway.domain.post import Post
from gateway.services import mailing, printing, status, validate
from gateway.services.printing import Batch
from gateway.services.problems import Conflict, Invalid
from gateway.storage import coupons
from tests.builders import World, cap, installation, postal, step

DAY = timedelta(days=1)
CARD = step("card", channels=["postal"], text="{{ coupon.code }}")


def gathered(world: World, *ids: str, card: dict[str, object] = CARD, **fields: object) -> int:
    for number, id in enumerate(ids, start=1):
        world.people(id, addresses=[postal(number), {"kind": "email", "value": f"{id}@example.com"}])
    job_id = world.run(card, audience={"kind": "ids", "ids": list(ids)}, offer="w15", **fields)
    world.pump("postal")
    return job_id


def only(world: World) -> Batch:
    with world.db.snapshot() as tx:
        [batch] = printing.all_of_them(tx)
    return batch


def printed(world: World) -> str:
    batch_id = only(world).id
    world.print_out(batch_id)
    return batch_id


def handed_over(world: World) -> str:
    batch_id = printed(world)
    with world.db.transaction() as tx:
        mailing.hand_over(tx, world.house, batch_id)
    return batch_id


def pull(world: World, batch_id: str) -> list[tuple[int, str | None]]:
    with world.db.snapshot() as tx:
        return [(each.sequence, each.why) for each in mailing.pull_list(tx, batch_id)]


def mail(world: World, batch_id: str, numbers: Iterable[int] | None = None) -> Batch:
    with world.db.transaction() as tx:
        return mailing.mailed(tx, world.house, batch_id, None if numbers is None else list(numbers))


def reasons(world: World, job_id: int, id: str) -> tuple[str, ...]:
    with world.db.snapshot() as tx:
        code = world.entry(job_id, id).code
        return validate.validate(tx, code).reasons


@pytest.fixture
def shop(world: World) -> World:
    world.offer()
    return world


def test_a_code_on_paper_holds_from_the_print_shops_word_on(shop: World) -> None:
    job_id = gathered(shop, "c-1")
    batch_id = handed_over(shop)
    assert reasons(shop, job_id, "c-1") == ("not_active",)
    assert mail(shop, batch_id).state == "mailed"
    assert reasons(shop, job_id, "c-1") == ()


def test_the_pull_list_grows_until_the_cards_are_mailed(shop: World) -> None:
    job_id = gathered(shop, "c-1", "c-2", "c-3", "c-4")
    batch_id = printed(shop)
    shop.consents("objected", "c-1", channel="postal")
    assert shop.state(job_id, "c-1", channel="postal") == ("cancelled", "no_consent"), "no print shop has it"
    with shop.db.transaction() as tx:
        assert mailing.hand_over(tx, shop.house, batch_id).pull == (1,)
    shop.consents("objected", "c-3", channel="postal")
    assert pull(shop, batch_id) == [(1, "no_consent"), (3, "no_consent")]
    assert shop.state(job_id, "c-3", channel="postal") == ("accepted", None), "until the shop has said so"
    mail(shop, batch_id)
    assert shop.state(job_id, "c-3", channel="postal") == ("failed", "pulled")
    assert set(shop.spent("postal")) == {"c-2", "c-4"}
    assert reasons(shop, job_id, "c-3") == ("not_active",), "nobody has that card"
    shop.consents("objected", "c-4", channel="postal")
    assert len(pull(shop, batch_id)) == 2, "that one is in the post"


def test_who_is_pulled_goes_on_with_the_next_channel_of_the_step(shop: World) -> None:
    both = step("card", channels=["postal", "email"], text="{{ coupon.code }}")
    job_id = gathered(shop, "c-1", card=both)
    batch_id = handed_over(shop)
    shop.consents("objected", "c-1", channel="postal")
    mail(shop, batch_id)
    shop.plan_due()
    assert len(shop.pump("email")) == 1
    assert shop.state(job_id, "c-1", channel="email")[0] == "accepted"


def test_on_another_day_than_planned_the_caps_are_asked_for_that_day(world: World) -> None:
    """One message in five days: a mail went out when the card should have been long gone, and now it is in its way."""
    world.offer()
    world.house = installation(caps=[cap(1, 5)])
    job_id = gathered(world, "c-1", "c-2")
    batch_id = printed(world)
    world.later(days=20)
    world.consents("granted", "c-2")
    world.run(audience={"kind": "ids", "ids": ["c-2"]})
    assert len(world.pump()) == 1, "the card was to be long gone"
    with world.db.transaction() as tx:
        done = mailing.hand_over(tx, world.house, batch_id)
    assert done.pull == (2,)
    assert world.state(job_id, "c-2", channel="postal") == ("skipped", "cap:cap")
    [slot] = world.spent("postal")["c-1"]
    assert slot == done.batch.mailing_at


def test_a_card_whose_coupon_is_over_when_it_is_mailed_is_pulled(world: World) -> None:
    world.offer(valid_for="P20D")
    job_id = gathered(world, "c-1")
    batch_id = printed(world)
    world.later(days=50)
    with world.db.transaction() as tx:
        assert mailing.hand_over(tx, world.house, batch_id).pull == (1,)
    assert world.state(job_id, "c-1", channel="postal") == ("skipped", "expired")


@pytest.mark.parametrize(("days", "told"), [(-9, "before the batch was begun"), (90, "more than 60 days ahead")])
def test_an_odd_mailing_day_is_refused(shop: World, days: int, told: str) -> None:
    gathered(shop, "c-1")
    batch_id = printed(shop)
    with pytest.raises(Invalid, match=told), shop.db.transaction() as tx:
        mailing.hand_over(tx, shop.house, batch_id, shop.now() + days * DAY)


def test_a_lost_part_voids_the_codes_that_are_on_its_paper_alone(shop: World) -> None:
    both = step("card", channels=["postal", "email"], text="{{ coupon.code }}")
    job_id = gathered(shop, "c-1", "c-2", card=both)
    with shop.db.transaction() as tx:
        key = shop.key(job_id, "c-2", channel="postal").entry
        coupons.activate(tx, [key], shop.now())
    batch_id = handed_over(shop)
    for _ in range(2):
        with shop.db.transaction() as tx:
            batch = mailing.void_part(tx, shop.house, batch_id, 1, "test")
    assert batch.parts[0].voided_at is not None
    assert {shop.state(job_id, id, channel="postal") for id in ("c-1", "c-2")} == {("failed", "part_lost")}
    assert shop.spent("postal") == {}
    assert "void" in reasons(shop, job_id, "c-1")
    assert reasons(shop, job_id, "c-2") == (), "a mail shows it too"
    shop.plan_due()
    assert [message.recipient_id for message in shop.pump("email")] == ["c-2"], "nobody is sent a dead code"
    with pytest.raises(Conflict, match="lost"):
        mail(shop, batch_id, [1])


def test_a_part_that_is_mailed_cannot_be_lost(shop: World) -> None:
    gathered(shop, "c-1")
    batch_id = handed_over(shop)
    mail(shop, batch_id)
    with pytest.raises(Conflict, match="was mailed"), shop.db.transaction() as tx:
        mailing.void_part(tx, shop.house, batch_id, 1, "test")


def test_a_batch_that_is_thrown_away_gives_its_letters_back(shop: World) -> None:
    job_id = gathered(shop, "c-1", "c-2")
    code = shop.entry(job_id, "c-1").code
    batch_id = printed(shop)
    shop.consents("objected", "c-2", channel="postal")
    with shop.db.transaction() as tx:
        printing.cancel(tx, shop.house, batch_id, "test")
    assert shop.spent("postal") == {}
    shop.pump("postal")
    with shop.db.snapshot() as tx:
        assert sorted((each.state, each.pieces) for each in printing.all_of_them(tx)) == [("cancelled", 0), ("open", 1)]
    assert shop.entry(job_id, "c-1").code == code


def test_mailed_on_another_day_the_slots_say_so(shop: World) -> None:
    gathered(shop, "c-1")
    batch_id = handed_over(shop)
    shop.later(days=6)
    mail(shop, batch_id)
    [slot] = shop.spent("postal")["c-1"]
    assert shop.now() - slot < timedelta(minutes=5)


def test_a_batch_that_nobody_confirms_is_told(shop: World) -> None:
    gathered(shop, "c-1")
    batch_id = handed_over(shop)
    for days, late in ((1, 0), (4, 1)):
        shop.later(days=days)
        with shop.db.snapshot() as tx:
            assert status.status(tx, []).batches_unconfirmed == late
    mail(shop, batch_id)
    with shop.db.snapshot() as tx:
        assert status.status(tx, []).batches_unconfirmed == 0


def test_batches_close_at_their_cut_off_and_nothing_comes_in_later(world: World) -> None:
    """Friday noon, and the run closes on Mondays at four; the clock of the process ticks much later."""
    world.offer()
    world.house = installation(post=Post(cut_off=CutOff(days=("mon",))))
    gathered(world, "c-1")
    monday = only(world).cut_off_at
    assert monday is not None
    assert world.spent("postal")["c-1"] == [monday + 2 * DAY]
    world.at(monday + timedelta(minutes=1))
    gathered(world, "c-2")
    with world.db.snapshot() as tx:
        found = {each.state: each for each in printing.all_of_them(tx)}
    assert (found["closed"].pieces, found["closed"].mailing_at) == (1, monday + 2 * DAY)
    assert (found["open"].pieces, found["open"].cut_off_at) == (1, monday + 7 * DAY)
    with world.db.transaction() as tx:
        assert printing.close_due(tx, world.house) == 0
    world.at(monday + 7 * DAY)
    with world.db.transaction() as tx:
        assert printing.close_due(tx, world.house) == 1


def test_a_batch_with_so_many_pieces_is_closed(world: World) -> None:
    world.offer()
    world.house = installation(post=Post(cut_off=CutOff(max_pieces=2)))
    gathered(world, "c-1")
    with world.db.transaction() as tx:
        assert printing.close_due(tx, world.house) == 0
    gathered(world, "c-2", "c-3")
    with world.db.transaction() as tx:
        assert printing.close_due(tx, world.house) == 1, "of the other job there is one only"


def test_each_step_has_a_batch_of_its_own(shop: World) -> None:
    shop.people("c-1", addresses=[postal(1)])
    first, second = (step(name, channels=["postal"]) for name in ("card", "reminder"))
    shop.run(first, second | {"after": "P0D"}, audience={"kind": "ids", "ids": ["c-1"]})
    shop.pump("postal")
    batch_id = handed_over(shop)
    shop.later(days=9)
    shop.plan_due()
    shop.pump("postal")
    with shop.db.snapshot() as tx:
        assert {each.step: each.state for each in printing.all_of_them(tx)} == {
            "card": "handed_over",
            "reminder": "open",
        }
    assert batch_id


def test_the_files_are_kept_for_as_long_as_the_settings_say(shop: World) -> None:
    gathered(shop, "c-1")
    batch_id = handed_over(shop)
    mail(shop, batch_id)
    for days, removed in ((89, False), (2, True)):
        shop.later(days=days)
        with shop.db.transaction() as tx:
            printing.forget_files(tx, shop.house)
        assert (only(shop).files_removed_at is not None) is removed
    with shop.db.snapshot() as tx:
        assert printing.files_to_remove(tx) == [(batch_id, "folder")]
