"""What happens is told to whoever asked, in the transaction in which it happens."""

import re
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from gateway.contract import ChannelMisconfigured, EventType, OutcomeUnknown, PermanentFailure
from gateway.domain.notices import ChannelNews, CouponNews, JobNews, PingNews, RecipientNews, SendNews
from gateway.services import announce as announcing
from gateway.services import channels, control, endpoints, notify, privacy, redeem, track
from gateway.services.announce import announce
from gateway.services.problems import NotFound
from gateway.services.redeem import Use
from gateway.storage import clock
from gateway.storage.tables import notices
from tests.builders import World, job, statements, step
from tests.services.endpoints_told import ADMIN, caller, listen, noted, types_noted

COUPON = step(text="{{ coupon.code }}")


def test_the_way_of_a_job_is_told(world: World) -> None:
    told = listen(world, "job.*")
    world.people("c-1")
    job_id = world.run()
    world.pump()
    with world.db.transaction() as tx:
        control.pause(tx, "job-1")
        control.resume(tx, "job-1")
        assert control.finish(tx) == 1
    assert types_noted(world, told) == ["job.accepted", "job.expanded", "job.paused", "job.resumed", "job.done"]
    assert {news.job_id for news in noted(world, told) if isinstance(news, JobNews)} == {job_id}


def test_a_cancelled_job_is_told_once_and_its_sends_where_they_are_asked_for(world: World) -> None:
    told = listen(world, "job.cancelled", "send.*", "send.cancelled")
    world.people("c-1", "c-2")
    world.run()
    for _ in range(2):
        with world.db.transaction() as tx:
            control.cancel(tx, "job-1")
    world.sweep()
    assert types_noted(world, told) == ["job.cancelled", "send.cancelled", "send.cancelled"]


def test_a_message_is_told_from_its_acceptance_to_its_bounce(world: World) -> None:
    told = listen(world, "send.*")
    world.people("c-1")
    job_id = world.run()
    [message] = world.pump()
    for event in (EventType.DELIVERED, EventType.DELIVERED, EventType.BOUNCED):
        world.report(event, message, code="5.1.1")
    assert types_noted(world, told) == ["send.accepted", "send.delivered", "send.bounced"]
    bounced = noted(world, told)[-1]
    key = world.key(job_id, "c-1")
    assert isinstance(bounced, SendNews)
    assert (bounced.job_id, bounced.recipient_id, bounced.run, bounced.step, bounced.channel) == key
    assert bounced.reason == "5.1.1"


def test_what_failed_and_what_is_in_doubt_is_told(world: World) -> None:
    told = listen(world, "send.*")
    world.people("c-1", "c-2")
    world.run()
    world.pump(
        answer=lambda message: PermanentFailure("5.1.1") if message.recipient_id == "c-1" else OutcomeUnknown("lost")
    )
    assert sorted(types_noted(world, told)) == ["send.failed", "send.in_doubt"]


def test_a_lost_worker_leaves_doubts_that_are_told(world: World) -> None:
    told = listen(world, "send.in_doubt")
    world.people("c-1")
    world.run()
    taken = world.claim()
    world.begin(taken)
    world.lose(taken)
    world.reap()
    assert types_noted(world, told) == ["send.in_doubt"]


def test_what_came_too_late_is_told(world: World) -> None:
    told = listen(world, "send.*")
    world.people("c-1")
    world.run(step(ttl="PT1H"))
    world.later(hours=2)
    world.pump()
    assert types_noted(world, told) == ["send.expired"]


def test_what_is_skipped_is_told_only_to_who_names_it(world: World) -> None:
    everything = listen(world, "*")
    named = listen(world, "send.skipped", url="https://bi.example.com/")
    world.people("c-1", grants=())
    world.run()
    assert "send.skipped" not in types_noted(world, everything)
    [skipped] = noted(world, named)
    assert isinstance(skipped, SendNews)
    assert (skipped.type, skipped.reason) == ("send.skipped", "no_consent")


