"""Deliveries to other systems, over real connections."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from gateway.domain.endpoint import EndpointInput, signed
from gateway.services import endpoints, notify
from gateway.services.endpoints import Endpoint, Issued, Message
from gateway.services.keys import Caller
from gateway.storage import tables
from gateway.workers.notifier import Notifier, open_notifier
from tests import npm
from tests.builders import World
from tests.workers.receiver import Gate, receiving, saying

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
ADMIN = Caller(client="ops", key_id="key_ops", scopes=frozenset({"admin"}))
Networks = Sequence[IPv4Network | IPv6Network]


def told_at(world: World, url: str, *types: str, allow: Networks = LOOPBACK) -> Issued:
    wanted = EndpointInput(url=url, types=types or ("*",))
    with world.db.transaction() as tx:
        return endpoints.add(tx, world.house.keys, allow, ADMIN, wanted)


def ping(world: World, issued: Issued, times: int = 1) -> list[Message]:
    with world.db.transaction() as tx:
        return [endpoints.ping(tx, ADMIN, issued.endpoint.id) for _ in range(times)]


def messages(world: World, issued: Issued) -> list[Message]:
    with world.db.snapshot() as tx:
        return [message for _, message in endpoints.messages(tx, ADMIN, issued.endpoint.id, None, 1000)]


def state(world: World, issued: Issued) -> Endpoint:
    with world.db.snapshot() as tx:
        return endpoints.get(tx, ADMIN, issued.endpoint.id)


def over(world: World) -> None:
    """Let every wait and every lease be over."""
    with world.db.transaction() as tx:
        past = datetime.now(UTC) - timedelta(seconds=1)
        tx.execute(tables.notices.update().where(tables.notices.c.due_at.is_not(None)).values(due_at=past))
        tx.execute(tables.endpoints.update().values(rest_until=None))


@contextlib.asynccontextmanager
async def notifying(world: World, allow: Networks = LOOPBACK) -> AsyncIterator[Notifier]:
    async with open_notifier(world.db, world.house, allow, asyncio.Event()) as notifier:
        yield notifier


async def deliver(world: World, allow: Networks = LOOPBACK) -> None:
    """Send everything that is due, once."""
    async with notifying(world, allow) as notifier:
        await notifier.start()
        await notifier.finish()


async def test_what_happens_arrives_signed_and_by_public_ids(world: World) -> None:
    async with receiving() as receiver:
        issued = told_at(world, receiver.url, "send.*", "job.done")
        world.people("c-1", name="Ελένη Παπαδοπούλου")
        world.run()
        world.pump()
        await deliver(world)
    [body] = receiver.verified(issued.secret)
    assert body["type"] == "send.accepted"
    assert body["data"]["recipient"] == "c-1"
    [call] = receiver.calls
    assert call.headers["Content-Type"] == "application/json"
    assert call.headers["User-Agent"].startswith("Risveglio/")
    [message] = messages(world, issued)
    assert (message.state, message.status, message.tries) == ("delivered", 204, 1)
    assert message.id == call.id


async def test_the_verifier_of_the_standard_in_javascript_agrees(small_world: World, verifier: Path) -> None:
    """The same delivery, and what must not hold, judged by npm's `standardwebhooks`."""
    async with receiving() as receiver:
        issued = told_at(small_world, receiver.url, "job.*")
        with small_world.db.transaction() as tx:
            rotated = endpoints.rotate(tx, small_world.house.keys, ADMIN, issued.endpoint.id)
        ping(small_world, issued)
        await deliver(small_world)
    [call] = receiver.calls
    headers = {name.lower(): value for name, value in call.headers.items()}
    old = signed(call.id, datetime.now(UTC) - timedelta(minutes=10), call.body, [issued.secret])
    text = call.body.decode()
    asked = [
        {"secret": issued.secret, "headers": headers, "body": text},
        {"secret": rotated.secret, "headers": headers, "body": text},
        {"secret": "whsec_" + "YWx0" * 10, "headers": headers, "body": text},
        {"secret": issued.secret, "headers": headers, "body": text.replace("test.ping", "job.done")},
        {"secret": issued.secret, "headers": headers | {"webhook-id": "msg_other"}, "body": text},
        {"secret": issued.secret, "headers": old, "body": text},
    ]
    assert npm.asked(verifier, _VERIFY, asked) == [True, True, False, False, False, False]


