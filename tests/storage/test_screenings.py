"""What registers said of addresses, as decisions read it: the same on both databases."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from gateway.domain.address import normalise
from gateway.domain.recipient import AddressInput
from gateway.storage import screenings, suppressions
from gateway.storage.screenings import CLEARANCES, CLEARED_AT
from gateway.storage.tables import recipients
from gateway.storage.tables import screenings as screenings_
from tests.builders import NOW, World, postal

PHONE = {"kind": "phone", "value": "+39 06 5550 0101"}
OTHER_PHONE = {"kind": "phone", "value": "+39 06 5550 0102"}


def digest(world: World, address: dict[str, Any]) -> tuple[str, str]:
    place = normalise(AddressInput(**address))
    return place.kind, world.house.keys.hash_address(place.kind, place.match_key)


def screened(
    world: World, address: dict[str, Any], register: str = "rpo-it", *, listed: bool = False, days: float = 10
) -> None:
    kind, hash = digest(world, address)
    row = {"register": register, "kind": kind, "hash": hash, "is_listed": listed, "screened_at": NOW}
    with world.db.transaction() as tx:
        tx.execute(screenings_.insert().values(row | {"valid_until": NOW + timedelta(days=days)}))


def clearances(world: World, days: float = 0) -> dict[str, set[tuple[str, str]]]:
    """By external id, so many days from now."""
    with world.db.snapshot() as tx:
        rows = tx.execute(select(recipients.c.external_id, CLEARANCES), {CLEARED_AT: NOW + timedelta(days=days)}).all()
    return {id: set(screenings.cleared(told or "")) for id, told in rows}


def test_a_kind_is_cleared_by_the_register_that_was_asked(world: World) -> None:
    world.people("1a", addresses=[PHONE, postal()])
    screened(world, PHONE)
    screened(world, postal(), "robinson-it")
    assert clearances(world) == {"1a": {("rpo-it", "phone"), ("robinson-it", "postal")}}


def test_who_was_never_asked_about_is_not_cleared(world: World) -> None:
    world.people("a", addresses=[PHONE])
    assert clearances(world) == {"a": set()}


def test_who_is_listed_is_not_cleared(world: World) -> None:
    world.people("a", addresses=[PHONE])
    screened(world, PHONE, listed=True)
    assert clearances(world) == {"a": set()}


def test_a_screening_holds_until_its_end_and_no_instant_longer(world: World) -> None:
    world.people("a", addresses=[PHONE])
    screened(world, PHONE, days=10)
    assert clearances(world, days=9.99) == {"a": {("rpo-it", "phone")}}
    assert clearances(world, days=10) == {"a": set()}


def test_the_second_number_clears_nobody_while_the_first_is_used(world: World) -> None:
    world.people("a", addresses=[PHONE, OTHER_PHONE])
    screened(world, OTHER_PHONE)
    assert clearances(world) == {"a": set()}
    with world.db.transaction() as tx:
        suppressions.add(tx, [digest(world, PHONE)], "hard-bounce", "test", NOW)
    assert clearances(world) == {"a": {("rpo-it", "phone")}}


def test_a_suppressed_number_clears_nobody_for_the_one_that_is_used_instead(world: World) -> None:
    world.people("a", addresses=[PHONE, OTHER_PHONE])
    screened(world, PHONE)
    with world.db.transaction() as tx:
        suppressions.add(tx, [digest(world, PHONE)], "hard-bounce", "test", NOW)
    assert clearances(world) == {"a": set()}


def test_a_letter_box_of_two_is_cleared_for_both(world: World) -> None:
    world.people("a", "b", addresses=[postal()])
    screened(world, postal())
    assert clearances(world) == {"a": {("rpo-it", "postal")}, "b": {("rpo-it", "postal")}}


def test_places_of_strangers_are_asked_by_their_hashes(world: World) -> None:
    screened(world, PHONE)
    screened(world, PHONE, "robinson-it")
    screened(world, OTHER_PHONE, listed=True)
    places = [digest(world, each) for each in (PHONE, OTHER_PHONE, postal())]
    with world.db.snapshot() as tx:
        assert screenings.clearances_of(tx, places, NOW) == {places[0]: frozenset({"rpo-it", "robinson-it"})}
        assert screenings.clearances_of(tx, places, NOW + timedelta(days=10)) == {}
        assert screenings.clearances_of(tx, [], NOW) == {}
