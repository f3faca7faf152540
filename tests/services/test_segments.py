"""Parts of one audience get different offers, and each stays what it was when the person entered."""

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from gateway.domain.job import JobInput
from gateway.services import accept, explain, report
from gateway.services.expand import expand_page
from gateway.services.problems import Invalid
from gateway.storage.tables import entries, offers, recipients
from tests.builders import World, job, statements, step

SHOWS = {"text": "{{ coupon.title }}: {{ coupon.code }}"}
VIPS = {"op": "attribute", "name": "tier", "any_of": ["złoty"]}
ITALIANS = {"op": "country", "any_of": ["IT"]}
BUYERS = {"op": "activity", "kind": "purchase", "at_least": 1}
RICH = {"op": "attribute_between", "name": "spent", "at_least": 100}
SEGMENTS = (
    {"segment": "vip", "where": VIPS, "offer": "w30"},
    {"segment": "italy", "where": ITALIANS, "offer": "gratis"},
    {"segment": "buyers", "where": BUYERS},
)


@pytest.fixture
def shop(world: World) -> World:
    """ada is a vip of Italy, jan a vip, chiara Italian, irina has bought something, and niki is like nobody."""
    world.offer("w15")
    world.offer("w30", title="30 %", value=30, codes={"kind": "own", "prefix": "VP"})
    world.offer("gratis", title="Spedizione gratuita 🚚", kind="sample", value=1)
    world.people("ada", country="IT", attributes={"tier": "złoty"})
    world.people("jan", country="PL", attributes={"tier": "złoty"})
    world.people("chiara", country="IT")
    world.people("irina", "niki")
    world.activity("irina")
    return world


def segments(world: World, job_id: int) -> dict[str, tuple[str | None, str | None]]:
    """By recipient, the segment and the offer that the entry keeps."""
    query = (
        select(recipients.c.external_id, entries.c.segment, offers.c.key)
        .join(recipients, recipients.c.id == entries.c.recipient_id)
        .outerjoin(offers, offers.c.id == entries.c.offer_id)
        .where(entries.c.job_id == job_id)
    )
    with world.db.snapshot() as tx:
        return {id: (segment, key) for id, segment, key in tx.execute(query)}


def problems(world: World, request: JobInput) -> dict[str, str]:
    with pytest.raises(Invalid) as refused, world.db.transaction() as tx:
        accept.accept(tx, world.house, "shop", accept.examine(world.house, request), "job-x")
    return {problem.pointer: problem.detail for problem in refused.value.problems}


def test_the_first_segment_that_a_person_is_in_gives_the_offer(shop: World) -> None:
    job_id = shop.run(step(**SHOWS), offer="w15", offers=SEGMENTS)
    assert segments(shop, job_id) == {
        "ada": ("vip", "w30"),
        "jan": ("vip", "w30"),
        "chiara": ("italy", "gratis"),
        "irina": ("buyers", "w15"),
        "niki": (None, "w15"),
    }


def test_each_message_shows_its_own_offer(shop: World) -> None:
    shop.run(step(**SHOWS), offer="w15", offers=SEGMENTS)
    shown = {message.recipient_id: message.coupon for message in shop.pump()}
    titles = {id: coupon.title for id, coupon in shown.items() if coupon}
    assert titles == {
        "ada": "30 %",
        "jan": "30 %",
        "chiara": "Spedizione gratuita 🚚",
        "irina": "15 %",
        "niki": "15 %",
    }
    codes = {id: coupon.code for id, coupon in shown.items() if coupon}
    assert [id for id, code in codes.items() if code.startswith("VP-")] == [id for id in codes if id in ("ada", "jan")]
    assert {shop.coupon(code).external_id for code in codes.values()} == set(codes)


def test_without_segments_everybody_gets_the_offer_of_the_job_and_nobody_is_asked_about(shop: World) -> None:
    job_id = shop.accept(job(step(**SHOWS), offer="w15"))
    with shop.db.transaction() as tx:
        seen = statements(tx)
        expand_page(tx, shop.house, job_id, 100)
        plain = len(seen)
    assert set(segments(shop, job_id).values()) == {(None, "w15")}
    other = shop.accept(job(step(**SHOWS), offer="w15", offers=SEGMENTS))
    with shop.db.transaction() as tx:
        seen = statements(tx)
        expand_page(tx, shop.house, other, 100)
    assert len(seen) == plain + 1, "segments are one question for a whole page"


def test_a_segment_is_chosen_as_of_the_begin_of_the_job_and_stays(shop: World) -> None:
    job_id = shop.accept(job(step(**SHOWS), step("two", after="P1D", **SHOWS), offer="w15", offers=SEGMENTS))
    shop.later(hours=1)
    shop.activity("niki")  # too late to be a buyer
    shop.expand(job_id)
    assert segments(shop, job_id)["niki"] == (None, "w15")
    first = {message.recipient_id: message.coupon for message in shop.pump()}
    shop.people("chiara", country="PL", attributes={"tier": "złoty"})
    shop.later(days=1, minutes=1)
    shop.plan_due()
    second = {message.recipient_id: message.coupon for message in shop.pump()}
    assert second == first
    assert segments(shop, job_id)["chiara"] == ("italy", "gratis")


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_the_preview_counts_what_the_run_does_whoever_is_known(shop: World, page: int) -> None:
    newcomers = [
        {"id": "new-1", "profile": profile("new-1", country="IT")},
        {"id": "new-2", "profile": profile("new-2", attributes={"tier": "złoty", "spent": 50})},
        {"id": "new-3", "profile": profile("new-3", attributes={"spent": 150})},
        {"id": "new-4", "profile": profile("new-4", attributes={"spent": "150", "tier": ["złoty"]})},
        {"id": "new-5"},
    ]
    known = [{"id": id} for id in ("ada", "jan", "chiara", "irina", "niki")]
    request = job(
        step(**SHOWS),
        purpose="transactional",
        audience={"kind": "inline", "recipients": [*newcomers, *known]},
        offer="w15",
        offers=[
            {"segment": "rich", "where": RICH, "offer": "w30"},
            {"segment": "no-buyers", "where": {"op": "all", "of": [ITALIANS, {"op": "not", "of": BUYERS}]}},
            *SEGMENTS,
        ],
    )
    forecast = shop.preview(request)
    job_id = shop.accept(request)
    shop.expand(job_id, page=page)
    entered = Counter(segments(shop, job_id).values())
    assert {(each.segment, each.offer): each.recipients for each in forecast.segments} == entered
    assert entered == {
        ("rich", "w30"): 1,
        ("no-buyers", "w15"): 3,
        ("vip", "w30"): 2,
        ("buyers", "w15"): 1,
        (None, "w15"): 2,
    }
    assert sum(each.queued for each in forecast.segments) == len(shop.pump())


