"""What explain says is what decide decided, for whoever asks about whomever."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.contract import PermanentFailure
from gateway.services import explain
from gateway.services.explain import Explained
from gateway.services.problems import NotFound
from tests.builders import NOW, World, cap, installation, job, quiet, step

ADA = {
    "grants": ("email",),
    "time_zone": "Europe/Rome",
    "addresses": [{"kind": "email", "value": "ada@example.com"}, {"kind": "phone", "value": "+12025550142"}],
}


@pytest.fixture
def ada(world: World) -> World:
    world.people("ada", **ADA)
    return world


def told(world: World, job_id: int, id: str = "ada") -> Explained:
    with world.db.snapshot() as tx:
        return explain.explain(tx, world.house, f"job-{job_id}", id)


def asked(found: Explained, way: int = 0) -> dict[str, str]:
    assert found.decision is not None
    return {each.question: each.answer for each in found.decision.ways[way].asked}


def test_a_message_that_was_sent_is_told_with_its_tries(ada: World) -> None:
    job_id = ada.run()
    ada.pump(answer=lambda _: PermanentFailure("smtp-550", "no such user"))
    found = told(ada, job_id)
    assert found.place == "entered"
    [send] = found.sends
    assert (send.state, send.reason, send.step, send.channel) == ("failed", "smtp-550", "one", "email")
    assert [(each.outcome, each.code) for each in send.tries] == [("permanent", "smtp-550")]


def test_the_questions_are_told_in_their_order_with_the_facts_that_were_seen(ada: World) -> None:
    found = told(ada, ada.run(step(channels=["sms", "email"])))
    assert found.decision is not None
    by_text, by_mail = found.decision.ways[0], found.decision.ways[-1]
    assert found.sends[0].rejected == ("sms:no_consent",)
    questions = [each.question for each in by_mail.asked]
    assert questions[:4] == ["erased", "no_address", "suppressed", "no_consent"]
    assert questions[-3:] == ["cap", "quiet_hours", "expired"]
    seen = {each.question: each.seen for each in by_text.asked}
    assert seen["no_consent"]["basis"] == "opt_in"


def test_a_message_that_waits_says_for_what_and_until_when(ada: World) -> None:
    ada.house = installation(caps=[cap(1, 7, name="weekly")], quiet_hours=[quiet("21:00", "08:00")])
    ada.run()
    ada.pump()
    found = told(ada, ada.run())
    assert found.decision is not None
    assert (found.decision.answer, found.decision.reason, found.decision.rule) == ("queue", "cap", "weekly")
    [wait] = found.decision.ways[0].waits
    assert (wait.reason, wait.rule, wait.until) == ("cap", "weekly", found.decision.due_at)
    [send] = found.sends
    assert abs(send.due_at - found.decision.due_at) < timedelta(seconds=1)
    caps = next(each for each in found.decision.ways[0].asked if each.question == "cap").seen["caps"]
    assert [rule["rule"] for rule in caps] == ["weekly"]
    assert len(caps[0]["taken"]) == 1


def test_what_nothing_stands_in_the_way_of_is_told_to_be_due(ada: World) -> None:
    decision = told(ada, ada.run()).decision
    assert decision is not None
    assert (decision.answer, decision.told) == ("queue", "nothing speaks against it, it is due")


def test_whoever_is_skipped_reads_why_in_plain_words(ada: World) -> None:
    ada.consents("withdrawn", "ada")
    found = told(ada, ada.run())
    assert found.told == "step one on email: it was not sent, because there is no consent for this channel and purpose"
    assert asked(found)["no_consent"] == "there is no consent for this channel and purpose"
    assert "condition" not in asked(found)


def test_whoever_is_not_in_the_audience_sees_which_condition_does_not_hold(ada: World) -> None:
    where = {
        "op": "all",
        "of": [
            {"op": "everyone"},
            {"op": "any", "of": [{"op": "country", "any_of": ["FR"]}, {"op": "everyone"}]},
            {"op": "activity", "kind": "purchase", "dormant_for": "P30D"},
        ],
    }
    found = told(ada, ada.run(audience={"kind": "matching", "where": where}))
    assert found.place == "not_in_the_audience"
    assert [(each.path, each.op, each.holds) for each in found.audience] == [
        ("/where", "all", False),
        ("/where/of/0", "everyone", True),
        ("/where/of/1", "any", True),
        ("/where/of/1/of/0", "country", False),
        ("/where/of/1/of/1", "everyone", True),
        ("/where/of/2", "activity", False),
    ]
    assert found.sends == ()
    assert found.decision is not None
    assert found.decision.answer == "queue"


def test_whoever_was_not_named_is_not_in_the_audience(ada: World) -> None:
    ada.people("bob")
    found = told(ada, ada.run(audience={"kind": "ids", "ids": ["bob"]}))
    assert (found.place, found.audience) == ("not_in_the_audience", ())


def test_whoever_has_not_entered_yet_is_told_so(ada: World) -> None:
    job_id = ada.accept(job())
    assert told(ada, job_id).place == "not_entered_yet"


def test_a_name_that_nobody_has_is_told_with_what_the_job_made_of_it(ada: World) -> None:
    job_id = ada.run(audience={"kind": "inline", "recipients": [{"id": "who"}, {"id": "ada"}]})
    rejected, unknown = told(ada, job_id, "who"), told(ada, job_id, "else")
    assert (rejected.place, rejected.told) == ("rejected", "did not enter: unknown recipient")
    assert (unknown.place, unknown.decision) == ("unknown", None)


def test_a_job_that_is_none_is_not_found(ada: World) -> None:
    with pytest.raises(NotFound, match="there is no job job-9"):
        told(ada, 9)


def test_whoever_is_left_out_for_comparison_reads_that(world: World) -> None:
    ids = [f"c-{n}" for n in range(40)]
    world.people(*ids)
    job_id = world.run(holdout=0.5)
    held = next(id for id in ids if world.entry(job_id, id).arm == "holdout")
    found = told(world, job_id, held)
    assert found.told == "is in the group that is left out on purpose, for comparison"
    assert found.decision is not None
    assert found.decision.reason == "holdout"


people_ = st.fixed_dictionaries(
    {
        "kinds": st.sets(st.sampled_from(["email", "phone"])),
        "grants": st.sets(st.sampled_from(["email", "sms"])),
        "refuses": st.sets(st.sampled_from(["email", "sms"])),
        "zone": st.sampled_from([None, "Asia/Kathmandu", "America/New_York"]),
    }
)
_SERIAL = iter(range(10_000))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people_, st.sampled_from([(), (quiet("11:00", "14:00"),)]), st.booleans())
def test_what_is_explained_is_what_was_planned(
    world: World, traits: dict[str, Any], night: tuple[Any, ...], is_capped: bool
) -> None:
    world.house = installation(caps=[cap(1, 7)] if is_capped else [], quiet_hours=night)
    serial = next(_SERIAL)
    id, values = f"p-{serial}", {"email": f"p{serial}@example.com", "phone": f"+1202555{serial % 10_000:04}"}
    addresses = [{"kind": kind, "value": values[kind]} for kind in sorted(traits["kinds"])]
    world.at(NOW)
    world.people(id, grants=sorted(traits["grants"]), addresses=addresses, time_zone=traits["zone"])
    for channel in traits["refuses"]:
        world.consents("objected", id, channel=channel)
    once = {"kind": "ids", "ids": [id]}
    world.run(audience=once)
    world.pump()
    job_id = world.run(step(channels=["email", "sms"]), audience=once)
    found = told(world, job_id, id)
    [send] = found.sends
    assert found.decision is not None
    assert found.decision.channel == send.channel
    assert (found.decision.answer == "queue") == (send.state == "queued")
    with_rule = f"{found.decision.reason}:{found.decision.rule}" if found.decision.rule else found.decision.reason
    # What waits for an hour was planned an instant earlier, and is asked again now.
    assert with_rule == send.reason
