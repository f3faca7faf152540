"""Notices: what receivers get, when it is tried again, and what that says of the endpoint."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from gateway.contract import EventType
from gateway.domain.endpoint import WAITS
from gateway.domain.notices import PING, ConsentNews, PingNews, RecipientNews
from gateway.domain.words import SendKey
from gateway.services import endpoints, notify, track
from gateway.services.announce import announce
from gateway.services.endpoints import Issued, Message
from gateway.services.notify import ALL_KEPT, DELIVERED_KEPT, GIVEN_UP_AFTER, Delivery, Tried
from gateway.storage import audit, clock, tables
from gateway.storage import endpoints as stored
from gateway.storage.database import Transaction
from gateway.storage.tables import notices
from tests.builders import World, step
from tests.services.endpoints_told import ADMIN, caller, listen

LEASE = timedelta(minutes=2)


def take(tx: Transaction, world: World, limit: int = 40) -> Delivery:
    """What is due for the one endpoint."""
    [id] = notify.due_endpoints(tx)
    delivery = notify.take(tx, world.house, id, LEASE, limit)
    assert delivery is not None
    return delivery


def bodies(world: World) -> list[dict[str, Any]]:
    with world.db.transaction() as tx:
        return [msgspec.json.decode(due.body) for due in take(tx, world).due]


def ping(tx: Transaction, issued: Issued) -> Message:
    return endpoints.ping(tx, caller(), issued.endpoint.id)


def only(tx: Transaction, issued: Issued) -> Message:
    [(_, message)] = endpoints.messages(tx, ADMIN, issued.endpoint.id, None, 10)
    return message


def settle(tx: Transaction, world: World, status: int | None, asked_s: float | None = None) -> str | None:
    """Try what is due once, with this answer."""
    delivery = take(tx, world)
    error = None if status is not None and 200 <= status < 300 else f"answered {status}"
    return notify.settle(tx, delivery, [Tried(due, status, error, asked_s) for due in delivery.due])


def rewind(tx: Transaction, span: timedelta) -> None:
    """Let machine time be later, for the notices and the endpoints: everything noted was so much earlier."""
    for table, names in ((notices, ("created_at", "due_at")), (tables.endpoints, ("failing_since", "rest_until"))):
        for row in tx.execute(table.select()).all():
            earlier = {name: getattr(row, name) and getattr(row, name) - span for name in names}
            tx.execute(table.update().where(table.c.id == row.id).values(earlier))


def test_a_receiver_is_told_by_public_ids_and_of_no_address(world: World) -> None:
    listen(world, "job.*", "send.*", "recipient.*", "consent.*")
    world.people("c-1", name="Ольга Καλλιόπη 🎁", grants=())
    world.consents("granted", "c-1")
    job_id = world.run(step("primo"))
    [message] = world.pump()
    with world.db.transaction() as tx:
        track.unsubscribe(tx, world.house, world.house.keys.open_ref("message", message.id), "one-click")
    found = bodies(world)
    assert [each["type"] for each in found] == [
        "consent.changed",
        "job.accepted",
        "job.expanded",
        "send.accepted",
        "recipient.unsubscribed",
        "consent.changed",
    ]
    assert all(each["timestamp"].startswith("2026-11-20T12:0") and each["timestamp"].endswith("Z") for each in found)
    of = {each["type"]: each["data"] for each in found}
    assert of["job.accepted"] == {"job": "job-1", "name": "wake"}
    sent = of["send.accepted"]
    assert world.house.keys.open_ref("send", sent.pop("send")).key == world.key(job_id, "c-1")
    assert sent == {"job": "job-1", "recipient": "c-1", "run": 0, "step": "primo", "channel": "email", "reason": None}
    assert of["consent.changed"] == {
        "recipient": "c-1",
        "channel": "email",
        "purpose": "marketing",
        "action": "withdrawn",
    }
    left = of["recipient.unsubscribed"]
    assert (left["recipient"], left["job"], left["channel"], left["by"]) == ("c-1", "job-1", "email", None)
    said = msgspec.json.encode(found).decode()
    assert "c-1@example.com" not in said
    assert "Ольга" not in said
    assert "Ciao" not in said


def test_a_page_of_notices_is_made_public_in_few_statements(world: World) -> None:
    from tests.builders import statements

    listen(world, "send.*")
    world.people(*[f"c-{n}" for n in range(40)])
    world.run()
    world.pump()
    with world.db.transaction() as tx:
        seen = statements(tx)
        assert len(take(tx, world).due) == 40
    assert len(seen) <= 8, seen


def test_news_of_somebody_forgotten_names_whom_to_forget(world: World) -> None:
    listen(world, "recipient.erased", "consent.*")
    with world.db.transaction() as tx:
        now = world.now()
        announce(
            tx,
            [
                RecipientNews(type="recipient.erased", at=now, recipient_id=99, external_id="c-1"),
                ConsentNews(
                    type="consent.changed",
                    at=now,
                    recipient_id=99,
                    channel="sms",
                    purpose="marketing",
                    action="withdrawn",
                ),
                RecipientNews(type="recipient.erased", at=now, recipient_id=98, key=SendKey(7, 98, 0, 0, "email")),
            ],
        )
    erased, changed, unknown = bodies(world)
    assert erased["data"]["recipient"] == "c-1"
    assert changed["data"]["recipient"] is None
    assert (unknown["data"]["recipient"], unknown["data"]["job"]) == (None, None)


def test_what_arrived_is_not_sent_again(world: World) -> None:
    issued = listen(world)
    with world.db.transaction() as tx:
        ping(tx, issued)
        assert settle(tx, world, 204) is None
        assert notify.due_endpoints(tx) == []
        message = only(tx, issued)
    assert (message.state, message.status, message.error, message.tries, message.due_at) == (
        "delivered",
        204,
        None,
        1,
        None,
    )


def test_what_is_taken_is_due_again_when_the_lease_is_over(world: World) -> None:
    issued = listen(world)
    with world.db.transaction() as tx:
        ping(tx, issued)
    with world.db.transaction() as tx:
        first = take(tx, world)
        assert notify.due_endpoints(tx) == []
        rewind(tx, LEASE + timedelta(seconds=1))
        second = take(tx, world)
    assert first.due[0].public_id == second.due[0].public_id
    assert first.due[0].body == second.due[0].body


def test_an_answer_that_comes_after_the_lease_counts_only_if_it_is_good(world: World) -> None:
    issued = listen(world)
    with world.db.transaction() as tx:
        ping(tx, issued)
        late = take(tx, world)
        rewind(tx, LEASE + timedelta(seconds=1))
        other = take(tx, world)
        notify.settle(tx, late, [Tried(late.due[0], 500, "answered 500")])
        assert only(tx, issued).tries == 0
        notify.settle(tx, late, [Tried(late.due[0], 200, None)])
        assert only(tx, issued).state == "delivered"
        notify.settle(tx, other, [Tried(other.due[0], 500, "answered 500")])
        assert only(tx, issued).state == "delivered"


def test_what_was_taken_and_not_tried_is_due_at_once(world: World) -> None:
    issued = listen(world)
    with world.db.transaction() as tx:
        for _ in range(3):
            ping(tx, issued)
        delivery = take(tx, world)
        notify.settle(tx, delivery, [Tried(delivery.due[0], 200, None)])
        left = take(tx, world)
    assert {due.id for due in left.due} == {due.id for due in delivery.due[1:]}
    assert {due.tries for due in left.due} == {0}


def test_tries_end_after_the_last_of_the_schedule(world: World) -> None:
    issued = listen(world)
    with world.db.transaction() as tx:
        ping(tx, issued)
        waits = []
        for _ in range(len(WAITS) - 1):
            settle(tx, world, 500)
            message, now = only(tx, issued), clock.now(tx).machine
            assert message.due_at is not None
            waits.append(message.due_at - now)
            rewind(tx, timedelta(hours=13))
        settle(tx, world, 500)
        message = only(tx, issued)
    for wait, least in zip(waits, WAITS[1:], strict=True):
        assert least - timedelta(seconds=1) < wait <= least * 1.2
    assert (message.state, message.tries, message.due_at, message.error) == ("failed", 8, None, "answered 500")


def test_an_endpoint_that_says_gone_is_disabled(world: World) -> None:
    issued = listen(world)
    with world.db.transaction() as tx:
        ping(tx, issued)
        told = settle(tx, world, 410)
        found = endpoints.get(tx, ADMIN, issued.endpoint.id)
        row = audit.page(tx, None, 1)[0]
        assert only(tx, issued).state == "failed"
    assert told == found.reason
    assert found.state == "disabled"
    assert "410" in (found.reason or "")
    assert (row.actor, row.action, row.subject) == ("gateway", "endpoint.disabled", f"endpoint:{found.id}")


def test_an_endpoint_that_takes_nothing_for_five_days_is_disabled(world: World) -> None:
    issued = listen(world)
    with world.db.transaction() as tx:
        ping(tx, issued)
        assert settle(tx, world, None) is None
        assert endpoints.get(tx, ADMIN, issued.endpoint.id).failing_since is not None
        rewind(tx, GIVEN_UP_AFTER - timedelta(minutes=1))
        assert settle(tx, world, 500) is None
        rewind(tx, timedelta(hours=1))
        assert "5 days" in (settle(tx, world, 500) or "")
        assert endpoints.get(tx, ADMIN, issued.endpoint.id).state == "disabled"
        [row] = [row for row in audit.page(tx, None, 10) if row.action == "endpoint.disabled"]
        assert row.actor == "gateway"


def test_one_delivery_that_arrives_makes_an_endpoint_well_again(world: World) -> None:
    issued = listen(world)
    with world.db.transaction() as tx:
        ping(tx, issued)
        settle(tx, world, 500)
        rewind(tx, timedelta(days=4))
        settle(tx, world, 200)
        assert endpoints.get(tx, ADMIN, issued.endpoint.id).failing_since is None
        ping(tx, issued)
        settle(tx, world, 500)
        rewind(tx, timedelta(days=4))
        assert settle(tx, world, 500) is None


@pytest.mark.parametrize(
    ("asked_s", "rest"),
    [(600.0, timedelta(minutes=10)), (10.0**9, timedelta(hours=1)), (0.0, timedelta(0))],
)
def test_an_endpoint_that_asks_for_rest_gets_it_within_bounds(world: World, asked_s: float, rest: timedelta) -> None:
    issued = listen(world)
    with world.db.transaction() as tx:
        ping(tx, issued)
        settle(tx, world, 429, asked_s)
        announce(tx, [PingNews(type=PING, at=world.now(), endpoint=issued.endpoint.id)])
        now, row = clock.now(tx).machine, stored.get(tx, issued.endpoint.id)
        assert row is not None
        assert (row.rest_until or now) - now <= rest
        due = [message.due_at for _, message in endpoints.messages(tx, ADMIN, issued.endpoint.id, None, 10)]
        assert due[1] is not None
        assert due[1] - now > max(rest, WAITS[1]) - timedelta(seconds=5)
        assert bool(notify.due_endpoints(tx)) is not bool(rest), "what comes meanwhile waits too"
        rewind(tx, rest)
        assert len(notify.due_endpoints(tx)) == 1


def test_one_that_fails_for_long_is_asked_less_often(world: World) -> None:
    issued = listen(world)
    with world.db.transaction() as tx:
        for _ in range(3):
            ping(tx, issued)
        rests = []
        for span in (timedelta(0), timedelta(minutes=20), timedelta(hours=3)):
            rewind(tx, span)
            delivery = take(tx, world, limit=1)
            notify.settle(tx, delivery, [Tried(delivery.due[0], None, "no connection")])
            row, now = stored.get(tx, issued.endpoint.id), clock.now(tx).machine
            assert row is not None
            rests.append((row.rest_until or now) - now)
    assert rests[0] == timedelta(0)
    assert timedelta(minutes=1) < rests[1] <= timedelta(minutes=2, seconds=1)
    assert timedelta(minutes=4) < rests[2] <= timedelta(minutes=5)


def test_a_person_who_asks_for_a_delivery_ends_the_rest(world: World) -> None:
    issued = listen(world)
    with world.db.transaction() as tx:
        message = ping(tx, issued)
        settle(tx, world, 503, 600.0)
        assert notify.due_endpoints(tx) == []
        endpoints.redeliver(tx, caller(), issued.endpoint.id, message.id)
        assert [due.public_id for due in take(tx, world).due] == [message.id]


def give_up(tx: Transaction, world: World, issued: Issued) -> None:
    """Try everything for the last time, in vain."""
    tx.execute(notices.update().where(notices.c.state == "waiting").values(tries=len(WAITS) - 1))
    settle(tx, world, 500)


def test_what_was_given_up_is_sent_again_from_an_instant_on(world: World) -> None:
    issued = listen(world)
    id = issued.endpoint.id
    with world.db.transaction() as tx:
        old = ping(tx, issued)
        give_up(tx, world, issued)
        rewind(tx, timedelta(hours=2))
        new = ping(tx, issued)
        give_up(tx, world, issued)
        arrived = ping(tx, issued)
        settle(tx, world, 200)
        assert endpoints.redeliver_failed(tx, caller(), id, clock.now(tx).machine - timedelta(hours=1)) == 1
        assert [due.public_id for due in take(tx, world).due] == [new.id]
        again = endpoints.redeliver(tx, caller(), id, arrived.id)
        assert (again.state, again.tries) == ("waiting", 0)
        assert [due.public_id for due in take(tx, world).due] == [arrived.id]
        states = {message.id: message.state for _, message in endpoints.messages(tx, ADMIN, id, None, 10)}
    assert states == {old.id: "failed", new.id: "waiting", arrived.id: "waiting"}


def test_what_arrived_is_kept_for_a_week_and_all_else_for_a_month(world: World) -> None:
    issued = listen(world)
    with world.db.transaction() as tx:
        ping(tx, issued)
        settle(tx, world, 200)
        lost = ping(tx, issued)
        give_up(tx, world, issued)
        assert notify.forget(tx) == 0
        rewind(tx, DELIVERED_KEPT + timedelta(minutes=1))
        assert notify.forget(tx) == 1
        assert only(tx, issued).id == lost.id
        rewind(tx, ALL_KEPT - DELIVERED_KEPT)
        assert notify.forget(tx) == 1
        assert endpoints.messages(tx, ADMIN, issued.endpoint.id, None, 10) == []


def test_the_second_of_two_processes_takes_what_the_first_has_left(world: World) -> None:
    issued = listen(world)
    with world.db.transaction() as tx:
        for _ in range(5):
            ping(tx, issued)
    taken: list[Sequence[int]] = []
    for _ in range(2):
        with world.db.transaction() as tx:
            taken.append([due.id for due in take(tx, world, limit=3).due])
    assert [len(each) for each in taken] == [3, 2]
    assert len({id for each in taken for id in each}) == 5


def test_a_moved_business_clock_delays_no_delivery(world: World) -> None:
    issued = listen(world)
    world.later(days=-300)
    with world.db.transaction() as tx:
        ping(tx, issued)
        assert settle(tx, world, 500) is None
    world.later(days=900)
    with world.db.transaction() as tx:
        assert notify.due_endpoints(tx) == []
        rewind(tx, timedelta(seconds=10))
        assert len(notify.due_endpoints(tx)) == 1


def test_a_report_about_a_message_is_told_once_however_often_it_comes(world: World) -> None:
    listen(world, "send.delivered")
    world.people("c-1")
    world.run()
    [message] = world.pump()
    for _ in range(3):
        world.report(EventType.DELIVERED, message, event_id="same")
    assert len(bodies(world)) == 1