def profile(id: str, **fields: Any) -> dict[str, Any]:
    return {"addresses": [{"kind": "email", "value": f"{id}@example.com"}], **fields}


def test_samples_of_the_preview_have_the_offer_of_their_person(shop: World) -> None:
    forecast = shop.preview(job(step(**SHOWS), offer="w15", offers=SEGMENTS))
    with shop.db.snapshot() as tx:
        names = {row.id: row.external_id for row in tx.execute(select(recipients.c.id, recipients.c.external_id))}
    sampled = {names[each.recipient_id]: forecast.job.offers[each.offer_id or 0].key for each in forecast.samples}
    assert sampled == {"ada": "w30", "jan": "w30", "chiara": "gratis", "irina": "w15", "niki": "w15"}


def test_an_offer_that_ends_ends_for_its_segment_alone(shop: World) -> None:
    shop.offer("short", valid_until="2026-11-21T12:00:00Z")
    italy = {"segment": "italy", "where": ITALIANS, "offer": "short"}
    job_id = shop.run(step(after="P2D", **SHOWS), offer="w15", offers=[italy])
    shop.later(days=2, minutes=1)
    assert {message.recipient_id for message in shop.pump()} == {"jan", "irina", "niki"}
    assert shop.state(job_id, "ada") == ("expired", "expired")


@pytest.mark.parametrize(
    ("fields", "pointer", "told"),
    [
        ({"offers": SEGMENTS}, "/steps/0/content/email", "name an `offer` too"),
        ({"offer": "w15", "offers": [SEGMENTS[0], SEGMENTS[0]]}, "/offers/1/segment", "another segment vip"),
        ({"offer": "w15", "offers": [{**SEGMENTS[0], "offer": "none"}]}, "/offers/0/offer", "there is no offer none"),
        ({"offer": "w15", "offers": [SEGMENTS[0], {**SEGMENTS[1], "offer": "old"}]}, "/offers/1/offer", "old is over"),
        (
            {"offer": "gone", "offers": [{**SEGMENTS[0], "offer": "gone"}]},
            "/offer",
            "nothing is left of the offer gone",
        ),
        ({"offer": "w15", "offers": [{"segment": "deep", "where": "DEEP"}]}, "/offers/0/where", "more than 8 levels"),
    ],
)
def test_segments_that_make_no_sense_are_refused_with_where_and_why(
    shop: World, fields: dict[str, Any], pointer: str, told: str
) -> None:
    deep: dict[str, Any] = ITALIANS
    for _ in range(8):
        deep = {"op": "not", "of": deep}
    asked = [each | {"where": deep} if each["where"] == "DEEP" else each for each in fields["offers"]]
    shop.offer("old", valid_until="2026-11-20T12:00:30Z")
    shop.offer("gone", total=1)
    with shop.db.transaction() as tx:
        tx.execute(offers.update().where(offers.c.key == "gone").values(used=1))
    shop.later(minutes=1)
    found = problems(shop, job(step(**SHOWS), **fields | {"offers": asked}))
    assert told in found[pointer]
    assert len(found) == 1


def test_content_without_a_coupon_needs_no_offer_for_everybody(shop: World) -> None:
    job_id = shop.run(step(), offers=SEGMENTS)
    assert segments(shop, job_id)["niki"] == (None, None)
    assert [message.coupon for message in shop.pump()] == [None] * 5


def test_a_person_is_told_the_segment_that_they_are_in_or_would_be(shop: World) -> None:
    job_id = shop.run(step(**SHOWS), offer="w15", offers=SEGMENTS)
    shop.people("nuova", country="IT")
    with shop.db.snapshot() as tx:
        inside = explain.explain(tx, shop.house, f"job-{job_id}", "ada")
        outside = explain.explain(tx, shop.house, f"job-{job_id}", "nuova")
    assert (inside.place, inside.segment, inside.offer) == ("entered", "vip", "w30")
    assert (outside.place, outside.segment, outside.offer) == ("not_in_the_audience", "italy", "gratis")


def test_the_report_tells_segments_apart(shop: World) -> None:
    job_id = shop.run(step(**SHOWS), offer="w15", offers=SEGMENTS)
    shop.pump(answer=lambda message: None if message.recipient_id == "jan" else "p")
    with shop.db.snapshot() as tx:
        found = report.of_job(tx, f"job-{job_id}")
    told = [(each.segment, each.offer, each.people, each.published) for each in found.segments]
    assert told == [
        ("vip", "w30", 2, 2),
        ("italy", "gratis", 1, 1),
        ("buyers", "w15", 1, 1),
        (None, "w15", 1, 1),
    ]
    assert {offer.key: offer.published for offer in found.offers} == {"w15": 2, "w30": 2, "gratis": 1}
