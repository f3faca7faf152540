"""Messages that come back although the address is not dead: the address rests for a while, and then is used again."""

import itertools
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.contract import EventType, Outbound
from gateway.domain.policy import Bounces
from gateway.services import bounces, explain, privacy
from gateway.storage import recipients, suppressions
from gateway.storage.suppressions import Suppressed
from gateway.storage.tables import soft_bounces
from gateway.storage.tables import suppressions as table
from tests.builders import NOW, World, installation

_SERIAL = itertools.count(1)
MONTH = timedelta(days=30)


@pytest.fixture
def zofia(world: World) -> World:
    world.people("zofia", name="Zofia Wójcik 🌻")
    return world


def letter(world: World, id: str = "zofia") -> Outbound:
    """One more message to a person."""
    world.run(audience={"kind": "ids", "ids": [id]})
    [message] = world.pump()
    return message


def bounce(world: World, times: int, *, every_h: float = 24, id: str = "zofia") -> None:
    """So many messages that come back, each so long after the one before; then as much time again."""
    for _ in range(times):
        world.report(EventType.BOUNCED, letter(world, id), code="5.2.2")
        world.later(hours=every_h)


def outcome(world: World, id: str = "zofia") -> tuple[str, str | None]:
    return world.state(world.run(audience={"kind": "ids", "ids": [id]}), id)


def in_a_row(world: World) -> list[int]:
    with world.db.snapshot() as tx:
        return [row.bounces for row in tx.execute(soft_bounces.select())]


def test_four_bounces_in_three_days_let_an_address_rest_for_a_month(zofia: World) -> None:
    bounce(zofia, 3, every_h=24)
    assert outcome(zofia) == ("queued", None)
    [message] = zofia.pump()
    zofia.report(EventType.BOUNCED, message, code="5.2.2")
    assert outcome(zofia) == ("skipped", "suppressed:for_a_while")
    zofia.later(days=29, hours=23)
    assert outcome(zofia) == ("skipped", "suppressed:for_a_while")
    zofia.later(hours=2)
    assert outcome(zofia) == ("queued", None)
    [message] = zofia.pump()
    assert message.address.value == "zofia@example.com"
    assert in_a_row(zofia) == [], "counting begins anew"


def test_many_bounces_of_one_bad_day_are_not_enough(zofia: World) -> None:
    bounce(zofia, 6, every_h=11)
    assert in_a_row(zofia) == [6]
    assert outcome(zofia) == ("queued", None)


@pytest.mark.parametrize("type", [EventType.DELIVERED, EventType.OPENED, EventType.CLICKED, EventType.SHOWN])
def test_a_message_that_arrived_ends_the_row(zofia: World, type: EventType) -> None:
    bounce(zofia, 3)
    zofia.report(type, letter(zofia))
    assert in_a_row(zofia) == []
    bounce(zofia, 1)
    assert outcome(zofia) == ("queued", None)


def test_a_link_that_a_person_followed_ends_the_row_and_what_a_scanner_did_not(zofia: World) -> None:
    bounce(zofia, 3)
    key = zofia.key_of(letter(zofia))
    zofia.click(key, by="bot")
    assert in_a_row(zofia) == [3]
    zofia.click(key)
    assert in_a_row(zofia) == []


def test_a_message_counts_once_whoever_reports_it_and_its_late_delivery_says_nothing(zofia: World) -> None:
    message = letter(zofia)
    for _ in range(3):
        zofia.report(EventType.BOUNCED, message, code="5.2.2")
        zofia.later(days=2)
    zofia.report(EventType.DELIVERED, message)
    assert in_a_row(zofia) == [1]


def test_blocks_delays_and_failures_say_nothing_of_the_address(zofia: World) -> None:
    for type in (EventType.BLOCKED, EventType.DELAYED, EventType.FAILED) * 2:
        zofia.report(type, letter(zofia), code="5.7.1")
        zofia.later(days=1)
    assert in_a_row(zofia) == []
    assert outcome(zofia) == ("queued", None)


def test_a_bounce_after_a_month_of_silence_is_the_first_again(zofia: World) -> None:
    bounce(zofia, 3)
    zofia.later(days=31)
    bounce(zofia, 1)
    assert in_a_row(zofia) == [1]


def test_an_address_that_rests_gives_way_to_the_next_one(world: World) -> None:
    places = [{"kind": "email", "value": f"{name}@example.com"} for name in ("елена", "elena")]
    world.people("elena", addresses=places)
    bounce(world, 4, every_h=25, id="elena")
    assert letter(world, "elena").address.value == "elena@example.com"
    world.later(days=30)
    assert letter(world, "elena").address.value == "елена@example.com"


