"""Letters that come back."""

from collections.abc import Sequence

import msgspec
import pytest

from gateway.domain.returned import ReturnInput
from gateway.services import mailing, printing, returned
from gateway.services.problems import Conflict, Invalid, NotFound
from gateway.services.returned import Return
from tests.builders import World, postal, step

LETTER = step("letter", channels=["postal"])


def mailed(world: World, *ids: str, channels: Sequence[str] = ("postal",)) -> str:
    """A batch with the print shop, with a letter to each, and its id."""
    world.run(step("letter", channels), audience={"kind": "ids", "ids": list(ids)})
    world.pump("postal")
    with world.db.snapshot() as tx:
        batch = printing.all_of_them(tx)[0]
    world.print_out(batch.id)
    with world.db.transaction() as tx:
        mailing.hand_over(tx, world.house, batch.id)
    return batch.id


def back(world: World, batch: str, sequence: int, reason: str, **fields: object) -> Return:
    said = msgspec.convert({"batch": batch, "sequence": sequence, "reason": reason, **fields}, ReturnInput)
    with world.db.transaction() as tx:
        return returned.record(tx, world.house, said, "shop")


@pytest.mark.parametrize("reason", ["moved_unknown", "insufficient_address"])
def test_an_address_where_nobody_is_reached_gets_no_more_letters(world: World, reason: str) -> None:
    world.people("c-1", addresses=[postal(1)])
    told = back(world, mailed(world, "c-1"), 1, reason)
    assert (told.recipient, told.is_new, told.suppressed) == ("c-1", True, True)
    assert world.state(1, "c-1", channel="postal") == ("returned", reason)
    assert len(world.spent("postal")["c-1"]) == 1, "it was in the post"
    assert world.state(world.run(LETTER), "c-1", channel="postal") == ("skipped", "suppressed")


def test_a_letter_that_comes_back_twice_is_on_record_once(world: World) -> None:
    world.people("c-1", addresses=[postal(1)])
    batch = mailed(world, "c-1")
    assert back(world, batch, 1, "refused").is_new
    again = back(world, batch, 1, "refused")
    assert (again.is_new, again.suppressed) == (False, False)


@pytest.mark.parametrize("reason", ["refused", "other"])
def test_what_was_refused_or_not_fetched_ends_with_the_second_letter(world: World, reason: str) -> None:
    world.people("c-1", addresses=[postal(1)])
    assert not back(world, mailed(world, "c-1"), 1, reason).suppressed
    assert back(world, mailed(world, "c-1"), 1, reason).suppressed


def test_at_a_shared_letter_box_the_others_still_get_their_letters(world: World) -> None:
    world.people("c-1", "c-2", addresses=[postal(1)])
    assert back(world, mailed(world, "c-1", "c-2"), 1, "moved_unknown").suppressed
    job_id = world.run(LETTER)
    assert world.state(job_id, "c-1", channel="postal") == ("skipped", "no_consent")
    assert world.state(job_id, "c-2", channel="postal")[0] == "queued"


def test_an_empty_house_is_empty_for_all(world: World) -> None:
    world.people("c-1", "c-2", addresses=[postal(1)])
    back(world, mailed(world, "c-1", "c-2"), 1, "vacant")
    assert world.state(world.run(LETTER), "c-2", channel="postal") == ("skipped", "suppressed")


def test_nothing_more_goes_to_somebody_who_died_on_any_channel(world: World) -> None:
    both = [postal(1), {"kind": "email", "value": "addio@example.com"}]
    world.people("c-1", addresses=both)
    batch = mailed(world, "c-1")
    waiting = world.run(audience={"kind": "ids", "ids": ["c-1"]})
    assert back(world, batch, 1, "deceased").suppressed
    assert world.state(waiting, "c-1") == ("cancelled", "deceased")
    assert world.state(world.run(), "c-1") == ("skipped", "suppressed")
    assert world.pump() == []


def test_a_letter_that_came_back_is_followed_by_the_next_channel_of_its_step(world: World) -> None:
    world.people("c-1", addresses=[postal(1), {"kind": "email", "value": "c1@example.com"}])
    back(world, mailed(world, "c-1", channels=["postal", "email"]), 1, "refused")
    world.plan_due()
    assert [message.recipient_id for message in world.pump()] == ["c-1"]


def test_a_new_address_is_for_somebody_to_look_at(world: World) -> None:
    world.people("c-1", addresses=[postal(1)])
    batch = mailed(world, "c-1")
    odd = {"kind": "postal", "data": {"street": "Łąkowa 7"}}
    with pytest.raises(Invalid, match="/address"):
        back(world, batch, 1, "moved_new_address", address=odd)
    new = {"kind": "postal", "data": {"street": "Łąkowa 7", "postcode": "00-001", "city": "Warszawa", "country": "PL"}}
    back(world, batch, 1, "moved_new_address", address=new)
    with world.db.snapshot() as tx:
        [told] = returned.to_review(tx)
    assert (told.recipient, told.reason, told.address["city"]) == ("c-1", "moved_new_address", "Warszawa")


def test_what_is_printed_on_a_piece_names_it() -> None:
    for text in ("bat_k3vq · 000123", " bat_k3vq 123 ", "bat_k3vq-000123", "bat_k3vq/123"):
        assert ReturnInput(reason="refused", piece=text).place == ("bat_k3vq", 123)
    for text in ("bat_k3vq", "000123", "bat_k3vq · 0", "cat_1 · 3"):
        with pytest.raises(ValueError, match="piece"):
            ReturnInput(reason="refused", piece=text)


def test_a_piece_that_there_is_not_or_that_is_still_here_is_told(world: World) -> None:
    world.people("c-1", addresses=[postal(1)])
    batch = mailed(world, "c-1")
    with pytest.raises(NotFound, match="no piece 2"):
        back(world, batch, 2, "refused")
    with pytest.raises(NotFound, match="no batch bat_none"):
        back(world, "bat_none", 1, "refused")
    world.run(LETTER)
    world.pump("postal")
    with world.db.snapshot() as tx:
        newest = printing.all_of_them(tx)[0]
    with pytest.raises(Conflict, match="nothing of it is in the post"):
        back(world, newest.id, 1, "refused")