def test_what_people_do_is_told(world: World) -> None:
    told = listen(world, "recipient.*", "consent.*")
    world.people("c-1", "c-2", grants=())
    for id in ("c-1", "c-2"):
        world.consents("granted", id)
    world.run()
    sent = {message.recipient_id: message for message in world.pump()}
    ref = world.house.keys.open_ref("message", sent["c-1"].id)
    world.click(ref.key)
    for _ in range(2):
        with world.db.transaction() as tx:
            track.unsubscribe(tx, world.house, ref, "one-click")
    world.report(EventType.COMPLAINED, sent["c-2"])
    world.report(EventType.OPENED, sent["c-2"])
    assert types_noted(world, told) == [
        "consent.changed",
        "consent.changed",
        "recipient.clicked",
        "recipient.unsubscribed",
        "consent.changed",
        "recipient.complained",
        "consent.changed",
    ]
    clicked = noted(world, told)[2]
    assert isinstance(clicked, RecipientNews)
    assert (clicked.key, clicked.by) == (ref.key, "human")


def test_the_same_consents_imported_again_are_no_news(world: World) -> None:
    told = listen(world, "consent.changed")
    world.people("c-1", grants=())
    at = world.now()
    for _ in range(2):
        world.consents("granted", "c-1", at=at)
    assert types_noted(world, told) == ["consent.changed"]


def test_a_redeemed_coupon_is_told_without_its_code(world: World) -> None:
    told = listen(world, "coupon.*", "coupon.published", "send.cancelled")
    world.offer()
    world.people("c-1")
    job_id = world.run(COUPON, step("two", text="{{ coupon.code }}", after="P1D"), offer="w15")
    [message] = world.pump()
    world.later(days=1)
    world.plan_due()
    assert message.coupon is not None
    with world.db.transaction() as tx:
        used = redeem.redeem(tx, message.coupon.code, Use(order_minor=4200, currency="EUR"), "till")
    assert types_noted(world, told) == ["coupon.published", "coupon.redeemed", "send.cancelled"]
    redeemed = noted(world, told)[1]
    assert isinstance(redeemed, CouponNews)
    assert (redeemed.job_id, redeemed.offer, redeemed.redemption) == (job_id, "w15", used.id)
    assert (redeemed.order_minor, redeemed.currency) == (4200, "EUR")
    with world.db.snapshot() as tx:
        bodies = [bytes(row.body) for row in tx.execute(notices.select())]
    assert not any(message.coupon.code.replace("-", "").encode() in body for body in bodies)
    assert not any(message.coupon.code.encode() in body for body in bodies)


def test_a_transaction_that_is_rolled_back_announces_nothing(world: World) -> None:
    told = listen(world, "*")
    world.people("c-1")
    before = types_noted(world, told)
    job_id = world.accept(job())
    assert types_noted(world, told) == [*before, "job.accepted"]

    def cancel_both() -> None:
        with world.db.transaction() as tx:
            control.cancel(tx, "job-1")
            control.cancel(tx, "job-none")

    with pytest.raises(NotFound):
        cancel_both()
    assert types_noted(world, told) == [*before, "job.accepted"]
    world.expand(job_id)
    assert types_noted(world, told) == [*before, "job.accepted", "job.expanded"]


def test_an_endpoint_that_is_disabled_or_removed_is_told_nothing(world: World) -> None:
    disabled = listen(world, "*", url="https://a.example.com/")
    removed = listen(world, "*", url="https://b.example.com/")
    with world.db.transaction() as tx:
        endpoints.disable(tx, ADMIN, disabled.endpoint.id)
        endpoints.remove(tx, caller(), removed.endpoint.id)
    world.people("c-1")
    world.run()
    world.pump()
    assert noted(world, disabled) == []
    with world.db.snapshot() as tx:
        assert tx.execute(notices.select()).all() == []


def test_the_same_news_has_the_same_id_at_every_endpoint(world: World) -> None:
    for host in ("a", "b"):
        listen(world, "job.accepted", url=f"https://{host}.example.com/")
    world.accept(job())
    with world.db.snapshot() as tx:
        rows = tx.execute(notices.select()).all()
    assert len(rows) == 2
    assert len({row.public_id for row in rows}) == 1
    assert len({row.endpoint_id for row in rows}) == 2


def test_thousands_of_news_for_several_endpoints_are_three_statements(world: World) -> None:
    for host in ("a", "b", "c"):
        listen(world, "send.*", url=f"https://{host}.example.com/")
    news = [
        SendNews(
            type="send.delivered", at=world.now(), job_id=1, recipient_id=n, run=0, step=0, channel="email", reason=None
        )
        for n in range(2000)
    ]
    with world.db.transaction() as tx:
        seen = statements(tx)
        assert announce(tx, news) == 6000
        assert len(seen) <= 3, seen