@pytest.fixture(scope="session")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `standardwebhooks` judges deliveries."""
    return npm.installed(tmp_path_factory.mktemp("verifier"), "standardwebhooks@1.1.1")


_VERIFY = """
const { Webhook } = require("standardwebhooks");
let text = "";
process.stdin.on("data", (part) => (text += part)).on("end", () => {
  const holds = ({ secret, headers, body }) => {
    try { new Webhook(secret).verify(body, headers); return true; } catch { return false; }
  };
  console.log(JSON.stringify(JSON.parse(text).map(holds)));
});
"""


async def test_both_secrets_sign_while_one_replaces_the_other(small_world: World) -> None:
    async with receiving() as receiver:
        issued = told_at(small_world, receiver.url)
        with small_world.db.transaction() as tx:
            rotated = endpoints.rotate(tx, small_world.house.keys, ADMIN, issued.endpoint.id)
        ping(small_world, issued)
        await deliver(small_world)
    assert receiver.verified(issued.secret) == receiver.verified(rotated.secret)


async def test_a_try_that_failed_is_repeated_under_the_same_id_and_a_new_time(small_world: World) -> None:
    async with receiving() as receiver:
        issued = told_at(small_world, receiver.url)
        [message] = ping(small_world, issued)
        receiver.answer = saying(500)
        await deliver(small_world)
        [failed] = messages(small_world, issued)
        assert (failed.state, failed.status, failed.error) == ("waiting", 500, "answered 500")
        await deliver(small_world)
        assert len(receiver.calls) == 1, "not due yet"
        over(small_world)
        receiver.answer = saying(200)
        await deliver(small_world)
    assert receiver.ids == [message.id, message.id]
    assert receiver.calls[0].body == receiver.calls[1].body
    receiver.verified(issued.secret)
    [delivered] = messages(small_world, issued)
    assert (delivered.state, delivered.tries, delivered.error) == ("delivered", 2, None)
    assert state(small_world, issued).failing_since is None


async def test_a_notifier_lost_between_the_call_and_the_record_repeats_the_call_under_the_same_id(
    world: World,
) -> None:
    gate = Gate()
    async with receiving() as receiver:
        receiver.answer = gate
        issued = told_at(world, receiver.url)
        [message] = ping(world, issued)
        async with notifying(world) as notifier:
            await notifier.start()
            await gate.reached.wait()
            for task in notifier.serving():
                task.cancel()
        assert messages(world, issued)[0].tries == 0, "nothing is on record"
        gate.opened.set()
        await deliver(world)
        assert len(receiver.calls) == 1, "the lease of the lost one holds"
        over(world)
        await deliver(world)
    assert receiver.ids == [message.id, message.id]
    assert messages(world, issued)[0].state == "delivered"


async def test_one_slow_endpoint_does_not_stop_the_others(small_world: World) -> None:
    gate = Gate()
    async with receiving() as slow, receiving() as quick:
        slow.answer = gate
        held, free = told_at(small_world, slow.url), told_at(small_world, quick.url)
        ping(small_world, held, times=100)
        ping(small_world, free, times=100)
        async with notifying(small_world) as notifier:
            await notifier.start()
            await gate.reached.wait()
            await until_delivered(small_world, free, 100)
            assert slow.at_once <= 8
            assert {message.state for message in messages(small_world, held)} == {"waiting"}
            gate.opened.set()
    assert {message.state for message in messages(small_world, held)} == {"delivered"}
    assert sorted(slow.ids) == sorted(message.id for message in messages(small_world, held))
    assert quick.at_once <= 8
    assert len(quick.connections) <= 8, "connections are used again"


async def until_delivered(world: World, issued: Issued, count: int) -> None:
    async with asyncio.timeout(60):
        while sum(message.state == "delivered" for message in messages(world, issued)) < count:
            await asyncio.sleep(0.02)


async def test_what_is_written_meanwhile_is_found_by_the_same_notifier(small_world: World) -> None:
    async with receiving() as receiver:
        issued = told_at(small_world, receiver.url)
        async with notifying(small_world) as notifier:
            assert await notifier.start() == 0
            ping(small_world, issued)
            assert await notifier.start() == 1
            await notifier.finish()
            ping(small_world, issued)
            assert await notifier.start() == 1
            await notifier.finish()
    assert len(receiver.calls) == 2


async def test_told_to_stop_it_finishes_what_is_under_way_and_leaves_the_rest(small_world: World) -> None:
    gate, stop = Gate(), asyncio.Event()
    async with receiving() as receiver:
        receiver.answer = gate
        issued = told_at(small_world, receiver.url)
        ping(small_world, issued, times=30)
        async with open_notifier(small_world.db, small_world.house, LOOPBACK, stop) as notifier:
            await notifier.start()
            await gate.reached.wait()
            stop.set()
            gate.opened.set()
    found = messages(small_world, issued)
    arrived = [message for message in found if message.state == "delivered"]
    assert 1 <= len(arrived) == len(receiver.calls) <= 8
    with small_world.db.snapshot() as tx:
        assert len(notify.due_endpoints(tx)) == 1, "the rest is due at once, for whoever comes next"


async def test_two_notifiers_send_everything_once(world: World) -> None:
    async with receiving() as receiver:
        issued = told_at(world, receiver.url)
        made = ping(world, issued, times=120)
        async with notifying(world) as one, notifying(world) as other:
            await asyncio.gather(one.start(), other.start())
            await asyncio.gather(one.finish(), other.finish())
    assert sorted(receiver.ids) == sorted(message.id for message in made)


async def test_gone_is_gone(small_world: World) -> None:
    async with receiving() as receiver:
        receiver.answer = saying(410)
        issued = told_at(small_world, receiver.url)
        ping(small_world, issued, times=60)
        with capture_logs() as logs:
            await deliver(small_world)
        calls = len(receiver.calls)
        over(small_world)
        await deliver(small_world)
    assert calls == len(receiver.calls) <= 8
    assert state(small_world, issued).state == "disabled"
    assert [line["event"] for line in logs] == ["endpoint.disabled"]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("as_date", [False, True])
async def test_an_endpoint_that_asks_for_rest_is_left_alone(small_world: World, status: int, as_date: bool) -> None:
    later = datetime.now(UTC) + timedelta(seconds=1200)
    async with receiving() as receiver:
        receiver.answer = saying(
            status, Retry_After=format_datetime(later.replace(microsecond=0), usegmt=True) if as_date else "1200"
        )
        issued = told_at(small_world, receiver.url)
        ping(small_world, issued, times=60)
        await deliver(small_world)
        await deliver(small_world)
        assert len(receiver.calls) <= 8
    with small_world.db.snapshot() as tx:
        found = tx.execute(tables.endpoints.select()).one()
    assert timedelta(minutes=15) < found.rest_until - datetime.now(UTC) <= timedelta(minutes=20)
    untried = [message for message in messages(small_world, issued) if message.tries == 0]
    assert len(untried) == 60 - len(receiver.calls)


async def test_a_rest_that_nobody_can_read_is_no_rest(small_world: World) -> None:
    async with receiving() as receiver:
        receiver.answer = saying(503, Retry_After="завтра".encode().decode("latin-1"))
        issued = told_at(small_world, receiver.url)
        ping(small_world, issued, times=20)
        await deliver(small_world)
    assert len(receiver.calls) == 20


async def test_a_redirect_is_not_followed(small_world: World) -> None:
    async with receiving() as receiver, receiving() as elsewhere:
        receiver.answer = saying(307, Location=elsewhere.url)
        issued = told_at(small_world, receiver.url)
        ping(small_world, issued)
        await deliver(small_world)
    assert elsewhere.calls == []
    assert messages(small_world, issued)[0].error == "answered 307"


async def test_an_endless_answer_is_not_listened_to(small_world: World) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Encoding": "gzip"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"\x1f\x8b" * 32_768)
        return response

    async with receiving() as receiver:
        receiver.answer = endless
        issued = told_at(small_world, receiver.url)
        ping(small_world, issued)
        await deliver(small_world)
    assert messages(small_world, issued)[0].state == "delivered"


async def test_nobody_at_home_is_told_without_the_address(small_world: World, unused_tcp_port: int) -> None:
    issued = told_at(small_world, f"http://127.0.0.1:{unused_tcp_port}/")
    ping(small_world, issued)
    await deliver(small_world)
    [message] = messages(small_world, issued)
    assert (message.state, message.status, message.error) == ("waiting", None, "no connection")
    assert state(small_world, issued).failing_since is not None


async def test_a_connection_that_breaks_off_is_tried_again(small_world: World) -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with receiving() as receiver:
        receiver.answer = hang_up
        issued = told_at(small_world, receiver.url)
        ping(small_world, issued)
        await deliver(small_world)
    [message] = messages(small_world, issued)
    assert (message.state, message.error) == ("waiting", "the connection broke off")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "127.0.0.1.", "2130706433"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_delivery_reaches_the_network_inside_however_it_is_named(
    small_world: World, scheme: str, host: str
) -> None:
    async with receiving() as receiver:
        port = receiver.url.rpartition(":")[2]
        issued = told_at(small_world, "https://crm.example.com/")
        with small_world.db.transaction() as tx:
            tx.execute(tables.endpoints.update().values(url=f"{scheme}://{host}:{port}"))
        ping(small_world, issued)
        await deliver(small_world, allow=())
        assert receiver.calls == []
        assert receiver.connections == set()
    [message] = messages(small_world, issued)
    assert message.state == "waiting"
    assert message.error is not None
    assert message.error.startswith(("refused: not", "the name of the host is not known", "the URL cannot be used"))


async def test_plain_http_leads_to_the_operators_networks_alone(small_world: World) -> None:
    issued = told_at(small_world, "http://crm.example.com/")
    with small_world.db.transaction() as tx:
        tx.execute(tables.endpoints.update().values(url="http://1.1.1.1/"))
    ping(small_world, issued)
    await deliver(small_world)
    assert "plain http" in (messages(small_world, issued)[0].error or "")


async def test_a_certificate_that_does_not_hold_is_refused(small_world: World, tmp_path: Path) -> None:
    async with receiving(_own_certificate(tmp_path)) as receiver:
        issued = told_at(small_world, receiver.url)
        ping(small_world, issued)
        await deliver(small_world)
    assert receiver.calls == []
    assert (messages(small_world, issued)[0].error or "").startswith("TLS was refused")


def _own_certificate(folder: Path) -> ssl.SSLContext:
    """For 127.0.0.1, signed by nobody else."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    certificate = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "own.pem"
    path.write_bytes(secret + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_what_was_redelivered_arrives_under_its_old_id(small_world: World) -> None:
    async with receiving() as receiver:
        issued = told_at(small_world, receiver.url)
        [message] = ping(small_world, issued)
        await deliver(small_world)
        with small_world.db.transaction() as tx:
            endpoints.redeliver(tx, ADMIN, issued.endpoint.id, message.id)
        await deliver(small_world)
    assert receiver.ids == [message.id] * 2


async def test_a_receiver_never_sees_more_than_the_headers_it_needs(small_world: World) -> None:
    async with receiving() as receiver:
        issued = told_at(small_world, receiver.url)
        ping(small_world, issued)
        await deliver(small_world)
    [call] = receiver.calls
    names = {name.lower() for name in call.headers}
    assert names <= {
        "host",
        "accept",
        "accept-encoding",
        "content-type",
        "content-length",
        "user-agent",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    }
