"""Checks of `prepare`, `verify` and `parse`, which strangers can reach."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from gateway.contract import BadSignature, BadWebhook, Failure, Inbound, ProviderEvent, WebhookRequest
from gateway.registry import reports
from gateway.testkit.case import Bench, Defect, NotApplicable, NotTried
from gateway.testkit.samples import NOW

MAIL: Final = "MAIL"
"""The method of a request whose body is a mail. Nobody signs those."""

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
        await _expect_refused(bench, channel, call, "without a signature")
        forged = dict.fromkeys(_signature_headers(bench), "sha256=0000")
        made_up = msgspec.structs.replace(call, headers={**call.headers, **forged})
        await _expect_refused(bench, channel, made_up, "with a made-up one")


async def a_genuine_call_is_accepted_and_an_altered_one_refused(bench: Bench) -> None:
    calls = [call for call in (*_genuine(bench), *_of_people(bench)) if call.method != MAIL]
    if not calls:
        raise NotApplicable("what it hears comes as mail")
    channel = bench.build()
    for call in calls:
        try:
            await _prepare(bench, channel, call)
            answer = channel.verify(call)
        except BadSignature:
            raise Defect("`verify` refuses a genuine call of the case's `reports`") from None
        if answer is not None:
            raise Defect("`verify` must raise or return nothing")
        altered = msgspec.structs.replace(call, body=call.body + b"&altered=1")
        await _expect_refused(bench, channel, altered, "whose body was altered")


async def rubbish_is_told_as_bad_webhook_or_yields_nothing(bench: Bench) -> None:
    channel = bench.build()
    for call in _rubbish(is_mail_too=bench.capabilities.reads_mail):
        if _parsed(channel, call):
            raise Defect(f"`parse` made an event of rubbish: {call.body[:60]!r}")
    for call in (*_of_provider(bench), *_of_people(bench)):
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
            if isinstance(event, ProviderEvent) and event.type not in bench.capabilities.reports:
                raise Defect(f"it reported `{event.type}`, which its capabilities do not announce")


async def what_people_write_back_is_read(bench: Bench) -> None:
    told = bench.capabilities
    calls = _of_people(bench)
    if not calls and told.receives and not told.listens and bench.case.messages:
        raise Defect("its capabilities say `receives`: give the case genuine calls in `replies`")
    if not calls:
        raise (
            NotTried("the case names no `replies`") if told.receives else NotApplicable("the channel receives nothing")
        )
    if not told.receives:
        raise Defect("the case names `replies`, but the capabilities do not say `receives`")
    channel = bench.build()
    for call in calls:
        heard = [each for each in _parsed(channel, call, is_genuine=True) if isinstance(each, Inbound)]
        if not heard:
            raise Defect("`parse` finds no message in a genuine call of the case's `replies`")
        if heard != [each for each in _parsed(channel, call, is_genuine=True) if isinstance(each, Inbound)]:
            raise Defect("`parse` is not pure: the same call twice gave different messages")


def _genuine(bench: Bench) -> list[WebhookRequest]:
    calls = _of_provider(bench)
    if not calls and bench.capabilities.reports:
        if not bench.case.messages:
            raise NotTried("there is no case with genuine `reports`")
        raise Defect("its capabilities announce reports: give the case genuine ones in `reports`")
    if not calls:
        raise NotApplicable("the channel reports nothing")
    return calls


def _of_provider(bench: Bench) -> list[WebhookRequest]:
    return [] if bench.case.reports is None else list(bench.case.reports())


def _of_people(bench: Bench) -> list[WebhookRequest]:
    return [] if bench.case.replies is None else list(bench.case.replies())


async def _prepare(bench: Bench, channel: Any, call: WebhookRequest) -> None:
    """What comes before `verify`. Strangers reach it too, so it may refuse a call, and not stumble over it."""
    if not hasattr(channel, "prepare"):
        return
    try:
        await bench.in_time("prepare", channel.prepare(call))
    except (Failure, OSError) as error:
        raise BadSignature from error


async def _expect_refused(bench: Bench, channel: Any, call: WebhookRequest, how: str) -> None:
    try:
        await _prepare(bench, channel, call)
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


def _rubbish(*, is_mail_too: bool = False) -> Iterator[WebhookRequest]:
    for body in _BODIES:
        for media_type in _TYPES:
            for message_id in (None, "send-1-1"):
                yield _call(body, "POST", {"content-type": media_type} if media_type else {}, message_id)
        if is_mail_too:
            yield _call(body, MAIL, {})


def _call(body: bytes, method: str, headers: Mapping[str, str], message_id: str | None = None) -> WebhookRequest:
    return WebhookRequest(
        method=method,
        url="https://gateway.example/hooks/sample",
        headers=headers,
        query=[],
        body=body,
        received_at=NOW,
        message_id=message_id,
    )


def _signature_headers(bench: Bench) -> set[str]:
    calls = (*_of_provider(bench), *_of_people(bench))
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
