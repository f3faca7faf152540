"""What `risveglio channel check webhook` needs to try the channel: a service that takes signed calls."""

import base64
import hmac
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.contract import Address, WebhookRequest
from gateway.testkit import NOW, Call, Case, Reply, outbound, outbounds

KEY = base64.b64encode(b"thirty-two bytes that sign calls").decode()


def case(channel: Any) -> Case:
    """The case for the channel's class."""
    told = channel.capabilities
    people = [Address(kind="external_id", value=f"customer-{number}") for number in (1, 2, 3)]
    return Case(
        channel=channel,
        config={"url": "https://app.example.com/in", "secrets": [f"whsec_{KEY}"]},
        url_key="url",
        provider=service,
        messages=outbounds(told, people),
        refused=[outbound(told, Address(kind="external_id", value="customer-9"), number=9)],
        reports=reports,
        waived={"a_dead_address_is_told_apart_from_a_refusal": "the service knows its own people"},
    )


def service(call: Call) -> Reply:
    """Takes everybody but customer-9, where the call is signed."""
    headers = call.headers
    if headers["webhook-signature"] != signature(headers["webhook-id"], headers["webhook-timestamp"], call.body):
        return Reply(status=401)
    if msgspec.json.decode(call.body)["recipient"] == "customer-9":
        return Reply(status=422)
    return Reply(body=msgspec.json.encode({"id": f"r-{headers['webhook-id']}"}))


def reports() -> Sequence[WebhookRequest]:
    """A report as the service would post it to the channel's hook, signed now."""
    report = {"type": "delivered", "id": "e-1", "message_id": "send-1-1", "at": "2026-03-02T09:31:00Z"}
    body, at_s = msgspec.json.encode(report), str(int(time.time()))
    signed = {"webhook-id": "m-1", "webhook-timestamp": at_s, "webhook-signature": signature("m-1", at_s, body)}
    return [
        WebhookRequest(
            method="POST",
            url="https://gateway.example/hooks/webhook",
            headers={**signed, "content-type": "application/json"},
            query=[],
            body=body,
            received_at=NOW,
        )
    ]


def signature(message_id: str, at_s: str, body: bytes) -> str:
    mac = hmac.digest(base64.b64decode(KEY), f"{message_id}.{at_s}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(mac).decode()}"
