"""What `risveglio channel check` needs to try both channels: a Cloud API and a Twilio that are none."""

import base64
import hmac
import json
from collections.abc import Sequence
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from gateway.contract import Address, Outbound, Secret, WebhookRequest
from gateway.testkit import CANARY, NOW, Call, Case, Reply, outbound, outbounds

from . import twilio_reports

PERSON, ODD, NOBODY = "+12025550101", "+12025550198", "+12025550199"
"""Somebody, somebody for whom the template does not fit, and a number that is none."""
ACCESS, SIGNED_WITH, AGREED = "EAAG-access-of-the-kit", "an-app-secret-of-the-kit", "a-word-of-the-kit"
ACCOUNT, AUTH = f"AC{'0' * 32}", "a-twilio-token-of-the-kit"
SENDER = "106540352242922"
HOOK = "https://gateway.example/hooks/whatsapp"
CONTENT = {
    "template": "spring",
    "variables": f"Мила\n15 % {CANARY}",
    "link": f"https://gateway.example/c/{CANARY}",
}
ABOUT_TEMPLATE = {"variables": 2, "button_prefix": "https://gateway.example/c/"}


def case(channel: Any) -> Case:
    """The case for either class."""
    return of_meta(channel) if channel.provider == "meta" else of_twilio(channel)


def of_meta(channel: Any) -> Case:
    return Case(
        channel=channel,
        config={
            "phone_number_id": SENDER,
            "access_token": ACCESS,
            "app_secrets": [SIGNED_WITH],
            "verify_token": AGREED,
            "base_url": "https://graph.facebook.com",
            "templates": {"spring": {"name": "spring_2026", "languages": {"*": "it"}, **ABOUT_TEMPLATE}},
        },
        url_key="base_url",
        provider=CloudApi(),
        messages=messages(channel),
        refused=[message(channel, ODD, 8)],
        denied=meta_error(401, 190),
        failing=meta_error(500, 131000),
        reports=lambda: [notified(status("delivered")), notified(status("failed", 131050))],
        replies=lambda: [notified(wrote("Grazie! 🎁")), notified(wished("stop"))],
        waived={
            "a_dead_address_is_told_apart_from_a_refusal": "a number that is not on WhatsApp is good for SMS",
        },
    )


def of_twilio(channel: Any) -> Case:
    return Case(
        channel=channel,
        config={
            "account_sid": ACCOUNT,
            "auth_tokens": [AUTH],
            "sender": "+12025550100",
            "base_url": "https://api.twilio.com",
            "templates": {"spring": {"languages": {"*": f"HX{'1' * 32}"}, **ABOUT_TEMPLATE}},
        },
        url_key="base_url",
        provider=Twilio(),
        messages=messages(channel),
        refused=[message(channel, ODD, 8)],
        gone=[message(channel, NOBODY, 9)],
        denied=answered(401, {"code": 20003, "message": "Authenticate", "status": 401}),
        reports=lambda: [
            called_back({"MessageSid": f"MM{'1' * 32}", "MessageStatus": "read"}),
            called_back({"MessageSid": f"MM{'1' * 32}", "MessageStatus": "undelivered", "ErrorCode": "63014"}),
        ],
        replies=lambda: [
            called_back(
                {
                    "MessageSid": f"SM{'2' * 32}",
                    "SmsStatus": "received",
                    "From": f"whatsapp:{PERSON}",
                    "Body": "Dzięki 🎁",
                }
            )
        ],
    )


def messages(channel: Any) -> list[Outbound]:
    told = channel.capabilities
    people = [Address(kind="phone", value=number) for number in (PERSON, "+447700900123", "+12025550102")]
    return [msgspec.structs.replace(each, parts=CONTENT) for each in outbounds(told, people)]


def message(channel: Any, number: str, place: int, **changes: Any) -> Outbound:
    changed = {"parts": CONTENT, **changes}
    return outbound(channel.capabilities, Address(kind="phone", value=number), number=place, **changed)


def answered(status: int, content: Any) -> Reply:
    return Reply(status=status, body=msgspec.json.encode(content), headers={"Content-Type": "application/json"})


# --- Meta


