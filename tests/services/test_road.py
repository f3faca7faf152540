"""The whole road inside one process, without workers: from a request to its last reminder."""

from gateway.contract import EventType
from gateway.services import redeem
from gateway.storage import jobs
from tests.builders import World, cap, installation, job, step

WINBACK = (
    step("coupon", text="{{ coupon.code }} {{ track('https://shop.example.com/') }}"),
    step("reminder", text="{{ coupon.code }}", after="P1D"),
)


def test_a_coupon_is_planned_as_previewed_sent_reminded_of_and_redeemed(world: World) -> None:
    world.house = installation(caps=[cap(2, 7)])
    world.people(*(f"c-{n}" for n in range(8)))
    world.people("c-8", "c-9", grants=())
    world.offer("w15", valid_for="PT72H")
    request = job(*WINBACK, offer="w15")
    forecast = world.preview(request)
    job_id = world.accept(request)
    assert world.expand(job_id) == 10

    planned = {(0, "queued", None): 8, (0, "skipped", "no_consent"): 2}
    assert world.states(job_id) == planned
    assert {(0, each.state, each.reason): each.recipients for each in forecast.counts} == planned

    first = world.pump()
    codes = {message.recipient_id: message.coupon.code for message in first if message.coupon}
    assert len(set(codes.values())) == 8
    assert world.report(EventType.DELIVERED, first[0])
    with world.db.transaction() as tx:
        used = redeem.redeem(tx, codes["c-3"], redeem.Use(), "till")
    assert used.recipient == "c-3"

    world.later(days=1, minutes=1)
    assert world.plan_due() == 7
    second = world.pump()
    assert {message.recipient_id: message.coupon.code for message in second if message.coupon} == {
        id: code for id, code in codes.items() if id != "c-3"
    }
    assert world.states(job_id) == {
        (0, "accepted", None): 7,
        (0, "delivered", None): 1,
        (0, "skipped", "no_consent"): 2,
        (1, "accepted", None): 7,
    }
    with world.db.transaction() as tx:
        assert len(jobs.finish(tx, world.now())) == 1


def test_the_third_message_of_a_week_waits_for_the_eighth_day(world: World) -> None:
    world.house = installation(caps=[cap(2, 7)])
    world.people("c-1")
    jobs_ = [world.run() for _ in range(3)]
    assert len(world.pump()) == 2
    [late] = [each for each in jobs_ if world.state(each, "c-1")[0] == "queued"]
    assert world.state(late, "c-1") == ("queued", "cap:cap")
    world.later(days=6, hours=23)
    assert world.pump() == []
    world.later(hours=2)
    assert [message.job_id for message in world.pump()] == [f"job-{late}"]
