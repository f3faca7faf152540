"""What `risveglio channel check` needs to try the channel: a provider that is none, and messages for it."""

import hmac
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.contract import Address, WebhookRequest
from gateway.testkit import NOW, Call, Case, Reply, outbound, outbounds

SIGNED_WITH = "a-key-of-the-kit"


def case(channel: Any) -> Case:
    """The case for the channel's class."""
    told = channel.capabilities
    here, refused, gone = (address(told.address_kind, name) for name in ("customer-1", "refused-2", "gone-3"))
    return Case(
        channel=channel,
        config={
            "url": "https://api.example.com/messages",
            "token": "a-token-of-the-kit",
            "signing_secret": SIGNED_WITH,
        },
        url_key="url",
        provider=provider,
        messages=outbounds(told, [here, address(told.address_kind, "customer-4"), address(told.address_kind, "5")]),
        refused=[outbound(told, refused, number=8)],
        gone=[outbound(told, gone, number=9)],
        reports=reports,
    )


def address(kind: str, value: str) -> Address:
    return Address(kind=kind, value=value)


def provider(call: Call) -> Reply:
    """Answers as the true one would: this is what its documentation says, in code."""
    message = msgspec.json.decode(call.body)
    if message["to"].startswith("refused"):
        return Reply(status=422, body='{"error": "this text is not for us"}')
    if message["to"].startswith("gone"):
        return Reply(status=410)
    return Reply(status=201, body=msgspec.json.encode({"id": f"p-{message['reference']}"}))


def reports() -> Sequence[WebhookRequest]:
    """One signed call of each kind that the provider makes."""
    return [signed({"event": f"e-{status}", "id": "p-1", "status": status}) for status in ("delivered", "bounced")]


def signed(report: dict[str, str]) -> WebhookRequest:
    body = msgspec.json.encode(report)
    return WebhookRequest(
        method="POST",
        url="https://gateway.example/hooks/sample",
        headers={"x-signature": hmac.digest(SIGNED_WITH.encode(), body, "sha256").hex()},
        query=[],
        body=body,
        received_at=NOW,
    )
