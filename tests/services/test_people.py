"""Recipients, written whole or not at all."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.services import people
from gateway.services.people import BadRecipient
from gateway.storage import recipients
from gateway.storage.types import Record
from tests.builders import World, device, person, postal, statements, step

NAMES = ("Żaneta Ćwikła", "Иван Петров", "Γιώργος Ψ", "محمد", "🙂 Zoë", 'O\'Brien \\ "x"', "")


def put(world: World, id: str, **profile: Any) -> None:
    with world.db.transaction() as tx:
        people.put(tx, world.house, person(id, **profile))


def addresses(world: World, id: str) -> Sequence[Record]:
    with world.db.snapshot() as tx:
        return recipients.addresses_of(tx, recipients.ids_of(tx, [id])[id])


def mails(*values: str) -> list[dict[str, str]]:
    return [{"kind": "email", "value": value} for value in values]


@pytest.mark.parametrize("name", NAMES)
def test_a_person_comes_back_as_handed_in(world: World, name: str) -> None:
    attributes = {"n": 1, "x": 1.5, "yes": True, "none": None, "text": name, "deep": [{"ж": [1, 10**30]}]}
    put(world, "c-1", name=name, attributes=attributes, country="PL", time_zone="Asia/Kathmandu")
    with world.db.snapshot() as tx:
        row = recipients.get(tx, "c-1")
    assert row is not None
    assert (row.name, row.attributes, row.country, row.time_zone) == (name, attributes, "PL", "Asia/Kathmandu")


def test_writing_a_person_again_replaces_what_was_known(world: World) -> None:
    put(world, "c-1", addresses=mails("a@example.com", "b@example.com"), attributes={"x": 1})
    [kept, _] = addresses(world, "c-1")
    put(world, "c-1", addresses=[*mails("c@example.com", "A@example.com"), postal()], attributes={"y": 2})
    found = {row.value: row for row in addresses(world, "c-1")}
    assert set(found) == {"A@example.com", "c@example.com", "Via Roma 1, 00100, Roma, IT"}
    assert found["A@example.com"].id == kept.id
    assert {value for value, row in found.items() if row.is_primary} == {"c@example.com", "Via Roma 1, 00100, Roma, IT"}
    with world.db.snapshot() as tx:
        row = recipients.get(tx, "c-1")
    assert row is not None
    assert row.attributes == {"y": 2}


def test_an_address_belongs_to_one_person_and_a_letter_box_to_a_household(world: World) -> None:
    put(world, "c-1", addresses=[*mails("ada@example.com"), postal(1)])
    with pytest.raises(BadRecipient, match="/addresses/1: this address belongs to another recipient"):
        put(world, "c-2", addresses=[postal(1), *mails("ADA@example.com")])
    put(world, "c-2", addresses=[postal(1)])
    put(world, "c-1", addresses=[postal(1)])
    put(world, "c-2", addresses=mails("ada@example.com"))


def test_the_id_of_an_address_that_is_gone_is_never_given_to_another(world: World) -> None:
    """A bounce of an old message must not suppress somebody else."""
    put(world, "c-1", addresses=mails("a@example.com"))
    [old] = addresses(world, "c-1")
    put(world, "c-1", addresses=[])
    put(world, "c-2", addresses=mails("b@example.com"))
    [new] = addresses(world, "c-2")
    assert new.id != old.id


def test_a_page_says_of_each_why_it_was_not_written(world: World) -> None:
    put(world, "c-0", addresses=mails("taken@example.com"))
    page = [
        person("c-1", addresses=mails("one@example.com")),
        person("c-2", addresses=mails("taken@example.com")),
        person("c-3", addresses=mails("ONE@example.com")),
        person("c-1", addresses=mails("other@example.com"), name="last"),
        person("c-4", addresses=[device("x"), device("y")]),
    ]
    prepared = [people.normalised(world.house, each.id, each) for each in page]
    with world.db.transaction() as tx:
        answers = people.put_page(tx, prepared)
    assert [answer is None for answer in answers] == [True, False, False, True, True]
    assert [row.value for row in addresses(world, "c-1")] == ["other@example.com"]
    with world.db.snapshot() as tx:
        assert set(recipients.ids_of(tx, ["c-1", "c-2", "c-3", "c-4"])) == {"c-1", "c-4"}


def test_attributes_have_a_limit(world: World) -> None:
    with pytest.raises(BadRecipient, match="/attributes: together they are longer"):
        put(world, "c-1", attributes={"x": "y" * 17_000})


async def test_of_two_who_claim_one_address_at_once_one_gets_it_and_the_other_a_reason(world: World) -> None:
    async def claim(id: str) -> bool:
        try:
            await world.db.write(lambda tx: people.put(tx, world.house, person(id, addresses=mails("a@example.com"))))
        except BadRecipient:
            return False
        return True

    won = await asyncio.gather(*(claim(f"c-{n}") for n in range(8)))
    assert sum(won) == 1


def test_pages_in_any_order_do_not_wait_for_each_other_for_ever(world: World) -> None:
    prepared = [people.normalised(world.house, f"c-{n}", person(f"c-{n}")) for n in range(50)]

    def write(order: int) -> None:
        for _ in range(3):
            with world.db.transaction() as tx:
                people.put_page(tx, prepared[::order])

    put(world, "c-0")
    with world.db.transaction() as tx:
        people.put_page(tx, prepared)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, (1, -1, 1, -1)))
    assert len(addresses(world, "c-7")) == 1


def test_a_page_of_known_people_takes_as_many_statements_as_one_person(world: World) -> None:
    counts = []
    for size in (1, 200):
        prepared = [people.normalised(world.house, f"s{size}-{n}", person(f"s{size}-{n}")) for n in range(size)]
        for _ in range(2):
            with world.db.transaction() as tx:
                seen = statements(tx)
                people.put_page(tx, prepared)
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 7


def test_the_primary_address_is_written_to_and_every_device(world: World) -> None:
    world.people(
        "c-1", grants=("email", "push"), addresses=[*mails("b@example.com", "a@example.com"), device("x"), device("y")]
    )
    world.run()
    world.run(step(channels=["push"]))
    assert [message.address.value for message in world.pump()] == ["b@example.com"]
    assert len(world.pump("push")) == 2


def test_where_a_person_may_live_is_written_with_them_and_again_whenever_they_are(world: World) -> None:
    def zones() -> str | None:
        with world.db.snapshot() as tx:
            row = recipients.get(tx, "c-1")
        assert row is not None
        found: str | None = row.zones
        return found

    put(world, "c-1", country="ES")
    assert zones() == "Europe/Madrid,Atlantic/Canary"
    put(world, "c-1", country="ES", addresses=[{"kind": "phone", "value": "+34 928 12 34 56"}])
    assert zones() == "Atlantic/Canary"
    put(world, "c-1", country="ES", time_zone="Europe/Athens")
    assert zones() == "Europe/Athens"
    put(world, "c-1")
    assert zones() is None
