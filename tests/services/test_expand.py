"""Audiences become entries, once each, whatever happens in between."""

import contextlib

import pytest
from sqlalchemy.exc import NoResultFound

from gateway.services import control, expand
from gateway.services.problems import Invalid
from gateway.storage import entries, jobs, recipients
from tests.builders import NOW, World, installation, job, postal, statements, step

IDS = [f"c-{n}" for n in range(13)]


def entered(world: World, job_id: int) -> int:
    with world.db.snapshot() as tx:
        return sum(entries.counts(tx, job_id).values())


def crash_in_page(world: World, job_id: int, limit: int) -> None:
    """All of a page is written, and none of it committed."""
    with contextlib.suppress(ZeroDivisionError), world.db.transaction() as tx:
        assert expand.expand_page(tx, world.house, job_id, limit)
        raise ZeroDivisionError


def rejects(world: World, job_id: int) -> list[tuple[int, str, str]]:
    with world.db.snapshot() as tx:
        return [(row.position, row.external_id, row.reason) for row in jobs.rejects(tx, job_id)]


@pytest.mark.parametrize("page", [1, 5, 13, 1000])
def test_everybody_enters_once_whatever_the_size_of_a_page(world: World, page: int) -> None:
    world.people(*IDS)
    for audience in ({"kind": "matching", "where": {"op": "everyone"}}, {"kind": "ids", "ids": IDS}):
        job_id = world.accept(job(audience=audience))
        assert world.expand(job_id, page=page) == 13
        assert world.states(job_id) == {(0, "queued", None): 13}
        assert world.expand(job_id) == 0


def test_a_crash_in_the_middle_of_a_page_repeats_nothing_and_forgets_nobody(world: World) -> None:
    world.people(*IDS)
    job_id = world.accept(job())
    with world.db.transaction() as tx:
        assert expand.expand_page(tx, world.house, job_id, 5) == 5
    for _ in range(3):
        crash_in_page(world, job_id, 5)
    assert entered(world, job_id) == 5
    assert world.expand(job_id, page=5) == 8
    assert world.states(job_id) == {(0, "queued", None): 13}


def test_who_comes_to_be_known_while_a_job_expands_enters_with_the_rest(world: World) -> None:
    world.people(*IDS)
    job_id = world.accept(job())
    with world.db.transaction() as tx:
        expand.expand_page(tx, world.house, job_id, 5)
    world.people("late-1")
    world.expand(job_id, page=5)
    assert world.states(job_id) == {(0, "queued", None): 14}


def test_people_named_with_a_profile_are_made_and_the_known_stay_as_they_are(world: World) -> None:
    world.people("c-1", name="Żaneta")
    named = [
        {"id": "c-1", "profile": {"name": "Somebody else"}},
        {"id": "c-2", "profile": {"name": "Новый", "addresses": [{"kind": "email", "value": "c2@example.com"}]}},
        {"id": "c-3"},
        {"id": "c-4", "profile": {"addresses": [{"kind": "email", "value": "not an address"}]}},
        {"id": "c-5", "profile": {"addresses": [{"kind": "email", "value": "C-1@example.com"}]}},
        {"id": "c-6", "profile": {"addresses": [{"kind": "email", "value": "c2@EXAMPLE.com"}]}},
        {"id": "c-7", "profile": {}},
    ]
    job_id = world.run(audience={"kind": "inline", "recipients": named})
    assert world.counts(job_id) == {
        ("email", "queued", None): 1,
        ("email", "skipped", "no_consent"): 1,
        ("email", "skipped", "no_address"): 1,
    }
    assert [(position, id, reason.split(":")[0]) for position, id, reason in rejects(world, job_id)] == [
        (2, "c-3", "unknown recipient"),
        (3, "c-4", "/addresses/0"),
        (4, "c-5", "/addresses/0"),
        (5, "c-6", "/addresses/0"),
    ]
    [message] = world.pump()
    assert message.name == "Żaneta"


def test_a_rejected_person_is_recorded_once_however_often_the_page_is_begun(world: World) -> None:
    world.people("c-0")
    job_id = world.accept(job(audience={"kind": "ids", "ids": ["c-0", "who", "what"]}))
    crash_in_page(world, job_id, 2)
    world.expand(job_id, page=2)
    assert rejects(world, job_id) == [(1, "who", "unknown recipient"), (2, "what", "unknown recipient")]


def test_variables_belong_to_the_job_and_never_to_the_profile(world: World) -> None:
    world.people("c-1", attributes={"tier": "gold"})
    named = [{"id": "c-1", "variables": {"tier": "lead", "n": [1, {"ж": None}]}}]
    job_id = world.run(audience={"kind": "inline", "recipients": named})
    assert world.entry(job_id, "c-1").variables == {"tier": "lead", "n": [1, {"ж": None}]}
    again = world.run(audience={"kind": "ids", "ids": ["c-1"]})
    assert world.entry(again, "c-1").variables is None


