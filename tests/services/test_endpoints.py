"""Endpoints: whose they are, where they may lead, and their secrets."""

from datetime import timedelta
from ipaddress import ip_network

import pytest

from gateway.domain.tokens import KeyRing
from gateway.services import endpoints, notify
from gateway.services.endpoints import MOST_ENDPOINTS, OVERLAP, Issued
from gateway.services.problems import Conflict, Invalid, NotFound
from gateway.storage import audit, clock
from gateway.storage import endpoints as stored
from gateway.storage.database import Transaction
from gateway.storage.tables import notices
from tests.builders import World
from tests.services.endpoints_told import ADMIN, caller, listen, noted, wanted

LEASE = timedelta(minutes=2)
PRIVATE = (ip_network("10.1.0.0/16"),)


def test_each_client_has_its_own_and_an_admin_has_all(world: World) -> None:
    mine = listen(world, url="https://shop.example.com/", client="shop").endpoint
    theirs = listen(world, url="https://crm.example.com/", client="crm").endpoint
    with world.db.snapshot() as tx:
        assert endpoints.all_of_them(tx, caller("shop")) == [mine]
        assert endpoints.all_of_them(tx, caller("crm")) == [theirs]
        assert endpoints.all_of_them(tx, ADMIN) == [mine, theirs]
        assert endpoints.get(tx, ADMIN, theirs.id) == theirs


def test_what_is_anothers_is_not_there_whatever_is_asked(world: World) -> None:
    theirs, me, keys = listen(world, client="crm").endpoint.id, caller("shop"), world.house.keys
    asked = (
        lambda tx: endpoints.get(tx, me, theirs),
        lambda tx: endpoints.change(tx, (), me, theirs, wanted()),
        lambda tx: endpoints.remove(tx, me, theirs),
        lambda tx: endpoints.rotate(tx, keys, me, theirs),
        lambda tx: endpoints.enable(tx, me, theirs),
        lambda tx: endpoints.disable(tx, me, theirs),
        lambda tx: endpoints.ping(tx, me, theirs),
        lambda tx: endpoints.messages(tx, me, theirs, None, 10),
        lambda tx: endpoints.redeliver(tx, me, theirs, "msg_x"),
        lambda tx: endpoints.redeliver_failed(tx, me, theirs, clock.now(tx).machine),
    )
    for ask in asked:
        with world.db.transaction() as tx, pytest.raises(NotFound):
            ask(tx)


def secrets_in_force(tx: Transaction, world: World, issued: Issued) -> list[str]:
    row = stored.get(tx, issued.endpoint.id)
    assert row is not None
    return [each.secret for each in endpoints.in_force(world.house.keys, row, clock.now(tx).machine)]


def test_a_secret_is_kept_sealed_and_belongs_to_its_row(world: World) -> None:
    first, second = listen(world), listen(world, url="https://b.example.com/")
    assert first.secret.startswith("whsec_")
    assert first.secret != second.secret
    with world.db.transaction() as tx:
        row, other = stored.get(tx, first.endpoint.id), stored.get(tx, second.endpoint.id)
        assert row is not None
        assert other is not None
        assert first.secret.encode() not in bytes(row.secrets)
        assert secrets_in_force(tx, world, first) == [first.secret]
        stored.change(tx, other.id, secrets=row.secrets)
    with world.db.transaction() as tx:
        assert notify.take(tx, world.house, other.id, LEASE, 1) is None
        assert endpoints.get(tx, ADMIN, second.endpoint.id).state == "disabled"


def test_the_secret_before_signs_for_another_day(world: World) -> None:
    first = listen(world)
    with world.db.transaction() as tx:
        second = endpoints.rotate(tx, world.house.keys, caller(), first.endpoint.id)
        assert second.secret != first.secret
        assert secrets_in_force(tx, world, first) == [second.secret, first.secret]
        row, now = stored.get(tx, first.endpoint.id), clock.now(tx).machine
        assert row is not None
        later = endpoints.in_force(world.house.keys, row, now + OVERLAP + timedelta(seconds=1))
        assert [each.secret for each in later] == [second.secret]


