"""What people choose on their own page, and what services note for them."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from gateway.domain.policy import BasisRule
from gateway.domain.preferences import OwnCap, Preferences, Proof
from gateway.services import preferences
from gateway.services.preferences import Pair, Standing
from gateway.services.problems import NotFound
from gateway.storage import audit, clock, consents, suppressions
from gateway.storage.database import Database
from tests.builders import World, device, installation, postal, step

PHONE = {"kind": "phone", "value": "+12025550142"}
EMAIL = {"kind": "email", "value": "nour@example.com"}
SEEN = Proof(text_version="preference-page:en:1", evidence={"user_agent": "Firefox"})
MAIL = ("marketing", "email")


@pytest.fixture
def nour(world: World) -> World:
    """Agreed to offers by e-mail; can be reached by text message, post and the app too."""
    world.people("nour", name="نور الهدى", locale="ar", addresses=[EMAIL, PHONE, postal()])
    return world


def standing(world: World) -> Standing:
    with world.db.snapshot() as tx:
        found = preferences.standing(tx, world.house, 1)
    assert found is not None
    return found


def switches(world: World) -> dict[Pair, bool]:
    return {(choice.purpose, choice.channel): choice.is_on for choice in standing(world).choices}


def choose(world: World, wanted: Mapping[Pair, bool]) -> None:
    with world.db.transaction() as tx:
        assert preferences.choose(tx, world.house, 1, wanted, SEEN)


def ledger(world: World) -> list[tuple[str, str, str, str]]:
    """What was said on the page."""
    with world.db.snapshot() as tx:
        rows = consents.of_recipient(tx, 1)
    told = [row for row in rows if row.source == "preference-page"]
    assert {(row.text_version, row.actor, str(row.evidence)) for row in told} <= {
        ("preference-page:en:1", "recipient", "{'user_agent': 'Firefox'}")
    }
    return sorted((row.purpose, row.channel, row.action, row.source) for row in told)


def test_a_person_chooses_among_what_policy_leaves_to_them_and_what_reaches_them(nour: World) -> None:
    assert switches(nour) == {
        ("marketing", "email"): True,
        ("survey", "email"): False,
        ("service", "email"): True,
        ("marketing", "sms"): False,
        ("survey", "sms"): False,
        ("service", "sms"): True,
        ("marketing", "postal"): True,
        ("survey", "postal"): False,
        ("service", "postal"): True,
        ("marketing", "app"): False,
        ("survey", "app"): False,
        ("service", "app"): True,
    }
    shown = {choice.address for choice in standing(nour).choices}
    assert shown == {"n•••@example.com", "+12••••42", None}


def test_a_suppressed_address_is_no_choice(nour: World) -> None:
    with nour.db.transaction() as tx:
        suppressions.add_addresses(tx, [1], "complained", "test", clock.now(tx).business)
    assert "email" not in {channel for _, channel in switches(nour)}


def test_where_a_country_asks_for_a_grant_nothing_is_on_without_one(db: Database) -> None:
    rule = BasisRule(countries=("DE",), purposes=("marketing",), channels=("postal",), basis="opt_in")
    world = World(db, installation(basis=(rule,)))
    world.people("nour", grants=(), country="DE", addresses=[postal()])
    assert switches(world)["marketing", "postal"] is False


def test_switching_off_stops_what_is_pending_and_switching_on_is_a_grant(nour: World) -> None:
    mail, letter = nour.run(), nour.run(step(channels=["postal"]))
    choose(nour, {MAIL: False, ("survey", "sms"): True})
    assert ledger(nour) == [
        ("marketing", "email", "withdrawn", "preference-page"),
        ("survey", "sms", "granted", "preference-page"),
    ]
    assert nour.state(mail, "nour") == ("cancelled", "no_consent")
    assert nour.state(letter, "nour", channel="postal") == ("queued", None)
    assert nour.state(nour.run(step(channels=["sms"]), purpose="survey"), "nour", channel="sms") == ("queued", None)


def test_a_no_to_what_was_never_agreed_to_is_an_objection(nour: World) -> None:
    choose(nour, {("marketing", "postal"): False})
    assert ledger(nour) == [("marketing", "postal", "objected", "preference-page")]
    letter = nour.run(step(channels=["postal"]))
    assert nour.state(letter, "nour", channel="postal") == ("skipped", "no_consent")


def test_what_stands_as_wanted_or_is_not_theirs_to_choose_writes_nothing(nour: World) -> None:
    choose(nour, {MAIL: True, ("transactional", "email"): False, ("gossip", "fax"): True, ("marketing", "push"): True})
    assert ledger(nour) == []
    with nour.db.snapshot() as tx:
        assert audit.page(tx, None, 10, audit.person(1)) == []


def test_one_button_takes_everything_back_also_where_nothing_reaches_them_today(nour: World) -> None:
    nour.people("nour", grants=("push",), purpose="survey", addresses=[EMAIL, PHONE, postal(), device("a")])
    nour.people("nour", grants=(), addresses=[EMAIL])
    pending = [nour.run(), nour.run(purpose="service")]
    for _ in range(2):
        with nour.db.transaction() as tx:
            assert preferences.stop_everything(tx, nour.house, 1, SEEN)
    said = ledger(nour)
    assert len(said) == 3 * 5
    assert {each[:2] for each in said if each[2] == "withdrawn"} == {("marketing", "email"), ("survey", "push")}
    assert [nour.state(job, "nour") for job in pending] == [("cancelled", "no_consent")] * 2
    assert set(switches(nour).values()) == {False}
    receipt = nour.run(purpose="transactional")
    assert nour.state(receipt, "nour") == ("queued", None)


def test_a_pause_ends_by_itself_or_by_a_click_and_leaves_the_cap_alone(nour: World) -> None:
    cap = OwnCap(max=1, window=timedelta(days=7))
    with nour.db.transaction() as tx:
        preferences.limit(tx, nour.house, 1, cap)
        paused = preferences.pause(tx, nour.house, 1, timedelta(days=30))
    assert paused is not None
    until = paused.preferences.paused_until
    assert until is not None
    assert (until - nour.now()).days == 29
    assert standing(nour).preferences == Preferences(paused_until=until, cap=cap)
    nour.later(days=31)
    assert standing(nour).preferences == Preferences(cap=cap)
    with nour.db.transaction() as tx:
        preferences.pause(tx, nour.house, 1, timedelta(days=90))
        ended = preferences.pause(tx, nour.house, 1, timedelta(0))
    assert ended is not None
    assert ended.preferences == Preferences(cap=cap)


def test_nobody_pauses_for_longer_than_the_page_offers(nour: World) -> None:
    with nour.db.transaction() as tx:
        paused = preferences.pause(tx, nour.house, 1, timedelta(days=9999))
    assert paused is not None
    assert paused.preferences.paused_until is not None
    assert paused.preferences.paused_until <= nour.now() + timedelta(days=90)


def test_while_somebody_pauses_only_what_needs_no_consent_goes_out(nour: World) -> None:
    waiting = nour.run()
    with nour.db.transaction() as tx:
        preferences.pause(tx, nour.house, 1, timedelta(days=30))
    assert nour.pump() == []
    assert nour.state(waiting, "nour") == ("skipped", "no_consent:paused")
    assert nour.state(nour.run(), "nour") == ("skipped", "no_consent:paused")
    assert nour.state(nour.run(purpose="transactional"), "nour") == ("queued", None)


def test_a_cap_of_their_own_holds_beside_those_of_the_house(nour: World) -> None:
    with nour.db.transaction() as tx:
        preferences.limit(tx, nour.house, 1, OwnCap(max=1, window=timedelta(days=7)))
    nour.run()
    assert len(nour.pump()) == 1
    nour.run(over_cap="skip")
    assert nour.pump() == []


def test_a_service_notes_what_a_person_asked_for_and_it_is_audited(nour: World) -> None:
    wanted = Preferences(paused_until=nour.now() + timedelta(days=10), cap=OwnCap(max=2, window=timedelta(days=30)))
    with nour.db.transaction() as tx:
        preferences.write(tx, "nour", wanted, "crm")
    with nour.db.snapshot() as tx:
        _, kept = preferences.of_recipient(tx, "nour")
        [row] = audit.page(tx, None, 10, audit.person(1))
    assert kept.preferences == wanted
    assert kept.source == "crm"
    assert (row.actor, row.action, row.detail["cap_max"]) == ("crm", "preferences.changed", 2)
    with nour.db.transaction() as tx:
        preferences.write(tx, "nour", Preferences(), "crm")
    assert standing(nour).preferences == Preferences()


def test_of_a_stranger_nothing_is_noted_and_nothing_shown(nour: World) -> None:
    with nour.db.transaction() as tx:
        assert preferences.standing(tx, nour.house, 99) is None
        assert preferences.choose(tx, nour.house, 99, {MAIL: False}, SEEN) is None
        assert preferences.stop_everything(tx, nour.house, 99, SEEN) is None
        assert preferences.pause(tx, nour.house, 99, timedelta(days=30)) is None
        with pytest.raises(NotFound):
            preferences.write(tx, "nobody", Preferences(), "crm")
