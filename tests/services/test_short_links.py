"""Short links: one code for each link of a send, whatever happens to the send."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import select

from gateway.contract import TransientFailure
from gateway.domain.policy import DEFAULT_PURPOSES, Tracking
from gateway.domain.short_code import is_code
from gateway.domain.words import SendKey
from gateway.services import compose, merge, privacy, short_links
from gateway.services.claim import Claim, claim, places_due
from gateway.storage import personal, recipients
from gateway.storage import short_links as storage
from gateway.storage.database import Database
from gateway.storage.short_links import Link
from gateway.storage.tables import short_links as table
from tests.builders import CHANNELS, LEASE, NOW, World, installation, statements, step

SHORT = "https://r.example.com"
NEVER = Tracking(clicks="never")
TWO_LINKS = "{{ track('https://shop.example/a') }} {{ track('https://shop.example/b') }}"


def sms(number: str) -> dict[str, str]:
    return {"kind": "phone", "value": f"+39347{number:0>7}"}


@pytest.fixture
def small(db: Database) -> World:
    """A gateway with a host for short links, which its SMS channel wants."""
    costly = structs.replace(CHANNELS["sms"], short_links=True)
    house = installation(channels={**CHANNELS, "sms": costly})
    return World(db, structs.replace(house, short_url=SHORT))


def people(world: World, count: int = 1) -> None:
    for number in range(count):
        world.people(f"p-{number}", grants=("sms", "email"), addresses=[sms(str(number)), mail(number)])


def mail(number: int) -> dict[str, str]:
    return {"kind": "email", "value": f"p{number}@example.com"}


def codes(world: World) -> dict[Link, str]:
    with world.db.snapshot() as tx:
        rows = tx.execute(select(table)).all()
    return {
        Link(SendKey(row.job_id, row.recipient_id, row.run, row.step, row.channel), row.link): row.code for row in rows
    }


def links_of(world: World, taken: Claim) -> Mapping[SendKey, Mapping[int, str] | None]:
    with world.db.snapshot() as tx:
        drafts = compose.drafts_of(tx, world.house, taken.channel, taken.members).drafts
    return {draft.key: draft.context.links for draft in drafts}


def test_the_links_of_a_channel_that_wants_it_are_short(small: World) -> None:
    people(small)
    small.run(step(channels=("sms",), text=TWO_LINKS))
    [links] = links_of(small, small.claim("sms")).values()
    assert links is not None
    assert sorted(links) == [0, 1]
    assert len(set(links.values())) == 2
    for url in links.values():
        host, _, code = url.rpartition("/")
        assert host == SHORT
        assert is_code(code)


def test_other_channels_and_other_installations_have_long_links(small: World) -> None:
    people(small)
    small.run(step(channels=("email",), text=TWO_LINKS))
    [links] = links_of(small, small.claim("email")).values()
    assert links is not None
    assert links[0].startswith("https://gateway.example.com/c/")
    assert codes(small) == {}
    small.house = structs.replace(small.house, short_url=None)
    small.run(step(channels=("sms",), text=TWO_LINKS))
    [links] = links_of(small, small.claim("sms")).values()
    assert links is not None
    assert links[1].startswith("https://gateway.example.com/c/")
    assert codes(small) == {}


def test_where_clicks_are_never_noticed_there_are_no_codes(small: World) -> None:
    people(small)
    quiet = DEFAULT_PURPOSES | {"marketing": structs.replace(DEFAULT_PURPOSES["marketing"], tracking=NEVER)}
    small.house = structs.replace(small.house, policies=structs.replace(small.house.policies, purposes=quiet))
    small.run(step(channels=("sms",), text=TWO_LINKS))
    [links] = links_of(small, small.claim("sms")).values()
    assert links is None
    assert codes(small) == {}


def test_a_code_leads_to_its_link_and_nothing_else_does(small: World) -> None:
    people(small)
    job_id = small.run(step(channels=("sms",), text=TWO_LINKS))
    small.claim("sms")
    key = small.key(job_id, "p-0", channel="sms")
    with small.db.snapshot() as tx:
        for number, url in enumerate(("https://shop.example/a", "https://shop.example/b")):
            ref = short_links.ref_of(tx, codes(small)[Link(key, number)])
            assert ref is not None
            assert (ref.key, ref.link, compose.link(tx, ref)) == (key, number, url)
        code = codes(small)[Link(key, 0)]
        for other in ("", "nonsense", "exampLe00", code.swapcase(), f"{code}1", f"{code}\n"):
            assert short_links.ref_of(tx, other) is None


def test_a_send_that_is_tried_again_keeps_its_codes(small: World) -> None:
    people(small, 3)
    small.run(step(channels=("sms",), text=TWO_LINKS))
    small.pump("sms", lambda _: TransientFailure("busy"))
    before = codes(small)
    assert len(before) == 6
    small.later(hours=1)
    small.pump("sms", lambda _: TransientFailure("busy"))
    small.later(hours=8)
    [*again] = small.claims("sms")
    assert codes(small) == before
    shown = {url for taken in again for links in links_of(small, taken).values() for url in (links or {}).values()}
    assert shown == {f"{SHORT}/{code}" for code in before.values()}


def test_a_claim_makes_all_its_codes_with_one_statement(small: World) -> None:
    """On PostgreSQL one INSERT of them all; SQLite's driver is handed the rows of one."""
    together = small.neighbours(20)
    for number, id in enumerate(together):
        small.people(id, grants=("sms",), addresses=[sms(str(number))])
    small.run(step(channels=("sms",), text=TWO_LINKS))
    with small.db.snapshot() as tx:
        [place] = places_due(tx, small.house, "sms")
    with small.db.transaction() as tx:
        seen = statements(tx)
        taken = claim(tx, small.house, "sms", place, worker="w", lease=LEASE, limit=200)
    assert isinstance(taken, Claim)
    assert len(codes(small)) == 40
    assert sum("INTO short_links" in statement for statement in seen) == 1


