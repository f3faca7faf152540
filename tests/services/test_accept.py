"""A request becomes a job, whole and frozen, or is refused with everything that is wrong with it."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gateway.domain.lanes import ALL_BULK, URGENT_ONLY
from gateway.services import accept
from gateway.services.idempotent import Answer, once
from gateway.services.problems import InProgress, Invalid, KeyReused
from gateway.storage import jobs
from gateway.storage.database import Transaction
from tests.builders import World, job, step


def problems(world: World, request: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as refusal:
        world.accept(request)
    return {problem.pointer: problem.detail for problem in refusal.value.problems}


@pytest.mark.parametrize(
    ("wrong", "pointer", "said"),
    [
        ({"purpose": "fun"}, "/purpose", "no purpose fun in the policies"),
        ({"start_at": "2026-12-01T00:00:00"}, "/start_at", "needs a time zone"),
        ({"expires_at": "2026-12-01T00:00:00"}, "/expires_at", "needs a time zone"),
        ({"expires_at": "2026-11-01T00:00:00Z"}, "/expires_at", "lies before the job can start"),
        ({"start_at": "2027-01-01T00:00:00Z", "expires_at": "2026-12-01T00:00:00Z"}, "/expires_at", "lies before"),
        ({"offer": "nothing"}, "/offer", "there is no offer nothing"),
        ({"steps": [step(channels=["fax"])]}, "/steps/0/channels/0", "no channel fax is ready"),
        ({"steps": [step(), step()]}, "/steps", "two steps have the name one"),
        ({"steps": [step(channels=["email", "email"])]}, "/steps/0/channels", "names a channel twice"),
        ({"steps": [step(after="-PT1H")]}, "/steps/0/after", "can be negative"),
        ({"steps": [step(ttl="PT0S")]}, "/steps/0/ttl", "longer than nothing"),
        ({"steps": [step(anchor="coupon_end")]}, "/steps/0/anchor", "there is no coupon to count from"),
        ({"steps": [step(text="{{ coupon.code }}")]}, "/steps/0/content/email", "shows a coupon"),
        ({"steps": [{**step(), "content": {"sms": {"en": {"text": "x"}}}}]}, "/steps/0/content", "has nothing for"),
    ],
)
def test_a_request_hears_what_is_wrong_and_where(world: World, wrong: dict[str, Any], pointer: str, said: str) -> None:
    told = problems(world, job(**wrong))
    assert said in told[pointer]
    with world.db.snapshot() as tx:
        assert jobs.page(tx, None, 10) == []


def test_every_problem_is_told_at_once(world: World) -> None:
    wrong = job(step(channels=["fax"], ttl="PT0S"), purpose="fun", start_at="2026-12-01T00:00:00")
    assert {"/purpose", "/start_at", "/steps/0/channels/0", "/steps/0/ttl"} <= set(problems(world, wrong))


def test_an_offer_that_is_over_starts_no_job(world: World) -> None:
    world.offer("w15", valid_until="2026-11-21T00:00:00Z")
    world.later(days=2)
    assert "is over" in problems(world, job(offer="w15"))["/offer"]


def test_a_deep_expression_is_refused(world: World) -> None:
    where: dict[str, Any] = {"op": "everyone"}
    for _ in range(8):
        where = {"op": "not", "of": where}
    assert "nested" in problems(world, job(audience={"kind": "matching", "where": where}))["/audience/where"]
    world.accept(job(audience={"kind": "matching", "where": where["of"]}))


def test_a_job_says_for_itself_whether_it_obeys_caps_or_leaves_it_to_its_purpose(world: World) -> None:
    ids = [
        world.accept(job()),
        world.accept(job(purpose="transactional")),
        world.accept(job(obeys_caps=False)),
        world.accept(job(purpose="transactional", counts_towards_caps=True)),
    ]
    with world.db.snapshot() as tx:
        found = jobs.by_ids(tx, ids)
    assert [(found[id].spec.obeys_caps, found[id].spec.counts_towards_caps) for id in ids] == [
        (True, True),
        (False, False),
        (False, True),
        (False, True),
    ]


@pytest.mark.parametrize(
    ("fields", "is_urgent"),
    [
        ({}, False),
        ({"purpose": "transactional"}, True),
        ({"audience": {"kind": "ids", "ids": [f"c-{n}" for n in range(100)]}}, True),
        ({"audience": {"kind": "ids", "ids": [f"c-{n}" for n in range(101)]}}, False),
        ({"audience": {"kind": "inline", "recipients": [{"id": "c-1"}]}}, True),
    ],
)
def test_small_and_urgent_jobs_have_a_lane_of_their_own(world: World, fields: dict[str, Any], is_urgent: bool) -> None:
    job_id = world.accept(job(**fields))
    with world.db.snapshot() as tx:
        assert jobs.by_ids(tx, [job_id])[job_id].lane in (URGENT_ONLY if is_urgent else ALL_BULK)


def test_who_may_be_written_to_without_consent_is_asked_of_the_caller(world: World) -> None:
    assert accept.bypasses_consent(world.house, job(purpose="transactional"))
    assert not accept.bypasses_consent(world.house, job())
    assert not accept.bypasses_consent(world.house, job(purpose="unheard-of"))


# --- the same request twice


def acting(answers: list[bytes]) -> Callable[[Transaction], Answer]:
    def act(_: Transaction) -> Answer:
        answers.append(b"%d" % len(answers))
        return Answer(201, answers[-1])

    return act


def test_the_same_request_twice_is_one_request(world: World) -> None:
    done: list[bytes] = []
    for replayed in (False, True, True):
        with world.db.transaction() as tx:
            assert once(tx, "shop", "/v1/jobs", "k-1", b"f", acting(done)) == Answer(201, b"0", replayed)
    for client, route, key in (("other", "/v1/jobs", "k-1"), ("shop", "/v1/other", "k-1"), ("shop", "/v1/jobs", "k-2")):
        with world.db.transaction() as tx:
            assert not once(tx, client, route, key, b"f", acting(done)).replayed
    assert len(done) == 4


def test_a_key_that_comes_with_another_request_is_refused(world: World) -> None:
    with world.db.transaction() as tx:
        once(tx, "shop", "/v1/jobs", "k-1", b"f", acting([]))
    with pytest.raises(KeyReused), world.db.transaction() as tx:
        once(tx, "shop", "/v1/jobs", "k-1", b"g", acting([]))


def test_a_request_that_failed_is_not_remembered(world: World) -> None:
    def fails(_: Transaction) -> Answer:
        raise Invalid([])

    with pytest.raises(Invalid), world.db.transaction() as tx:
        once(tx, "shop", "/v1/jobs", "k-1", b"f", fails)
    with world.db.transaction() as tx:
        assert once(tx, "shop", "/v1/jobs", "k-1", b"g", acting([])).body == b"0"


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_the_same_request_at_the_same_instant_is_asked_to_wait(world: World) -> None:
    with world.db.transaction() as one, world.db.transaction() as other:
        once(one, "shop", "/v1/jobs", "k-1", b"f", acting([]))
        with pytest.raises(InProgress):
            once(other, "shop", "/v1/jobs", "k-1", b"f", acting([]))


def test_a_later_edit_of_the_offer_does_not_change_an_accepted_job(world: World) -> None:
    world.offer("w15", valid_for="PT72H")
    job_id = world.accept(job(step(text="{{ coupon.code }}"), offer="w15"))
    with world.db.snapshot() as tx:
        spec = jobs.by_ids(tx, [job_id])[job_id].spec
    assert spec.offer == "w15"
    assert spec.steps[0].uses_coupon == frozenset({"email"})
    assert msgspec.json.decode(msgspec.json.encode(spec), type=type(spec)) == spec
