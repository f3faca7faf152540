"""Some people are left out on purpose, the same ones however often it is asked."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.holdout import drawn, held_out
from gateway.domain.policy import Holdout
from gateway.services import accept
from gateway.services.problems import Invalid
from tests.builders import World, installation, job, step

MANY = [f"c-{n}" for n in range(60)]


@given(st.text(max_size=8), st.text(max_size=20))
def test_a_draw_is_a_number_below_one_and_always_the_same(salt: str, id: str) -> None:
    assert 0 <= drawn(salt, id) < 1
    assert drawn(salt, id) == drawn(salt, id)


def test_the_share_is_met_and_grows_without_moving_anybody_back() -> None:
    ids = [f"c-{n}" for n in range(20_000)]
    draw = {id: drawn("job:wake", id) for id in ids}
    tenth = {id for id in ids if draw[id] < 0.1}
    assert 1_850 < len(tenth) < 2_150
    assert tenth < {id for id in ids if draw[id] < 0.2}


def test_two_salts_draw_apart() -> None:
    """Whoever is left out by one job is not the one who is left out by the next."""
    ids = [f"c-{n}" for n in range(20_000)]
    both = sum(drawn("job:a", id) < 0.1 and drawn("job:b", id) < 0.1 for id in ids)
    assert 130 < both < 270  # a hundredth


def test_everybody_comes_before_this_job() -> None:
    assert held_out("x", job_share=0.5, job_salt="a", global_share=1.0, global_salt="all") == "global"


def test_a_share_of_the_audience_is_never_written_to_and_their_entries_say_so(world: World) -> None:
    world.people(*MANY)
    job_id = world.run(step(), step("two", after="P1D"), holdout=0.3)
    held = {id for id in MANY if world.entry(job_id, id).arm == "holdout"}
    assert 5 < len(held) < 35
    assert all(world.entry(job_id, id).ended == "holdout" for id in held)
    assert world.states(job_id)[0, "skipped", "holdout"] == len(held)
    reached = {message.recipient_id for message in world.pump()}
    world.later(days=2)
    world.plan_due()
    reached |= {message.recipient_id for message in world.pump()}
    assert reached == set(MANY) - held


def test_whoever_has_no_consent_is_in_neither_arm(world: World) -> None:
    """Only eligible people are compared: the reason that comes first in the order is given."""
    world.people(*MANY, grants=())
    job_id = world.run(holdout=0.3)
    assert world.states(job_id) == {(0, "skipped", "no_consent"): len(MANY)}


def test_everybodys_holdout_holds_on_every_channel_and_for_every_job_of_its_kind(world: World) -> None:
    world.house = installation(holdout=Holdout(share=0.3))
    world.people(*MANY)
    jobs = [world.run(name=name) for name in ("one", "two")]
    held = [{id for id in MANY if world.entry(job_id, id).arm == "holdout"} for job_id in jobs]
    assert held[0] == held[1] != set()
    assert Counter(reason for _, _, reason in world.states(jobs[0])) == {"holdout:global": 1, None: 1}
    for purpose in ("service", "transactional"):
        job_id = world.run(purpose=purpose)
        assert world.states(job_id) == {(0, "queued", None): len(MANY)}


def test_a_preview_leaves_out_the_same_people(world: World) -> None:
    world.people(*MANY)
    request = job(holdout=0.3)
    forecast = {(each.state, each.reason): each.recipients for each in world.preview(request).counts}
    job_id = world.accept(request)
    world.expand(job_id)
    assert {(state, reason): count for (_, state, reason), count in world.states(job_id).items()} == forecast


def test_nobody_is_left_out_of_what_people_wait_for(world: World) -> None:
    with pytest.raises(Invalid, match="/holdout: nobody is left out of what is transactional"):
        accept.examine(world.house, job(purpose="transactional", holdout=0.1))