def test_a_secret_rotated_many_times_a_day_never_signs_more_than_five_times(world: World) -> None:
    first = listen(world)
    with world.db.transaction() as tx:
        made = [endpoints.rotate(tx, world.house.keys, caller(), first.endpoint.id).secret for _ in range(7)]
        assert secrets_in_force(tx, world, first) == made[:1:-1]


def test_a_key_that_left_the_ring_disables_the_endpoint_and_a_rotation_puts_it_right(world: World) -> None:
    issued = listen(world)
    with world.db.transaction() as tx:
        endpoints.ping(tx, caller(), issued.endpoint.id)
    world.house = type(world.house)(
        policies=world.house.policies,
        keys=KeyRing(2, {2: b"n" * 32}, b"p" * 32),
        channels=world.house.channels,
        public_url=world.house.public_url,
    )
    with world.db.transaction() as tx:
        [id] = notify.due_endpoints(tx)
        assert notify.take(tx, world.house, id, LEASE, 10) is None
        found = endpoints.get(tx, caller(), issued.endpoint.id)
        assert found.state == "disabled"
        assert "rotate it" in (found.reason or "")
        new = endpoints.rotate(tx, world.house.keys, caller(), issued.endpoint.id)
        endpoints.enable(tx, caller(), issued.endpoint.id)
        delivery = notify.take(tx, world.house, id, LEASE, 10)
        assert delivery is not None
        assert delivery.secrets == (new.secret,)


@pytest.mark.parametrize(
    ("url", "allow", "word"),
    [
        ("http://crm.example.com/", (), "plain http"),
        ("http://1.1.1.1/", PRIVATE, "may not connect"),
        ("https://127.0.0.1/", (), "may not connect"),
        ("https://[::ffff:127.0.0.1]/", (), "may not connect"),
        ("https://169.254.169.254/latest", (), "may not connect"),
        ("https://10.2.0.1/", PRIVATE, "may not connect"),
        ("https://[64:ff9b::7f00:1]/", (), "may not connect"),
    ],
)
def test_what_can_be_seen_to_lead_astray_is_refused_at_once(
    world: World, url: str, allow: tuple[()], word: str
) -> None:
    with world.db.transaction() as tx, pytest.raises(Invalid, match=word):
        endpoints.add(tx, world.house.keys, allow, caller(), wanted(url))
    issued = listen(world)
    with world.db.transaction() as tx, pytest.raises(Invalid, match=word):
        endpoints.change(tx, allow, caller(), issued.endpoint.id, wanted(url))


@pytest.mark.parametrize("url", ["http://10.1.2.3:8080/in", "http://crm.internal/in", "https://1.1.1.1/"])
def test_the_operators_own_networks_may_be_reached_without_tls(world: World, url: str) -> None:
    with world.db.transaction() as tx:
        assert endpoints.add(tx, world.house.keys, PRIVATE, caller(), wanted(url)).endpoint.url == url


def test_the_same_url_twice_is_refused_and_names_the_first(world: World) -> None:
    first = listen(world)
    with world.db.transaction() as tx, pytest.raises(Conflict, match=first.endpoint.id):
        endpoints.add(tx, world.house.keys, (), caller(), wanted())
    listen(world, client="crm")
    other = listen(world, url="https://other.example.com/")
    with world.db.transaction() as tx, pytest.raises(Conflict, match=first.endpoint.id):
        endpoints.change(tx, (), caller(), other.endpoint.id, wanted())


def test_an_url_is_free_again_once_its_endpoint_is_removed(world: World) -> None:
    first = listen(world)
    with world.db.transaction() as tx:
        endpoints.remove(tx, caller(), first.endpoint.id)
        with pytest.raises(NotFound):
            endpoints.get(tx, caller(), first.endpoint.id)
    second = listen(world)
    with world.db.snapshot() as tx:
        assert endpoints.all_of_them(tx, ADMIN) == [second.endpoint]