def test_a_code_that_is_taken_is_left_out_and_the_link_stays_long(small: World) -> None:
    people(small, 2)
    job_id = small.run(step(channels=("sms",), text=TWO_LINKS))
    first, second = (Link(small.key(job_id, f"p-{number}", channel="sms"), 0) for number in (0, 1))
    with small.db.transaction() as tx:
        storage.add(tx, {first: "abcdefghi"}, NOW)
        storage.add(tx, {second: "abcdefghi"}, NOW)
    assert codes(small) == {first: "abcdefghi"}
    with small.db.snapshot() as tx:
        [draft] = compose.drafts_of(tx, small.house, "sms", [second.key]).drafts
    assert draft.context.links is not None
    assert draft.context.links[0].startswith("https://gateway.example.com/c/")


def test_codes_are_kept_for_more_than_a_year(small: World) -> None:
    people(small)
    small.run(step(channels=("sms",), text=TWO_LINKS))
    small.claim("sms")
    small.later(days=399)
    assert forgotten(small) == 0
    small.later(days=2)
    assert forgotten(small) == 2
    assert codes(small) == {}


def forgotten(world: World) -> int:
    with world.db.transaction() as tx:
        return short_links.forget(tx)


def test_codes_move_with_a_merge_and_still_lead_to_the_link(small: World) -> None:
    people(small)
    small.run(step(channels=("sms",), text=TWO_LINKS))
    small.pump("sms")
    before = set(codes(small).values())
    small.people("new", grants=(), addresses=[])
    with small.db.transaction() as tx:
        merge.merge(tx, small.house, "p-0", "new", "merged_1", "shop")
    assert set(codes(small).values()) == before
    assert {link.key.recipient_id for link in codes(small)} == {id_of(small, "new")}


def id_of(world: World, id: str) -> int:
    with world.db.snapshot() as tx:
        return recipients.ids_of(tx, [id])[id]


def test_codes_are_in_the_persons_export_and_go_with_an_erasure(small: World) -> None:
    people(small, 2)
    small.run(step(channels=("sms",), text=TWO_LINKS))
    small.pump("sms")
    with small.db.snapshot() as tx:
        rows: list[dict[str, Any]] = personal.rows_of(tx, "short_links", id_of(small, "p-0"))
    assert {(row["job"], row["link"], is_code(row["code"])) for row in rows} == {("job-1", 0, True), ("job-1", 1, True)}
    with small.db.transaction() as tx:
        privacy.erase(tx, small.house, "p-0", "erased_1", "shop")
    assert {link.key.recipient_id for link in codes(small)} == {id_of(small, "p-1")}