def test_an_explanation_says_until_when_an_address_rests(zofia: World) -> None:
    bounce(zofia, 3)
    zofia.report(EventType.BOUNCED, letter(zofia), code="4.2.2")
    at = zofia.now()
    job_id = zofia.run()
    with zofia.db.snapshot() as tx:
        found = explain.explain(tx, zofia.house, f"job-{job_id}", "zofia")
    assert found.decision is not None
    [asked] = [asked for way in found.decision.ways for asked in way.asked if asked.question == "suppressed"]
    assert "only for a while" in asked.answer
    assert abs(asked.seen["until"] - (at + MONTH)) < timedelta(minutes=1)


def test_an_export_has_the_row_of_bounces_and_erasing_takes_it_out(zofia: World) -> None:
    bounce(zofia, 2)
    with zofia.db.transaction() as tx:
        found = privacy.export(tx, "zofia", "shop")
    assert [(each["kind"], each["bounces"]) for each in found.soft_bounces] == [("email", 2)]
    with zofia.db.transaction() as tx:
        privacy.erase(tx, zofia.house, "zofia", "erased_1", "shop")
    assert in_a_row(zofia) == []


def test_what_has_ended_is_forgotten(zofia: World) -> None:
    bounce(zofia, 4)
    zofia.people("aldo")
    bounce(zofia, 1, id="aldo")
    zofia.later(days=40)
    with zofia.db.transaction() as tx:
        assert bounces.forget(tx, zofia.house) == 2
        assert tx.execute(table.select()).all() == []


def hash_of(world: World, id: str = "zofia") -> str:
    return world.house.keys.hash_address("email", f"{id}@example.com")


def kept(world: World) -> list[tuple[str, bool]]:
    with world.db.snapshot() as tx:
        return [(row.reason, row.until is None) for row in tx.execute(table.select())]


@pytest.mark.parametrize("at_once", [True, False])
def test_what_holds_for_good_goes_before_a_rest_and_a_rest_never_before_it(zofia: World, at_once: bool) -> None:
    place = ("email", hash_of(zofia))
    rest = Suppressed(*place, "soft_bounced", "t", NOW, NOW + MONTH)
    longer = Suppressed(*place, "soft_bounced again", "t", NOW, NOW + 2 * MONTH)
    good = Suppressed(*place, "complained", "t", NOW)
    late = Suppressed(*place, "bounced", "t", NOW)
    order = [longer, rest, good, late, longer]
    with zofia.db.transaction() as tx:
        for page in [order] if at_once else [[each] for each in order]:
            suppressions.add_each(tx, page)
    assert kept(zofia) == [("complained", True)]


def test_a_complaint_of_somebody_whose_address_rests_is_for_good(zofia: World) -> None:
    message = letter(zofia)
    bounce(zofia, 4, every_h=25)
    assert kept(zofia) == [("soft_bounced", False)]
    zofia.report(EventType.COMPLAINED, message)
    assert kept(zofia) == [("complained", True)]
    zofia.later(days=60)
    with zofia.db.snapshot() as tx:
        assert recipients.live_addresses(tx, list(recipients.ids_of(tx, ["zofia"]).values()), "email") == {}


NEWS = st.tuples(
    st.sampled_from(["soft", "soft", "soft", "delivered", "blocked"]), st.integers(min_value=1, max_value=60)
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NEWS, max_size=9))
def test_an_address_rests_exactly_when_counting_by_hand_says_so(world: World, news: list[tuple[str, int]]) -> None:
    rules = Bounces(soft=3, over=timedelta(hours=48), suppress_for=timedelta(days=5))
    world.house = installation(bounces=rules)
    id = f"maria-{next(_SERIAL)}"
    world.people(id, name="Μαρία Παπά")
    row: list[float] = []
    rests_until, now = 0.0, 0.0
    for kind, wait_h in news:
        state = outcome(world, id)
        assert (state == ("skipped", "suppressed:for_a_while")) == (now < rests_until), (news, now)
        if state[0] == "queued":
            [message] = world.pump()
            world.report(TYPES[kind], message)
            row = counted(kind, row, now)
            if len(row) >= rules.soft and row[-1] - row[0] >= 48:
                row, rests_until = [], now + 120
        world.later(hours=wait_h)
        now += wait_h


TYPES = {"soft": EventType.BOUNCED, "delivered": EventType.DELIVERED, "blocked": EventType.BLOCKED}


def counted(kind: str, row: list[float], now: float) -> list[float]:
    """The hours of the bounces in a row, counted by hand."""
    match kind:
        case "delivered":
            return []
        case "soft":
            return [*(row if row and now - row[-1] <= 120 else []), now]
        case _:
            return row
