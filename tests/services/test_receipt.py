"""The receipt of a consent."""

from datetime import timedelta

import msgspec
import pytest

from gateway.services import receipt
from gateway.services.problems import NotFound
from gateway.services.receipt import Receipt
from gateway.storage import consents
from tests.builders import World


def receipt_of(world: World, position: int) -> Receipt:
    with world.db.snapshot() as tx:
        row = consents.of_recipient(tx, 1)[position]
        return receipt.receipt(tx, world.house, receipt.id_of(world.house, row.id))


def test_a_receipt_names_the_parts_as_the_standard_does_and_shows_no_address(world: World) -> None:
    world.people("oleg", name="Олег Żółć", grants=())
    world.consents("granted", "oleg", at=world.now() - timedelta(days=2))
    world.consents("withdrawn", "oleg", at=world.now() - timedelta(days=1))
    world.consents("granted", "oleg", channel="sms")
    found = receipt_of(world, 0)
    assert (found.header.schema_version, found.header.pii_principal_id) == ("ISO/IEC TS 27560:2023", "oleg")
    [purpose] = found.processing.purposes
    assert (purpose.purpose, purpose.lawful_basis, purpose.collection_method) == ("marketing", "consent", "form")
    assert [each.pii_type for each in purpose.pii_information] == ["email"]
    assert [(each.event_type, each.event_state) for each in found.events] == [
        ("granted", "consent given"),
        ("withdrawn", "consent withdrawn"),
    ]
    assert found.events[0].record_id == found.header.record_id
    assert found.state == "consent withdrawn"
    assert [party.party_role for party in found.parties] == ["pii controller"]
    written = msgspec.json.encode(found).decode()
    assert "oleg@example.com" not in written
    assert "Олег" not in written


def test_a_receipt_of_post_says_that_it_rests_on_no_consent(world: World) -> None:
    world.people("oleg", grants=())
    world.consents("objected", "oleg", channel="postal")
    found = receipt_of(world, 0)
    assert found.processing.purposes[0].lawful_basis.startswith("legitimate interest")
    assert found.state == "consent refused"


def test_of_a_request_alone_nothing_holds(world: World) -> None:
    world.people("oleg", grants=())
    world.consents("requested", "oleg", purpose="club")
    found = receipt_of(world, 0)
    assert (found.state, found.events[0].event_state) == (None, "consent requested")


@pytest.mark.parametrize("made_up", ["", "x", "A" * 40])
def test_a_made_up_id_has_no_receipt(world: World, made_up: str) -> None:
    with world.db.snapshot() as tx, pytest.raises(NotFound):
        receipt.receipt(tx, world.house, made_up)
    foreign = world.house.keys.sign_id("opt_in", 1)
    with world.db.snapshot() as tx, pytest.raises(NotFound):
        receipt.receipt(tx, world.house, foreign)
