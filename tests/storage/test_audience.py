"""One audience expression chooses the same people on both databases."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from gateway.domain.audience import Expression
from gateway.services import people
from gateway.storage import audience, clock, recipients
from tests.builders import World, person

# What each person has under the attribute x; "none" has no such attribute.
VALUES: dict[str, Any] = {
    "one": 1,
    "one-float": 1.0,
    "one-text": "1",
    "true": True,
    "false": False,
    "zero": 0,
    "null": None,
    "half": 0.5,
    "tenth": 0.1,
    "minus": -3,
    "big": 2**53 + 1,
    "huge": 10**30,
    "vast": 10**400,
    "text": "złoty",
    "empty": "",
    "list": ["złoty"],
    "object": {"y": "złoty"},
    "quote": 'it\'s "x"; --',
    "emoji": "🙂",
}


@pytest.fixture
def crowd(world: World) -> World:
    for id, value in VALUES.items():
        world.people(id, grants=(), attributes={"x": value, "other": "złoty"})
    world.people("none", grants=(), attributes={"a.b": 7, "x.y": 1})
    return world


def chosen(world: World, where: dict[str, Any]) -> set[str]:
    expression: Expression = msgspec.json.decode(msgspec.json.encode(where), type=Expression)
    with world.db.snapshot() as tx:
        now = clock.now(tx).business
        ids = audience.page(tx, expression, now, 0, 1000)
        paged = []
        while page := audience.page(tx, expression, now, paged[-1] if paged else 0, 3):
            paged += page
        assert ids == paged
        assert audience.count(tx, expression, now) == len(ids)
        return {row.external_id for row in recipients.profiles(tx, ids).values()}


def x(*values: Any) -> dict[str, Any]:
    return {"op": "attribute", "name": "x", "any_of": list(values)}


@pytest.mark.parametrize(
    ("values", "people"),
    [
        ((1,), {"one", "one-float"}),
        ((1.0,), {"one", "one-float"}),
        (("1",), {"one-text"}),
        ((True,), {"true"}),
        ((False,), {"false"}),
        ((0,), {"zero"}),
        ((0.1,), {"tenth"}),
        ((2**53 + 1,), {"big"}),
        ((10**30,), {"huge"}),
        (("złoty",), {"text"}),
        (("",), {"empty"}),
        (('it\'s "x"; --',), {"quote"}),
        (("🙂",), {"emoji"}),
        ((1, "1", True), {"one", "one-float", "one-text", "true"}),
        (("nobody",), set()),
    ],
)
def test_an_attribute_equals_by_value_and_type(crowd: World, values: tuple[Any, ...], people: set[str]) -> None:
    assert chosen(crowd, x(*values)) == people


NUMBERS = {"one", "one-float", "zero", "half", "tenth", "minus", "big", "huge", "vast"}


@pytest.mark.parametrize(
    ("bounds", "people"),
    [
        ({}, NUMBERS),
        ({"at_least": 0.5}, NUMBERS - {"zero", "tenth", "minus"}),
        ({"at_most": 0.5}, {"zero", "tenth", "half", "minus"}),
        ({"at_least": 0.1, "at_most": 0.1}, {"tenth"}),
        ({"at_least": 1, "at_most": 1}, {"one", "one-float"}),
        ({"at_least": 1e29}, {"huge", "vast"}),
        ({"at_least": 2, "at_most": 1}, set()),
    ],
)
def test_bounds_choose_numbers_and_nothing_that_looks_like_one(
    crowd: World, bounds: dict[str, float], people: set[str]
) -> None:
    assert chosen(crowd, {"op": "attribute_between", "name": "x", **bounds}) == people


def test_a_name_with_a_dot_is_one_name(crowd: World) -> None:
    assert chosen(crowd, {"op": "attribute", "name": "a.b", "any_of": [7]}) == {"none"}
    assert chosen(crowd, {"op": "attribute", "name": "x.y", "any_of": ["złoty"]}) == set()


def test_not_takes_the_unknown_in(crowd: World) -> None:
    everyone = {*VALUES, "none"}
    assert chosen(crowd, {"op": "everyone"}) == everyone
    assert chosen(crowd, {"op": "not", "of": x(1)}) == everyone - {"one", "one-float"}
    assert chosen(crowd, {"op": "not", "of": {"op": "country", "any_of": ["IT"]}}) == everyone
    low = {"op": "attribute_between", "name": "x", "at_most": 10**9}
    assert chosen(crowd, {"op": "not", "of": low}) == (everyone - NUMBERS) | {"big", "huge", "vast"}
    assert chosen(crowd, {"op": "not", "of": {"op": "not", "of": low}}) == NUMBERS - {"big", "huge", "vast"}


def test_all_and_any_combine(crowd: World) -> None:
    other = {"op": "attribute", "name": "other", "any_of": ["złoty"]}
    assert chosen(crowd, {"op": "all", "of": [other, x(1)]}) == {"one", "one-float"}
    assert chosen(crowd, {"op": "any", "of": [x("1"), x(True)]}) == {"one-text", "true"}
    assert chosen(crowd, {"op": "all", "of": [{"op": "not", "of": other}, {"op": "everyone"}]}) == {"none"}


def test_a_country_is_one_of_those_named(world: World) -> None:
    for id, country in (("it", "IT"), ("pl", "PL"), ("de", "DE"), ("nowhere", None)):
        world.people(id, grants=(), country=country)
    assert chosen(world, {"op": "country", "any_of": ["IT", "PL"]}) == {"it", "pl"}
    assert chosen(world, {"op": "not", "of": {"op": "country", "any_of": ["IT"]}}) == {"pl", "de", "nowhere"}


@pytest.fixture
def shop(world: World) -> World:
    """What people bought, and how many days ago."""
    bought: dict[str, list[tuple[int, int | None]]] = {
        "never": [],
        "today": [(0, 1000)],
        "often": [(1, 500), (10, 500), (40, None)],
        "asleep": [(100, 9000), (200, 100)],
        "edge": [(90, 1)],
        "refunded": [(5, 2000), (4, -2000)],
    }
    for id, purchases in bought.items():
        world.people(id, grants=())
        for days, amount in purchases:
            fields = {} if amount is None else {"amount_minor": amount, "currency": "EUR"}
            world.activity(id, ago=timedelta(days=days), **fields)
    world.activity("never", "visit", ago=timedelta(days=1))
    return world


@pytest.mark.parametrize(
    ("asked", "people"),
    [
        ({}, {"today", "often", "asleep", "edge", "refunded"}),
        ({"within": "P30D"}, {"today", "often", "refunded"}),
        # The oldest instant of a window is outside, as it is with caps.
        ({"within": "P90D"}, {"today", "often", "refunded"}),
        ({"dormant_for": "P90D"}, {"asleep", "edge"}),
        ({"dormant_for": "P50D", "within": "P150D"}, {"asleep", "edge"}),
        ({"at_least": 2}, {"often", "asleep", "refunded"}),
        ({"at_least": 2, "within": "P30D"}, {"often", "refunded"}),
        ({"at_most": 0}, {"never"}),
        ({"at_most": 0, "within": "P30D"}, {"never", "asleep", "edge"}),
        ({"at_least": 1, "at_most": 1}, {"today", "edge"}),
        ({"amount_at_least_minor": 1000}, {"today", "often", "asleep"}),
        ({"amount_at_least_minor": 0}, {"never", "today", "often", "asleep", "edge", "refunded"}),
        ({"amount_at_least_minor": 600, "within": "P30D"}, {"today", "often"}),
        ({"dormant_for": "P90D", "amount_at_least_minor": 5000}, {"asleep"}),
    ],
)
def test_what_people_did_chooses_them(shop: World, asked: dict[str, Any], people: set[str]) -> None:
    where = {"op": "activity", "kind": "purchase", **asked}
    assert chosen(shop, where) == people
    everyone = {"never", "today", "often", "asleep", "edge", "refunded"}
    assert chosen(shop, {"op": "not", "of": where}) == everyone - people


def test_an_activity_of_another_kind_or_of_the_future_does_not_count(shop: World) -> None:
    shop.activity("never", ago=-timedelta(days=1))
    assert chosen(shop, {"op": "activity", "kind": "visit"}) == {"never"}
    assert "never" not in chosen(shop, {"op": "activity", "kind": "purchase"})
    assert chosen(shop, {"op": "activity", "kind": "login"}) == set()


CONDITIONS: list[dict[str, Any]] = [
    x(1),
    x("1", "złoty"),
    x(True),
    x(False, 0),
    x(0.1, 2**53 + 1),
    x(10**30),
    x('it\'s "x"; --', "🙂", ""),
    {"op": "attribute_between", "name": "x", "at_least": 0, "at_most": 1},
    {"op": "attribute_between", "name": "x", "at_least": 10**300},
    {"op": "attribute", "name": "a.b", "any_of": [7]},
    {"op": "country", "any_of": ["IT", "PL"]},
    {"op": "everyone"},
    {"op": "activity", "kind": "purchase"},
    {"op": "activity", "kind": "purchase", "at_least": 1},
    {"op": "activity", "kind": "purchase", "at_most": 0},
    {"op": "activity", "kind": "purchase", "dormant_for": "P1D"},
    {"op": "activity", "kind": "purchase", "amount_at_least_minor": 0},
]


def test_people_who_are_not_written_yet_are_chosen_as_they_will_be(crowd: World) -> None:
    crowd.people("ada", "bea", grants=(), country="IT")
    crowd.people("nea", grants=(), country="GR")
    profiles: dict[str, dict[str, Any]] = {
        **{id: {"attributes": {"x": value, "other": "złoty"}} for id, value in VALUES.items()},
        "none": {"attributes": {"a.b": 7, "x.y": 1}},
        "ada": {"country": "IT"},
        "bea": {"country": "IT"},
        "nea": {"country": "GR"},
    }
    names = dict(enumerate(profiles, start=1))
    newcomers = {-n: people.normalised(crowd.house, id, person(id, **profiles[id])) for n, id in names.items()}
    for condition in CONDITIONS:
        wheres = [msgspec.convert(each, Expression) for each in ({"op": "not", "of": condition}, condition)]
        with crowd.db.snapshot() as tx:
            now = clock.now(tx).business
            known = recipients.ids_of(tx, list(profiles))
            would = audience.first_that_would_hold(tx, wheres, now, newcomers)
            does = audience.first_that_holds(tx, wheres, now, list(known.values()))
        told = {names[-n]: place for n, place in would.items()}
        assert told == {id: does[number] for id, number in known.items()}, condition
        assert {id for id, place in told.items() if place == 1} == chosen(crowd, condition), condition