def test_a_client_has_no_more_endpoints_than_can_be_told(world: World) -> None:
    for number in range(MOST_ENDPOINTS):
        listen(world, url=f"https://{number}.example.com/")
    with world.db.transaction() as tx, pytest.raises(Conflict, match="at most 20"):
        endpoints.add(tx, world.house.keys, (), caller(), wanted("https://one-more.example.com/"))


def test_changes_are_in_the_audit_log_without_urls_and_secrets(world: World) -> None:
    issued = listen(world)
    id = issued.endpoint.id
    with world.db.transaction() as tx:
        endpoints.change(tx, (), caller(), id, wanted("https://b.example.com/", "job.*"))
        endpoints.rotate(tx, world.house.keys, caller(), id)
        for _ in range(2):
            endpoints.disable(tx, ADMIN, id)
        for _ in range(2):
            endpoints.enable(tx, caller(), id)
        endpoints.remove(tx, caller(), id)
        rows = list(reversed(audit.page(tx, None, 100, f"endpoint:{id}")))
    assert [(row.actor, row.action) for row in rows] == [
        ("shop", "endpoint.added"),
        ("shop", "endpoint.changed"),
        ("shop", "endpoint.rotated"),
        ("ops", "endpoint.disabled"),
        ("shop", "endpoint.enabled"),
        ("shop", "endpoint.removed"),
    ]
    said = str([row.detail for row in rows])
    assert "example.com" not in said
    assert "whsec" not in said


def test_what_a_disabled_endpoint_waited_for_goes_out_once_it_is_enabled(world: World) -> None:
    issued = listen(world)
    with world.db.transaction() as tx:
        endpoints.ping(tx, caller(), issued.endpoint.id)
        endpoints.disable(tx, caller(), issued.endpoint.id)
        assert notify.due_endpoints(tx) == []
        with pytest.raises(Conflict, match="enable it first"):
            endpoints.ping(tx, caller(), issued.endpoint.id)
        endpoints.enable(tx, caller(), issued.endpoint.id)
        assert len(notify.due_endpoints(tx)) == 1


def test_messages_are_listed_the_newest_first_and_by_their_state(world: World) -> None:
    issued = listen(world)
    id = issued.endpoint.id
    with world.db.transaction() as tx:
        made = [endpoints.ping(tx, caller(), id).id for _ in range(5)]
        newest = endpoints.messages(tx, caller(), id, None, 2)
        assert [message.id for _, message in newest] == made[:2:-1]
        older = endpoints.messages(tx, caller(), id, newest[-1][0], 10)
        assert [message.id for _, message in older] == made[2::-1]
        assert endpoints.messages(tx, caller(), id, None, 10, "failed") == []
        assert len(endpoints.messages(tx, caller(), id, None, 10, "waiting")) == 5


def test_a_message_of_another_endpoint_cannot_be_sent_again(world: World) -> None:
    mine, other = listen(world), listen(world, url="https://b.example.com/")
    with world.db.transaction() as tx:
        message = endpoints.ping(tx, caller(), mine.endpoint.id)
        with pytest.raises(NotFound):
            endpoints.redeliver(tx, caller(), other.endpoint.id, message.id)
        assert endpoints.redeliver(tx, caller(), mine.endpoint.id, message.id).id == message.id


def test_what_waits_for_a_removed_endpoint_is_forgotten(world: World) -> None:
    gone, kept = listen(world), listen(world, url="https://b.example.com/")
    with world.db.transaction() as tx:
        for issued in (gone, kept):
            endpoints.ping(tx, caller(), issued.endpoint.id)
        endpoints.remove(tx, caller(), gone.endpoint.id)
        assert notify.forget(tx) == 1
        assert notify.forget(tx) == 0
        assert tx.execute(notices.select()).one().endpoint_id == 2
    assert len(noted(world, kept)) == 1