def test_an_audience_is_chosen_as_of_the_instant_at_which_its_job_begins(world: World) -> None:
    """And not as of its acceptance: who buys in between is not dormant any more."""
    world.people("sleeper", "buyer")
    for id in ("sleeper", "buyer"):
        world.activity(id, ago=NOW - NOW.replace(year=2025))
    dormant = {"op": "activity", "kind": "purchase", "dormant_for": "P90D"}
    job_id = world.accept(
        job(audience={"kind": "matching", "where": dormant}, start_at="2026-12-20T12:00:00Z"),
    )
    world.later(days=10)
    world.activity("buyer")
    with world.db.snapshot() as tx:
        assert expand.due_jobs(tx) == []
    world.at(NOW.replace(month=12))
    with world.db.snapshot() as tx:
        assert expand.due_jobs(tx) == [job_id]
    world.expand(job_id)
    assert world.states(job_id) == {(0, "queued", None): 1}
    assert world.state(job_id, "sleeper") == ("queued", None)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_two_workers_never_expand_the_same_job_at_once(world: World) -> None:
    world.people(*IDS)
    job_id = world.accept(job())
    with world.db.transaction() as one:
        assert expand.expand_page(one, world.house, job_id, 5) == 5
        with world.db.transaction() as other:
            assert expand.expand_page(other, world.house, job_id, 5) is None
    assert entered(world, job_id) == 5


def test_a_step_is_late_by_when_it_fell_due_and_not_by_when_it_was_planned(world: World) -> None:
    """The expander was away for a day: nobody gets yesterday's lunch offer."""
    world.people("c-1")
    job_id = world.accept(job(step(ttl="PT2H")))
    world.later(days=1)
    world.expand(job_id)
    assert world.state(job_id, "c-1") == ("expired", "expired")


def test_the_time_to_live_of_an_evening_message_counts_from_the_evening(world: World) -> None:
    world.people("c-1", time_zone="Europe/Rome")
    job_id = world.run(step(ttl="PT2H", local_time="18:00:00"))
    row = world.send(job_id, "c-1")
    assert (row.state, row.due_at, row.expires_at) == ("queued", NOW.replace(hour=17), NOW.replace(hour=19))


def test_a_channel_that_a_deployment_took_away_keeps_its_sends_waiting(world: World) -> None:
    """Promise 5: a broken plugin destroys nothing."""
    world.people("c-1", "c-2", grants=("sms",), addresses=[])
    world.people("c-3", grants=("sms",), addresses=[{"kind": "phone", "value": "+12025550142"}])
    job_id = world.accept(job(step(channels=["sms"])))
    whole = world.house
    world.house = installation(channels={"email": whole.channels["email"]})
    world.expand(job_id)
    assert world.states(job_id) == {(0, "queued", None): 3}
    world.house = whole
    assert [message.recipient_id for message in world.pump("sms")] == ["c-3"]
    assert world.states(job_id) == {(0, "accepted", None): 1, (0, "skipped", "no_address"): 2}


def test_an_audience_is_forgotten_when_it_has_entered_or_its_job_is_cancelled(world: World) -> None:
    world.people("c-1")
    entered_, cancelled = world.run(), world.accept(job())
    with world.db.transaction() as tx:
        control.cancel(tx, f"job-{cancelled}")
    with world.db.snapshot() as tx:
        for job_id in (entered_, cancelled):
            with pytest.raises(NoResultFound):
                jobs.audience(tx, job_id)


@pytest.mark.parametrize("kind", ["inline", "ids", "matching"])
def test_a_page_takes_the_same_number_of_statements_for_ten_people_as_for_a_thousand(world: World, kind: str) -> None:
    counts = []
    for size, prefix in ((10, "a"), (1000, "b")):
        ids = [f"{prefix}-{n}" for n in range(size)]
        profile = {"addresses": [postal()], "attributes": {"batch": prefix}}
        if kind == "inline":
            audience: dict[str, object] = {
                "kind": "inline",
                "recipients": [
                    {"id": id, "profile": {**profile, "addresses": [{"kind": "email", "value": f"{id}@example.com"}]}}
                    for id in ids
                ],
            }
        else:
            world.people(*ids, grants=(), attributes={"batch": prefix})
            where = {"op": "attribute", "name": "batch", "any_of": [prefix]}
            audience = {"kind": "ids", "ids": ids} if kind == "ids" else {"kind": "matching", "where": where}
        job_id = world.accept(job(audience=audience))
        with world.db.transaction() as tx:
            seen = statements(tx)
            assert expand.expand_page(tx, world.house, job_id, size) == size
            counts.append(len(seen))
    assert counts[0] == counts[1] <= 20


def test_a_profile_made_by_a_job_is_written_whole(world: World) -> None:
    profile = {"name": "Zoë", "locale": "pl-PL", "country": "PL", "time_zone": "Europe/Warsaw", "attributes": {"n": 1}}
    addresses = [{"kind": "email", "value": "a@example.com"}, {"kind": "email", "value": "b@example.com"}, postal()]
    world.run(
        audience={"kind": "inline", "recipients": [{"id": "new", "profile": {**profile, "addresses": addresses}}]}
    )
    with world.db.snapshot() as tx:
        row = recipients.get(tx, "new")
        assert row is not None
        found = recipients.addresses_of(tx, row.id)
    assert {name: getattr(row, name) for name in profile} == profile
    assert [(each.kind, each.is_primary) for each in found] == [("email", True), ("email", False), ("postal", True)]


def test_a_recipient_named_twice_is_refused_at_the_door(world: World) -> None:
    for audience in (
        {"kind": "ids", "ids": ["c-1", "c-2", "c-1"]},
        {"kind": "inline", "recipients": [{"id": "c-1"}, {"id": "c-2"}, {"id": "c-1"}]},
    ):
        with pytest.raises(Invalid, match="/2: this recipient is named twice"):
            world.accept(job(audience=audience))
