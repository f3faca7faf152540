"""Checks of `verify` and `parse`, the two that strangers can reach."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from gateway.contract import BadSignature, BadWebhook, WebhookRequest
from gateway.registry import reports
from gateway.testkit.case import Bench, Defect, NotApplicable
from gateway.testkit.samples import NOW

_BODIES: Final = (
    b"",
    b"{}",
    b"[]",
    b"[{}]",
    b"null",
    b"7",
    b'"text"',
    b'{"type": "delivered"',
    b'{"type": null, "id": [], "at": "yesterday", "event": {}}',
    b"\xff\xfe\x00\x00",
    b"<event/>",
    b"a=b&c=d&a=%ff%00",
    b"MessageSid=&MessageStatus=delivered&ErrorCode=many",
    b"[" * 100_000,
    b'{"n": ' + b"9" * 400 + b"}",
)
_TYPES: Final = (
    "",
    "application/json",
    "application/x-www-form-urlencoded; charset=utf-8",
    "text/plain",
    "multipart/x",
)
_WRONG_VALUES: Final[tuple[Any, ...]] = (None, 7, "", "x", "ж" * 300, [], {}, [None], True)


async def an_unsigned_call_is_refused(bench: Bench) -> None:
    channel = bench.build()
    for call in _rubbish():
        _assert_refused(channel, call, "without a signature")
        forged = dict.fromkeys(_signature_headers(bench), "sha256=0000")
        _assert_refused(
            channel, msgspec.structs.replace(call, headers={**call.headers, **forged}), "with a made-up one"
        )


async def a_genuine_call_is_accepted_and_an_altered_one_refused(bench: Bench) -> None:
    channel = bench.build()
    for call in _genuine(bench):
        try:
            answer = channel.verify(call)
        except BadSignature:
            raise Defect("`verify` refuses a genuine call of the case's `reports`") from None
        if answer is not None:
            raise Defect("`verify` must raise or return nothing")
        altered = msgspec.structs.replace(call, body=call.body + b"&altered=1")
        _assert_refused(channel, altered, "whose body was altered")


async def rubbish_is_told_as_bad_webhook_or_yields_nothing(bench: Bench) -> None:
    channel = bench.build()
    for call in _rubbish():
        if _parsed(channel, call):
            raise Defect(f"`parse` made an event of rubbish: {call.body[:60]!r}")
    if bench.case.reports is not None:
        for call in bench.case.reports():
            for bent in _bent(call):
                _parsed(channel, bent)


async def its_events_are_among_those_it_announced(bench: Bench) -> None:
    channel = bench.build()
    for call in _genuine(bench):
        events = _parsed(channel, call, is_genuine=True)
        if not events:
            raise Defect("`parse` makes nothing of a genuine call of the case's `reports`")
        if events != _parsed(channel, call, is_genuine=True):
            raise Defect("`parse` is not pure: the same call twice gave different events")
        for event in events:
            if event.type not in bench.capabilities.reports:
                raise Defect(f"it reported `{event.type}`, which its capabilities do not announce")


def _genuine(bench: Bench) -> list[WebhookRequest]:
    if bench.case.reports is None:
        if bench.capabilities.reports:
            raise Defect("its capabilities announce reports: give the case genuine ones in `reports`")
        raise NotApplicable("the channel reports nothing")
    return list(bench.case.reports())


def _assert_refused(channel: Any, call: WebhookRequest, how: str) -> None:
    try:
        answer = channel.verify(call)
    except BadSignature:
        return
    except Exception as error:
        raise Defect(f"`verify` met a call {how} with {type(error).__name__}, not BadSignature") from error
    if hasattr(answer, "close"):
        answer.close()
    raise Defect(f"`verify` lets a call {how} pass")


def _parsed(channel: Any, call: WebhookRequest, *, is_genuine: bool = False) -> list[Any]:
    """The events of a call that can be stored. The gateway refuses a call with any other as BadWebhook."""
    try:
        told = list(channel.parse(call))
    except BadWebhook:
        return []
    except Exception as error:
        raise Defect(f"`parse` met {call.body[:60]!r} with {type(error).__name__}, not BadWebhook") from error
    try:
        return [reports.fit(event) for event in told]
    except (TypeError, ValueError) as unfit:
        if is_genuine:
            raise Defect(f"an event of a genuine call cannot be stored: {unfit}") from None
        return []


def _rubbish() -> Iterator[WebhookRequest]:
    for body in _BODIES:
        for media_type in _TYPES:
            for message_id in (None, "send-1-1"):
                yield WebhookRequest(
                    method="POST",
                    url="https://gateway.example/hooks/sample",
                    headers={"content-type": media_type} if media_type else {},
                    query=[],
                    body=body,
                    received_at=NOW,
                    message_id=message_id,
                )


def _signature_headers(bench: Bench) -> set[str]:
    calls = bench.case.reports() if bench.case.reports else ()
    return {name for call in calls for name in call.headers if "signature" in name} or {"x-signature"}


def _bent(call: WebhookRequest) -> Iterator[WebhookRequest]:
    """The call with one field missing or wrong, for each field, in JSON or in a form."""
    for body in (call.body[: len(call.body) // 2], *_bent_bodies(call.body)):
        yield msgspec.structs.replace(call, body=body)
        yield msgspec.structs.replace(call, body=body, message_id=None)


def _bent_bodies(body: bytes) -> Iterator[bytes]:
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        for place, (name, _) in enumerate(pairs):
            others = pairs[:place] + pairs[place + 1 :]
            for wrong in ([], [(name, "")], [(name, "ж" * 300)], [(name, "1"), (name, "2")], [(name, "\x00\n")]):
                yield urlencode(others + wrong).encode()
    else:
        yield from (msgspec.json.encode(bent) for bent in _bent_values(content))


def _bent_values(content: Any) -> Iterator[Any]:
    if isinstance(content, dict):
        for key in content:
            yield {name: value for name, value in content.items() if name != key}
            for wrong in (*_WRONG_VALUES, *_bent_values(content[key])):
                yield {**content, key: wrong}
    elif isinstance(content, list):
        for place in range(len(content)):
            for wrong in (*_WRONG_VALUES, *_bent_values(content[place])):
                yield [*content[:place], wrong, *content[place + 1 :]]
