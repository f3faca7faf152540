"""The push receiver, spoken to by pywebpush."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import structs
from py_vapid import Vapid02
from py_vapid.utils import b64urlencode
from pywebpush import WebPusher

from gateway.demo.receivers.journal import RECEIVED, REFUSED, read
from gateway.demo.receivers.processes import Receiver
from gateway.demo.receivers.push import ReceivedPush, RefusedPush
from gateway.demo.subscriptions import Subscription, private_key, subscription

Start = Callable[..., Awaitable[Receiver]]

SUB = "mailto:shop@example.com"


@pytest.fixture(scope="module")
def vapid() -> Vapid02:
    made = Vapid02()
    made.generate_keys()
    return made


def received(receiver: Receiver) -> list[ReceivedPush]:
    return read(receiver.folder / RECEIVED, ReceivedPush)


def encrypted(device: Subscription, payload: bytes) -> bytes:
    keys = {"p256dh": device.p256dh, "auth": device.auth}
    body: bytes = WebPusher({"endpoint": device.endpoint, "keys": keys}).encode(payload)["body"]
    return body


def headers(receiver: Receiver, vapid: Vapid02, **claims: object) -> dict[str, str]:
    """What a correct sender presents; `claims` replace those of the token."""
    correct = {"aud": receiver.url, "exp": int(time.time()) + 3_600, "sub": SUB}
    signed = vapid.sign(correct | claims)["Authorization"]
    return {"Authorization": signed, "TTL": "60", "Content-Encoding": "aes128gcm"}


@asynccontextmanager
async def posted(url: str, body: bytes, sent: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
    async with aiohttp.ClientSession() as http, http.post(url, data=body, headers=sent) as answer:
        yield answer


async def refusal(receiver: Receiver, device: Subscription, body: bytes, sent: Mapping[str, str]) -> int:
    """Post what must be refused; the status, after checking that nothing was taken."""
    async with posted(device.endpoint, body, sent) as answer:
        assert received(receiver) == []
        assert read(receiver.folder / REFUSED, RefusedPush)[-1].status == answer.status
        return answer.status


async def test_what_pywebpush_sends_is_decrypted_and_recorded(start: Start, vapid: Vapid02) -> None:
    receiver = await start("push")
    device = subscription("device-0007-1", receiver.url)
    payload = {"title": "С возвращением, Ольга 🎵", "body": "Κάτι για σένα", "url": "https://gw.example/c/1"}

    async with aiohttp.ClientSession() as http:
        answer = await WebPusher(
            {"endpoint": device.endpoint, "keys": {"p256dh": device.p256dh, "auth": device.auth}},
            aiohttp_session=http,
        ).send_async(json.dumps(payload).encode(), headers=headers(receiver, vapid), ttl=60)

    assert (answer.status, answer.headers["Location"]) == (201, f"{receiver.url}/message/1")
    (kept,) = received(receiver)
    assert (kept.number, kept.device, kept.payload) == (1, "device-0007-1", payload)
    assert (kept.ttl_s, kept.urgency, kept.topic, kept.sub) == (60, "normal", None, SUB)


async def test_urgency_and_topic_are_recorded(start: Start, vapid: Vapid02) -> None:
    receiver = await start("push")
    device = subscription("device-0007-1", receiver.url)
    sent = headers(receiver, vapid) | {"Urgency": "high", "Topic": "coupon-1"}

    async with posted(device.endpoint, encrypted(device, b"{}"), sent) as answer:
        assert answer.status == 201

    assert [(one.urgency, one.topic) for one in received(receiver)] == [("high", "coupon-1")]


async def test_a_subscription_that_is_gone_is_answered_410(start: Start, vapid: Vapid02) -> None:
    receiver = await start("push")
    device = subscription("gone-0042-1", receiver.url)

    assert await refusal(receiver, device, encrypted(device, b"{}"), headers(receiver, vapid)) == 410


async def test_a_token_with_a_wrong_claim_is_answered_403(start: Start, vapid: Vapid02) -> None:
    receiver = await start("push")
    device = subscription("device-0007-1", receiver.url)
    now_s = int(time.time())
    wrong: list[dict[str, object]] = [
        {"aud": "https://push.example"},
        {"aud": f"http://localhost:{receiver.port}"},
        {"exp": now_s - 1},
        {"exp": now_s + 25 * 3_600},
        {"sub": "mailto:<shop@example.com>"},
    ]

    answers = [
        await refusal(receiver, device, encrypted(device, b"{}"), headers(receiver, vapid, **claims))
        for claims in wrong
    ]

    assert answers == [403] * len(wrong)
    reasons = [one.reason.partition(":")[0] for one in read(receiver.folder / REFUSED, RefusedPush)]
    assert reasons == ["aud", "aud", "exp", "exp", "sub"]


async def test_a_token_signed_with_another_key_is_answered_403(start: Start, vapid: Vapid02) -> None:
    receiver = await start("push")
    device = subscription("device-0007-1", receiver.url)
    sent = headers(receiver, vapid)
    token, _, _ = sent["Authorization"].partition(",k=")
    stranger = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = b64urlencode(stranger.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    status = await refusal(receiver, device, encrypted(device, b"{}"), sent | {"Authorization": f"{token},k={point}"})

    assert status == 403


async def test_only_the_key_that_devices_subscribed_with_is_let_in(start: Start, vapid: Vapid02) -> None:
    point = b64urlencode(vapid.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
    receiver = await start("push", f"--vapid-key={point}")
    device = subscription("device-0007-1", receiver.url)
    stranger = Vapid02()
    stranger.generate_keys()

    assert await refusal(receiver, device, encrypted(device, b"{}"), headers(receiver, stranger)) == 403
    async with posted(device.endpoint, encrypted(device, b"{}"), headers(receiver, vapid)) as answer:
        assert answer.status == 201


async def test_a_sender_without_vapid_is_answered_401(start: Start) -> None:
    receiver = await start("push")
    device = subscription("device-0007-1", receiver.url)
    sent = {"TTL": "60", "Content-Encoding": "aes128gcm"}

    answers = [
        await refusal(receiver, device, encrypted(device, b"{}"), sent | lacking)
        for lacking in ({}, {"Authorization": "Bearer abc"})
    ]

    assert answers == [401, 401]


async def test_a_malformed_authorization_is_answered_403(start: Start) -> None:
    receiver = await start("push")
    device = subscription("device-0007-1", receiver.url)
    sent = {"TTL": "60", "Content-Encoding": "aes128gcm"}
    malformed = ["t=a.b.c", "t=,k=", "t=a.b.c,k=****", "t=e30.e30.AAAA,k=AAAA", "t=ü.b.c,k=d", "t=e30.e30.é,k=é"]

    answers = [
        await refusal(receiver, device, encrypted(device, b"{}"), sent | {"Authorization": f"vapid {parameters}"})
        for parameters in malformed
    ]

    assert answers == [403] * len(malformed)


async def test_a_wrong_header_is_answered_400(start: Start, vapid: Vapid02) -> None:
    receiver = await start("push")
    device = subscription("device-0007-1", receiver.url)
    wrong = {"TTL": "soon", "Urgency": "urgent", "Topic": "a" * 33, "Content-Encoding": "aesgcm"}

    answers = [
        await refusal(receiver, device, encrypted(device, b"{}"), headers(receiver, vapid) | {name: value})
        for name, value in wrong.items()
    ]

    assert answers == [400] * len(wrong)
    reasons = [one.reason.partition(":")[0] for one in read(receiver.folder / REFUSED, RefusedPush)]
    assert reasons == list(wrong)


async def test_what_the_device_cannot_decrypt_is_answered_400(start: Start, vapid: Vapid02) -> None:
    receiver = await start("push")
    device = subscription("device-0007-1", receiver.url)
    another = subscription("device-0008-1", receiver.url)

    assert await refusal(receiver, device, encrypted(another, b"{}"), headers(receiver, vapid)) == 400


async def test_a_body_that_is_no_message_at_all_is_answered_400(start: Start, vapid: Vapid02) -> None:
    receiver = await start("push")
    device = subscription("device-0007-1", receiver.url)
    bodies = [b"", b"short", b"\x00" * 21, b"\xff" * 200, encrypted(device, b"{}")[:-1]]

    answers = [await refusal(receiver, device, body, headers(receiver, vapid)) for body in bodies]

    assert answers == [400] * len(bodies)


async def test_a_payload_that_is_not_json_is_answered_400(start: Start, vapid: Vapid02) -> None:
    receiver = await start("push")
    device = subscription("device-0007-1", receiver.url)

    assert await refusal(receiver, device, encrypted(device, b"hello"), headers(receiver, vapid)) == 400


async def test_4096_bytes_are_taken_and_one_more_is_not(start: Start, vapid: Vapid02) -> None:
    receiver = await start("push")
    device = subscription("device-0007-1", receiver.url)
    payload = json.dumps("x" * 3_991).encode()  # 3,993 bytes encrypt to 4,096
    body = encrypted(device, payload)
    assert len(body) == 4_096

    assert await refusal(receiver, device, body + b"x", headers(receiver, vapid)) == 413
    async with posted(device.endpoint, body, headers(receiver, vapid)) as answer:
        assert answer.status == 201


async def test_200_messages_at_once_are_all_kept(start: Start, vapid: Vapid02) -> None:
    receiver = await start("push")
    devices = [subscription(f"device-{n:04}-1", receiver.url) for n in range(200)]
    sent = headers(receiver, vapid)

    async with aiohttp.ClientSession() as http:

        async def send(number: int) -> str:
            body = encrypted(devices[number], json.dumps({"n": number}).encode())
            async with http.post(devices[number].endpoint, data=body, headers=sent) as answer:
                assert answer.status == 201
                return answer.headers["Location"]

        locations = await asyncio.gather(*(send(number) for number in range(200)))

    assert len(set(locations)) == 200
    assert {one.device: one.payload["n"] for one in received(receiver)} == {f"device-{n:04}-1": n for n in range(200)}


def test_a_device_has_the_same_keys_wherever_it_is_derived() -> None:
    first = subscription("device-0001-1", "http://127.0.0.1:1")
    again = subscription("device-0001-1", "http://127.0.0.1:1/")

    assert first == again
    assert first.p256dh == b64urlencode(
        private_key("device-0001-1").public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    )
    assert subscription("device-0002-1", "http://127.0.0.1:1").p256dh != first.p256dh
    assert structs.asdict(first)["endpoint"] == "http://127.0.0.1:1/push/device-0001-1"
