"""What the Cloud API tells: who a call is from, what became of messages, and what people write and wish.

Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview
"""

import hashlib
import hmac
import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from gateway.contract import BadSignature, BadWebhook, EventType, Heard, Inbound, Intent, Secret, WebhookRequest

from .meta_codes import judge
from .verdicts import Meaning, Verdict, gains, losses
from .wire import T, decoded

ASKED: Final = ".read"
"""Follows our id in what Meta gives back with each status: reading may be noted."""

_OURS: Final = re.compile(r"([A-Za-z0-9_-]{1,80})(\.read)?", re.ASCII)
_WIDE: Final = re.compile(r"[^\x00-\x7f]+")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}", re.ASCII)
_FORWARD: Final = {"sent": EventType.ACCEPTED, "delivered": EventType.DELIVERED, "read": EventType.DELIVERED}
_WORDLESS: Final = frozenset({"reaction", "system", "unsupported", "unknown", "errors"})
_PREFERENCES: Final = {"stop": Intent.STOP, "resume": Intent.START}

Wamid = Annotated[str, Meta(min_length=1, max_length=512)]
Digits = Annotated[str, Meta(pattern=r"^[1-9][0-9]{6,14}$")]
Seconds = Annotated[str, Meta(pattern=r"^[0-9]{1,10}$")]


class Origin(Struct, frozen=True, kw_only=True):
    """Which of the business's numbers it is about."""

    phone_number_id: str = ""


class Value(Struct, frozen=True, kw_only=True):
    """What has changed. Each is read on its own: one that cannot be must not keep back the others."""

    metadata: Origin = Origin()
    statuses: tuple[msgspec.Raw, ...] = ()
    messages: tuple[msgspec.Raw, ...] = ()
    user_preferences: tuple[msgspec.Raw, ...] = ()


class Change(Struct, frozen=True, kw_only=True):
    value: msgspec.Raw


class Entry(Struct, frozen=True, kw_only=True):
    changes: tuple[Change, ...] = ()


class Told(Struct, frozen=True, kw_only=True):
    object: str
    entry: tuple[Entry, ...]


class Fault(Struct, frozen=True, kw_only=True):
    code: int


class Status(Struct, frozen=True, kw_only=True):
    id: Wamid
    status: str
    timestamp: Seconds
    errors: tuple[Fault, ...] = ()
    biz_opaque_callback_data: str = ""


class Words(Struct, frozen=True, kw_only=True):
    """The words in a text, on a button or under a picture."""

    body: str = ""
    text: str = ""
    payload: str = ""
    title: str = ""
    id: str = ""
    caption: str = ""


class Choice(Struct, frozen=True, kw_only=True):
    button_reply: Words = Words()
    list_reply: Words = Words()


class Message(Struct, frozen=True, kw_only=True):
    id: Wamid
    sender: Digits = msgspec.field(name="from")
    timestamp: Seconds
    type: str
    text: Words = Words()
    button: Words = Words()
    interactive: Choice = Choice()
    image: Words = Words()
    video: Words = Words()
    document: Words = Words()


class Preference(Struct, frozen=True, kw_only=True):
    wa_id: Digits
    category: str
    value: str
    timestamp: Annotated[int, Meta(ge=0, le=2**33)]
    detail: str = ""


def verify(request: WebhookRequest, app_secrets: Iterable[Secret], verify_token: Secret) -> None:
    """A POST is signed over its body; a GET, which asks whether the address is ours, says the word agreed upon.

    Meta computes the signature over the body with all that is not ASCII escaped. It sends it so as well; a proxy that
    writes it anew may not.
    """
    if request.method == "GET":
        given = dict(request.query).get("hub.verify_token", "").encode("utf-8", "replace")
        if not hmac.compare_digest(verify_token.reveal().encode(), given) or challenge(request) is None:
            raise BadSignature
        return
    given = request.headers.get("x-hub-signature-256", "").encode("utf-8", "replace")
    bodies = (request.body, _escaped(request.body))
    macs = [hmac.digest(secret.reveal().encode(), body, "sha256").hex() for secret in app_secrets for body in bodies]
    matches = [hmac.compare_digest(f"sha256={mac}".encode(), given) for mac in macs]
    if not any(matches):
        raise BadSignature


