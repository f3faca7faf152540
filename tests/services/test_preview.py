"""Promise 3: a dry run gives the same counts per reason as the real run at the same instant."""

import itertools
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from gateway.services.preview import Forecast
from gateway.storage import jobs, recipients, suppressions
from gateway.storage.tables import metadata
from tests.builders import NOW, World, cap, installation, job, postal, quiet, step

_SERIAL = itertools.count(1)

people_ = st.lists(
    st.fixed_dictionaries(
        {
            "kinds": st.sets(st.sampled_from(["email", "phone", "postal"])),
            "grants": st.sets(st.sampled_from(["email", "sms"])),
            "refuses": st.sets(st.sampled_from(["email", "sms", "postal"]), max_size=1),
            "suppressed": st.booleans(),
            "sent_before": st.integers(0, 2),
            "zone": st.sampled_from([None, "Europe/Rome", "Asia/Tokyo", "America/Los_Angeles"]),
            "known": st.sampled_from(["yes", "yes", "yes", "told", "no"]),
        }
    ),
    min_size=1,
    max_size=8,
)
policies_ = st.fixed_dictionaries(
    {
        "caps": st.lists(
            st.builds(cap, st.integers(1, 2), st.integers(1, 9)), max_size=2, unique_by=lambda each: each.name
        ),
        "quiet_hours": st.sampled_from([(), (quiet("21:00", "08:00"),), (quiet("00:00", "00:00"),)]),
    }
)
jobs_ = st.fixed_dictionaries(
    {
        "channels": st.permutations(["email", "sms", "postal"]).flatmap(
            lambda order: st.integers(1, 3).map(lambda count: order[:count])
        ),
        "over_cap": st.sampled_from(["wait", "skip"]),
        "ttl": st.sampled_from([None, "PT3H"]),
        "local_time": st.sampled_from([None, "18:00:00"]),
        "purpose": st.sampled_from(["marketing", "service", "transactional"]),
    }
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people_, policies_, jobs_)
def test_a_preview_counts_what_the_run_then_plans(
    world: World, people: list[dict[str, Any]], policies: dict[str, Any], wanted: dict[str, Any]
) -> None:
    world.house = installation(**policies)
    named = [_settle(world, each, next(_SERIAL)) for each in people]
    request = job(
        step(channels=wanted["channels"], ttl=wanted["ttl"], local_time=wanted["local_time"]),
        audience={"kind": "inline", "recipients": named},
        over_cap=wanted["over_cap"],
        purpose=wanted["purpose"],
    )
    forecast = world.preview(request)
    job_id = world.accept(request)
    world.expand(job_id, page=3)
    assert counted(forecast) == world.counts(job_id)
    with world.db.snapshot() as tx:
        assert forecast.not_entering == jobs.reject_counts(tx, job_id)
    assert forecast.audience == len(people)


def counted(forecast: Forecast) -> dict[tuple[str, str, str | None], int]:
    return {(each.channel, each.state, each.reason): each.recipients for each in forecast.counts}


def _settle(world: World, traits: Mapping[str, Any], serial: int) -> dict[str, Any]:
    """Make the person, and say how the job names them."""
    id = f"p-{serial}"
    values = {"email": f"{id}@example.com", "phone": f"+1202555{serial % 10_000:04}"}
    addresses = [{"kind": kind, "value": values[kind]} for kind in sorted(traits["kinds"] - {"postal"})]
    addresses += [postal(serial)] if "postal" in traits["kinds"] else []
    if traits["suppressed"] and "email" in traits["kinds"]:
        digest = world.house.keys.hash_address("email", values["email"])
        with world.db.transaction() as tx:
            suppressions.add(tx, [("email", digest)], "gone", "test", NOW)
    profile = {"addresses": addresses, "time_zone": traits["zone"]}
    if traits["known"] != "yes":
        return {"id": id, "profile": profile} if traits["known"] == "told" else {"id": id}
    world.people(id, grants=sorted(traits["grants"]), **profile)
    for channel in traits["refuses"]:
        world.consents("objected", id, channel=channel)
    for _ in range(traits["sent_before"]):
        once = {"kind": "ids", "ids": [id]}
        world.run(audience=once, obeys_caps=False, purpose="transactional", counts_towards_caps=True)
    world.pump()
    return {"id": id}


def test_a_preview_writes_nothing(world: World) -> None:
    world.people("c-1")
    world.offer()
    stranger = {"id": "new", "profile": {"addresses": [{"kind": "email", "value": "new@example.com"}]}}
    audience = {"kind": "inline", "recipients": [{"id": "c-1"}, stranger, {"id": "who"}]}
    before = _rows(world)
    forecast = world.preview(job(step(text="{{ coupon.code }}"), offer="w15", audience=audience))
    assert _rows(world) == before
    assert counted(forecast) == {("email", "queued", None): 1, ("email", "skipped", "no_consent"): 1}
    assert forecast.not_entering == {"unknown recipient": 1}


def _rows(world: World) -> dict[str, int]:
    with world.db.snapshot() as tx:
        return {
            table.name: tx.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        }


def test_a_stranger_is_counted_and_never_shown_as_a_sample(world: World) -> None:
    stranger = {"id": "new", "profile": {"addresses": [{"kind": "email", "value": "new@example.com"}]}}
    audience = {"kind": "inline", "recipients": [stranger]}
    forecast = world.preview(job(audience=audience, purpose="transactional"))
    assert counted(forecast) == {("email", "queued", None): 1}
    assert forecast.samples == ()


def test_samples_are_a_few_of_those_who_would_be_written_to(world: World) -> None:
    world.people(*(f"c-{n}" for n in range(9)))
    world.people("silent", grants=())
    forecast = world.preview(job(step(after="PT2H")))
    assert len(forecast.samples) == 5
    with world.db.snapshot() as tx:
        names = {
            row.external_id for row in recipients.profiles(tx, [s.recipient_id for s in forecast.samples]).values()
        }
    assert len(names) == 5
    assert "silent" not in names
    assert {each.due_at for each in forecast.samples} == {forecast.at + timedelta(hours=2)}


def test_a_preview_of_many_pages_counts_everybody_once(world: World) -> None:
    ids = [f"c-{n}" for n in range(2300)]
    world.people(*ids, grants=())
    for audience in ({"kind": "matching", "where": {"op": "everyone"}}, {"kind": "ids", "ids": [*ids, "who"]}):
        forecast = world.preview(job(audience=audience))
        assert counted(forecast) == {("email", "skipped", "no_consent"): 2300}
        assert forecast.audience == 2300 + len(forecast.not_entering)


def test_a_forecast_can_be_told_as_json(world: World) -> None:
    world.people("c-1")
    told = msgspec.to_builtins(world.preview(job()).counts)
    assert told == ({"channel": "email", "state": "queued", "reason": None, "recipients": 1},)
