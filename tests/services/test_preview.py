"""Promise 3: a dry run gives the same counts per reason as the real run at the same instant."""

import itertools
from datetime import datetime, timedelta
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from gateway.domain.job import JobInput
from gateway.services import expand, explain
from gateway.services.preview import Forecast
from gateway.storage import jobs, recipients
from gateway.storage.tables import metadata
from tests.builders import World, installation, job, step
from tests.services.population import INSTANTS, jobs_, policies_, settle, town_


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(town_, policies_, jobs_, st.sampled_from(INSTANTS))
def test_a_preview_counts_what_the_run_then_plans_and_explain_says_the_same_of_everybody(
    world: World, town: list[dict[str, Any]], policies: dict[str, Any], wanted: dict[str, Any], at: datetime
) -> None:
    world.house = installation(**policies)
    named = settle(world, town, at)
    request = _request(world, wanted, named, at)
    world.at(at)
    forecast = world.preview(request)
    world.at(at)
    job_id = world.accept(request)
    _expand(world, job_id, at)
    assert counted(forecast) == world.counts(job_id)
    with world.db.snapshot() as tx:
        assert forecast.not_entering == jobs.reject_counts(tx, job_id)
        entered = recipients.ids_of(tx, [each["id"] for each in named])
    assert forecast.audience == len(town)
    assert len(entered) == sum(world.counts(job_id).values())
    for id in entered:
        world.at(at)
        _expect_same_answer(world, job_id, id)


def _request(world: World, wanted: dict[str, Any], named: list[dict[str, Any]], at: datetime) -> JobInput:
    has_offer = wanted["offer_hours"] is not None
    key = f"o-{next(_OFFERS)}"
    if has_offer:
        world.offer(key, valid_until=at + timedelta(hours=wanted["offer_hours"]))
    names = ("channels", "after", "ttl", "local_time", "only_if")
    expires_at = at + timedelta(days=wanted["expires_days"]) if wanted["expires_days"] else None
    return job(
        step(**{name: wanted[name] for name in names}),
        audience={"kind": "inline", "recipients": named},
        name=f"Ξύπνα {key}",
        offer=key if has_offer else None,
        expires_at=expires_at,
        # Nobody may be left out of what people wait for.
        holdout=wanted["holdout"] if wanted["purpose"] in ("marketing", "survey") else 0.0,
        **{name: wanted[name] for name in ("purpose", "over_cap", "caps", "obeys_caps", "priority")},
    )


_OFFERS = itertools.count(1)


def _expand(world: World, job_id: int, at: datetime) -> None:
    """Page by page, each at the same instant: the clock is set back before each."""
    entered: int | None = 0
    while entered is not None:
        world.at(at)
        with world.db.transaction() as tx:
            entered = expand.expand_page(tx, world.house, job_id, 7)


def _expect_same_answer(world: World, job_id: int, id: str) -> None:
    with world.db.snapshot() as tx:
        told = explain.explain(tx, world.house, f"job-{job_id}", id)
    [send] = told.sends
    decision = told.decision
    assert decision is not None
    reason = f"{decision.reason}:{decision.rule}" if decision.rule else decision.reason
    is_queued = send.state == "queued"
    assert (decision.answer, decision.channel, reason) == ("queue" if is_queued else "skip", send.channel, send.reason)
    if is_queued and send.due_at is not None and decision.due_at is not None:
        assert abs(decision.due_at - send.due_at) < timedelta(seconds=2)


def counted(forecast: Forecast) -> dict[tuple[str, str, str | None], int]:
    return {(each.channel, each.state, each.reason): each.recipients for each in forecast.counts}


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