class CloudApi:
    """Takes templates as Meta's reference says, and quotes numbers in its errors."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self, call: Call) -> Reply:
        if call.headers["authorization"] != f"Bearer {ACCESS}":
            return meta_error(401, 190)
        _, _, sender, *rest = call.path.partition("?")[0].split("/")
        if sender != SENDER:
            return meta_error(400, 100, error_subcode=33)
        return self._send(msgspec.json.decode(call.body)) if rest == ["messages"] else answered(200, {"id": SENDER})

    def _send(self, sent: Any) -> Reply:
        body, button = sent["template"]["components"]
        if sent["to"] == ODD or len(body["parameters"]) != 2 or button["sub_type"] != "url":
            return meta_error(400, 132000, message=f"(#132000) {sent['to']}: number of parameters does not match")
        number = sent["to"].removeprefix("+")
        wamid = f"wamid.{base64.b64encode(f'{number}:{next(self._numbers)}'.encode()).decode()}"
        contacts = [{"input": sent["to"], "wa_id": number}]
        taken = [{"id": wamid, "message_status": "accepted"}]
        return answered(200, {"messaging_product": "whatsapp", "contacts": contacts, "messages": taken})


def meta_error(status: int, code: int, **more: Any) -> Reply:
    told = {"message": f"(#{code})", "type": "OAuthException", "code": code, "fbtrace_id": "AbC", **more}
    return answered(status, {"error": told})


def status(word: str, code: int | None = None, data: str = "send-1-1") -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": "wamid.HBgLMTIwMjU1NTAxMDE",
        "status": word,
        "timestamp": "1772443800",
        "recipient_id": PERSON.removeprefix("+"),
        "biz_opaque_callback_data": data,
    }
    return {"statuses": [told | ({"errors": [{"code": code, "title": "…"}]} if code else {})]}


def wrote(text: str) -> dict[str, Any]:
    said = {"id": "wamid.IN1", "timestamp": "1772443900", "type": "text", "text": {"body": text}}
    number = PERSON.removeprefix("+")
    return {"contacts": [{"profile": {"name": "Мила"}, "wa_id": number}], "messages": [{"from": number, **said}]}


def wished(value: str) -> dict[str, Any]:
    wish = {"category": "marketing_messages", "value": value, "timestamp": 1772443950}
    words = f"User requested to {value} marketing messages"
    return {"user_preferences": [{"wa_id": PERSON.removeprefix("+"), "detail": words, **wish}]}


def notified(*values: dict[str, Any], sender: str = SENDER) -> WebhookRequest:
    """A call of Meta's about so many changes, signed."""
    origin = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": sender}}
    changes = [{"field": "messages", "value": {**origin, **value}} for value in values]
    told = {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": changes}]}
    # Meta escapes all that is not ASCII.
    return signed(json.dumps(told).encode())


def signed(body: bytes) -> WebhookRequest:
    mac = hmac.digest(SIGNED_WITH.encode(), body, "sha256").hex()
    return WebhookRequest(
        method="POST",
        url=HOOK,
        headers={"x-hub-signature-256": f"sha256={mac}", "content-type": "application/json"},
        query=[],
        body=body,
        received_at=NOW,
    )


def asked(word: str = AGREED, challenge: str = "1158201444") -> WebhookRequest:
    """How Meta asks whether the address is ours."""
    query: Sequence[tuple[str, str]] = (
        ("hub.mode", "subscribe"),
        ("hub.verify_token", word),
        ("hub.challenge", challenge),
    )
    return WebhookRequest(
        method="GET", url=f"{HOOK}?{urlencode(query)}", headers={}, query=query, body=b"", received_at=NOW
    )


# --- Twilio


class Twilio:
    """Takes templates as Twilio's reference says, and quotes numbers in its errors."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self, call: Call) -> Reply:
        credentials = base64.b64encode(f"{ACCOUNT}:{AUTH}".encode()).decode()
        if call.headers["authorization"] != f"Basic {credentials}":
            return answered(401, {"code": 20003, "message": "Authenticate", "status": 401})
        if call.method == "GET":
            return answered(200, {"sid": ACCOUNT, "status": "active"})
        form = dict(parse_qsl(call.body.decode()))
        if form["To"] == f"whatsapp:{NOBODY}":
            return answered(400, {"code": 21211, "message": f"The 'To' number {form['To']} is not valid"})
        if form["To"] == f"whatsapp:{ODD}" or set(msgspec.json.decode(form["ContentVariables"])) != {"1", "2", "3"}:
            return answered(400, {"code": 21656, "message": f"{form['To']}: ContentVariables are invalid"})
        return answered(201, {"sid": f"MM{next(self._numbers):032x}", "to": form["To"], "status": "queued"})


def called_back(form: dict[str, str], query: str = "", token: str = AUTH) -> WebhookRequest:
    """A call of Twilio's, signed: a report goes to the message's own address."""
    message_id = "send-1-1" if "MessageStatus" in form else None
    url = f"{HOOK}/{message_id}{query}" if message_id else HOOK
    proof = twilio_reports.signature(Secret(token), url, form.items()).decode()
    return WebhookRequest(
        method="POST",
        url=url,
        headers={"x-twilio-signature": proof, "content-type": "application/x-www-form-urlencoded"},
        query=parse_qsl(query.removeprefix("?")),
        body=urlencode(form).encode(),
        received_at=NOW,
        message_id=message_id,
    )