def test_where_nobody_asks_it_costs_one_look(world: World) -> None:
    listen(world, "job.done")
    news = [JobNews(type="job.accepted", at=world.now(), job_id=n) for n in range(1000)]
    with world.db.transaction() as tx:
        seen = statements(tx)
        assert announce(tx, news) == 0
        assert len(seen) == 1
        assert announce(tx, []) == 0
        assert len(seen) == 1


def test_an_endpoint_that_was_just_added_is_told_by_every_process(world: World) -> None:
    """Nobody keeps a list of endpoints from an earlier transaction."""
    with world.db.transaction() as tx:
        announce(tx, [JobNews(type="job.done", at=world.now(), job_id=1)])
    told = listen(world, "job.done")
    with world.db.transaction() as tx:
        announce(tx, [JobNews(type="job.done", at=world.now(), job_id=2)])
    [news] = noted(world, told)
    assert isinstance(news, JobNews)
    assert news.job_id == 2


def test_a_test_is_noted_for_one_endpoint_whatever_it_asked_for(world: World) -> None:
    asked = listen(world, "job.done", url="https://a.example.com/")
    other = listen(world, "*", url="https://b.example.com/")
    with world.db.transaction() as tx:
        message = endpoints.ping(tx, caller(), asked.endpoint.id)
    [news] = noted(world, asked)
    assert isinstance(news, PingNews)
    assert (news.endpoint, message.type, message.state) == (asked.endpoint.id, "test.ping", "waiting")
    assert noted(world, other) == []


def test_news_is_dated_in_business_time_and_due_in_machine_time(world: World) -> None:
    told = listen(world, "job.accepted")
    world.accept(job())
    with world.db.snapshot() as tx:
        [row] = tx.execute(notices.select()).all()
        now = clock.now(tx)
    [news] = noted(world, told)
    assert abs(news.at - now.business) < timedelta(minutes=5)
    assert abs(row.due_at - now.machine) < timedelta(minutes=5)
    assert now.business - now.machine > timedelta(days=1) or now.machine - now.business > timedelta(days=1)


def test_somebody_forgotten_is_told_by_the_name_that_others_know(world: World) -> None:
    told = listen(world, "recipient.*")
    world.people("c-1")
    with world.db.transaction() as tx:
        privacy.erase(tx, world.house, "c-1", "erased_1", "shop")
    [news] = noted(world, told)
    assert isinstance(news, RecipientNews)
    assert (news.type, news.external_id) == ("recipient.erased", "c-1")


def test_what_was_noted_of_somebody_before_is_told_under_the_name_that_erasing_left(world: World) -> None:
    told = listen(world, "send.*")
    world.people("c-1")
    world.run()
    world.pump()
    with world.db.transaction() as tx:
        privacy.erase(tx, world.house, "c-1", "erased_1", "shop")
        delivery = notify.take(tx, world.house, 1, timedelta(minutes=1), 10)
    assert types_noted(world, told) == ["send.accepted"]
    assert delivery is not None
    assert msgspec.json.decode(delivery.due[0].body)["data"]["recipient"] == "erased_1"


def test_channels_that_pause_and_come_back_are_told(world: World) -> None:
    told = listen(world, "channel.*")
    world.people("c-1")
    world.run()
    world.pump(answer=lambda message: ChannelMisconfigured("535", "password for ops@example.com refused"))
    with world.db.transaction() as tx:
        assert channels.come_back(tx, "email")
        channels.pause(tx, "sms", "festa nazionale", "ops")
        channels.pause(tx, "sms", "again", "ops")
        channels.resume(tx, "sms", "ops")
        channels.hold(tx, "push", "restored", "cli")
    found = [(news.type, news.channel, news.reason) for news in noted(world, told) if isinstance(news, ChannelNews)]
    assert found == [
        ("channel.paused", "email", "535"),
        ("channel.resumed", "email", None),
        ("channel.paused", "sms", "festa nazionale"),
        ("channel.resumed", "sms", None),
        ("channel.held", "push", "restored"),
    ]


def test_every_change_of_state_in_the_services_is_announced() -> None:
    """Except by a restore, which repeats what others were told before the backup."""
    folder = Path(announcing.__file__).parent
    direct = {path.name for path in folder.glob("*.py") if re.search(r"\bsends\.(move|add)\(", path.read_text())}
    assert direct == {"announce.py", "restore.py"}
