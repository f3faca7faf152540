"""Providers that call: each signs as the real one does, with keys of the test's own."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from gateway.contract import WebhookRequest

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
HOOK = "https://gateway.example/hooks/email"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:ses-events"
PASSWORD = "s3greto-ć-7319"
SIGNING_KEY = "key-of-mailgun-7319"


def call(provider: str, body: bytes, headers: dict[str, str], at: datetime = NOW) -> WebhookRequest:
    return WebhookRequest(
        method="POST",
        url=f"{HOOK}?from={provider}",
        headers={"content-type": "application/json", **headers},
        query=(("from", provider),),
        body=body,
        received_at=at,
    )


class Sns:
    """Amazon SNS on this machine: hands out its certificate, made by an authority, and takes confirmations."""

    def __init__(self, name: str = "sns.amazonaws.com", begins_at: datetime = NOW - timedelta(days=30)) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.status = 200
        authority, self._key = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named("Example Authority"))
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins_at)
            .not_valid_after(begins_at + timedelta(days=365))
            .sign(authority, hashes.SHA256())
        )

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(str(request.rel_url))
        if self.status != 200:
            return web.Response(status=self.status, headers={"Location": "/other.pem"})
        if request.path.endswith(".pem"):
            return web.Response(body=self.certificate.public_bytes(Encoding.PEM))
        return web.Response(text="<ConfirmSubscriptionResponse/>")

    def message(self, message: str, **changes: Any) -> dict[str, Any]:
        """An unsigned envelope."""
        told = {
            "Type": "Notification",
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": TOPIC,
            "Subject": "Amazon SES Email Event Notification",
            "Message": message,
            "Timestamp": "2026-03-02T09:29:58.041Z",
            "SignatureVersion": "1",
            "SigningCertURL": f"{self.url}/SimpleNotificationService-0123456789abcdef.pem",
            "UnsubscribeURL": f"{self.url}/?Action=Unsubscribe&SubscriptionArn={TOPIC}:2bcfbf39",
        } | changes
        return {name: value for name, value in told.items() if value is not None}

    def confirmation(self, **changes: Any) -> dict[str, Any]:
        url = f"{self.url}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37f"
        told = {"Type": "SubscriptionConfirmation", "Token": "2336412f37f", "SubscribeURL": url, "Subject": None}
        return self.message("You have chosen to subscribe to the topic.", **told | changes)

    def signed(self, told: dict[str, Any]) -> WebhookRequest:
        """As SNS signs: names and values of these keys, in the order of the alphabet."""
        kinds = {
            "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
            "SubscriptionConfirmation": (
                "Message",
                "MessageId",
                "SubscribeURL",
                "Timestamp",
                "Token",
                "TopicArn",
                "Type",
            ),
        }
        names = kinds.get(told["Type"], kinds["SubscriptionConfirmation"])
        said = "".join(f"{name}\n{told[name]}\n" for name in names if name in told).encode()
        algorithm = hashes.SHA1() if told["SignatureVersion"] == "1" else hashes.SHA256()
        signature = base64.b64encode(self._key.sign(said, padding.PKCS1v15(), algorithm)).decode()
        return self.called({**told, "Signature": signature})

    def called(self, told: dict[str, Any]) -> WebhookRequest:
        headers = {
            "content-type": "text/plain; charset=UTF-8",
            "x-amz-sns-message-type": told["Type"],
            "x-amz-sns-message-id": told["MessageId"],
            "x-amz-sns-topic-arn": told["TopicArn"],
        }
        return call("ses", json.dumps(told).encode(), headers)

    def call(self, event: Any, **changes: Any) -> WebhookRequest:
        return self.signed(self.message(event if isinstance(event, str) else json.dumps(event), **changes))


@asynccontextmanager
async def sns_running(sns: Sns) -> AsyncIterator[Sns]:
    app = web.Application()
    app.router.add_get("/{tail:.*}", sns.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sns.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield sns
    finally:
        await runner.cleanup()


class Sendgrid:
    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> str:
        """As SendGrid's pages show it."""
        return base64.b64encode(
            self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        ).decode()

    def call(self, events: Sequence[Any], sent_at: datetime = NOW) -> WebhookRequest:
        body, timestamp = json.dumps(events).encode(), str(int(sent_at.timestamp()))
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        headers = {
            "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
            "x-twilio-email-event-webhook-timestamp": timestamp,
        }
        return call("sendgrid", body, headers)


def mailgun(event: Any, sent_at: datetime = NOW, key: str = SIGNING_KEY, token: str | None = None) -> WebhookRequest:
    timestamp = str(int(sent_at.timestamp()))
    token = token or hashlib.sha256(json.dumps(event).encode()).hexdigest()[:50]
    signature = hmac.new(key.encode(), f"{timestamp}{token}".encode(), "sha256").hexdigest()
    told = {"signature": {"timestamp": timestamp, "token": token, "signature": signature}, "event-data": event}
    return call("mailgun", json.dumps(told).encode(), {})


def postmark(record: Any, username: str = "postmark", password: str = PASSWORD) -> WebhookRequest:
    credentials = base64.b64encode(f"{username}:{password}".encode()).decode()
    return call("postmark", json.dumps(record).encode(), {"authorization": f"Basic {credentials}"})


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