def _escaped(body: bytes) -> bytes:
    return _WIDE.sub(lambda found: json.dumps(found[0])[1:-1], body.decode("utf-8", "replace")).encode()


def challenge(request: WebhookRequest) -> str | None:
    """What Meta wants to hear back, where it asks."""
    query = dict(request.query)
    asked = query.get("hub.challenge", "") if request.method == "GET" and query.get("hub.mode") == "subscribe" else ""
    return asked if _CHALLENGE.fullmatch(asked) else None


def heard(request: WebhookRequest, senders: Collection[str], stop_buttons: Collection[str]) -> Iterator[Heard]:
    """All that concerns these senders; an app hears of the others of its business as well."""
    if request.method == "GET":
        return
    told = decoded(request.body, Told)
    if told is None or told.object != "whatsapp_business_account":
        raise BadWebhook("not a notification of the WhatsApp Business Platform")
    values = (decoded(bytes(change.value), Value) for entry in told.entry for change in entry.changes)
    for value in values:
        if value is not None and value.metadata.phone_number_id in senders:
            yield from _said(value, stop_buttons)


def _said(value: Value, stop_buttons: Collection[str]) -> Iterator[Heard]:
    for status in _readable(value.statuses, Status):
        yield from _reported(status)
    for message in _readable(value.messages, Message):
        if message.type not in _WORDLESS:
            yield _written(message, stop_buttons)
    for preference in _readable(value.user_preferences, Preference):
        if preference.category == "marketing_messages" and preference.value in _PREFERENCES:
            yield _wished(preference)


def _readable(raws: Sequence[msgspec.Raw], wanted: type[T]) -> Iterator[T]:
    yield from (each for raw in raws if (each := decoded(bytes(raw), wanted)) is not None)


def digest_of(wamid: str) -> str:
    """Meta's id of a message as we keep it: its own form holds the person's number, in base64."""
    return hashlib.sha256(wamid.encode("utf-8", "replace")).hexdigest()[:40]


def _reported(status: Status) -> Iterator[Heard]:
    ours = _OURS.fullmatch(status.biz_opaque_callback_data)
    id = digest_of(status.id)
    about: dict[str, Any] = {
        "event_id": f"{id}:{status.status}"[:255],
        "at": _moment(int(status.timestamp)),
        "message_id": ours[1] if ours else None,
        "provider_id": id,
    }
    if status.status in _FORWARD:
        asks = bool(ours and ours[2])
        yield from gains(_FORWARD[status.status], is_read=status.status == "read", asks=asks, **about)
    elif status.status == "failed":
        code = status.errors[0].code if status.errors else None
        unknown = Meaning(Verdict.PERMANENT, "Meta gave the message up")
        yield from losses((judge(code) if code is not None else None) or unknown, code=str(code or "failed"), **about)


def _written(message: Message, stop_buttons: Collection[str]) -> Inbound:
    pressed = (message.button, message.interactive.button_reply, message.interactive.list_reply)
    said = [word for each in pressed for word in (each.text, each.title, each.payload, each.id) if word]
    others = (message.text.body, message.image.caption, message.video.caption, message.document.caption)
    id = digest_of(message.id)
    return Inbound(
        event_id=f"{id}:received",
        sender=f"+{message.sender}",
        text=next((word for word in (*said, *others) if word), ""),
        at=_moment(int(message.timestamp)),
        provider_id=id,
        intent=Intent.STOP if not set(stop_buttons).isdisjoint(said) else None,
    )


def _wished(preference: Preference) -> Inbound:
    once = hashlib.sha256(f"{preference.wa_id}:{preference.timestamp}:{preference.value}".encode()).hexdigest()[:40]
    return Inbound(
        event_id=f"preference:{once}",
        sender=f"+{preference.wa_id}",
        text=preference.detail or f"marketing_messages: {preference.value}",
        at=_moment(preference.timestamp),
        intent=_PREFERENCES[preference.value],
        answered=True,
    )


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
