"""The guard around everything of a channel but `send`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.contract import (
    Address,
    BadSignature,
    BadWebhook,
    Capabilities,
    ChannelMisconfigured,
    EventType,
    Failure,
    Outbound,
    Outcome,
    Part,
    PermanentFailure,
    ProviderEvent,
    Quiet,
    RateLimited,
    TransientFailure,
    WebhookRequest,
)
from gateway.registry import Guarded
from gateway.registry.guarded import EVENTS_PER_CALL
from gateway.testkit.recorder import Recorder
from gateway.testkit.samples import NOW, outbounds

CAPABILITIES = Capabilities(
    address_kind="loft", parts={"text": Part(kind="text")}, timeout_s=0.1, reports=frozenset({EventType.DELIVERED})
)
BATCH = outbounds(CAPABILITIES, [Address(kind="loft", value="loft.example")])
CALL = WebhookRequest(
    method="POST", url="https://gateway.example/hooks/pigeon", headers={}, query=[], body=b"{}", received_at=NOW
)
DELIVERED = ProviderEvent(type=EventType.DELIVERED, event_id="e-1", at=NOW, message_id="send-1-1")


class Channel(Quiet):
    """Well behaved, until a test gives it another method."""

    kind = "pigeon"
    capabilities = CAPABILITIES

    async def send(self, batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        for message in batch:
            yield Outcome.accepted(message)


def guarded(recorder: Recorder, **methods: Any) -> Guarded:
    channel = type("Changed", (Channel,), methods)(None, None)
    return Guarded(channel, recorder.log, grace_s=0.05)


def raising(error: BaseException) -> Any:
    def method(self: Any, *args: Any) -> Any:
        raise error

    return method


def raising_async(*errors: BaseException | None) -> Any:
    """A method that raises these one after the other, and the last for ever."""
    left = list(errors)

    async def method(self: Any) -> None:
        error = left.pop(0) if len(left) > 1 else left[0]
        if error is not None:
            raise error

    return method


def returning(answer: Any) -> Any:
    def method(self: Any, *args: Any) -> Any:
        return answer

    return method


async def endless(self: Any) -> None:
    await asyncio.Event().wait()


# --- open, check, close


async def test_a_channel_is_opened_once_by_its_first_use(recorder: Recorder) -> None:
    opened = []

    async def open_(self: Any) -> None:
        opened.append(self)

    channel = guarded(recorder, open=open_)
    await asyncio.gather(channel.open(), channel.check(), channel.open())
    assert [outcome.failure async for outcome in channel.send(BATCH)] == [None]
    assert len(opened) == 1


@pytest.mark.parametrize("failure", [ChannelMisconfigured("535"), TransientFailure("no-route"), RateLimited(3)])
async def test_a_channel_that_cannot_open_sends_nothing_and_says_why(recorder: Recorder, failure: Failure) -> None:
    channel = guarded(recorder, open=raising_async(failure))
    outcomes = [outcome async for outcome in channel.send(BATCH)]
    assert [type(outcome.failure) for outcome in outcomes] == [type(failure)]
    with pytest.raises(type(failure)):
        await channel.check()


async def test_a_channel_that_could_not_open_is_well_after_a_check_that_opens_it(recorder: Recorder) -> None:
    channel = guarded(recorder, open=raising_async(TransientFailure("no-route"), None))
    with pytest.raises(TransientFailure):
        await channel.open()
    await channel.check()
    assert [outcome.failure async for outcome in channel.send(BATCH)] == [None]


@pytest.mark.parametrize(
    "error",
    [KeyError("secret"), SystemExit(), KeyboardInterrupt(), PermanentFailure("x"), BaseException()],
    ids=lambda error: type(error).__name__,
)
async def test_a_bug_in_open_or_check_pauses_the_channel(recorder: Recorder, error: BaseException) -> None:
    for method in ("open", "check"):
        with pytest.raises(ChannelMisconfigured, match="adapter-bug") as caught:
            await guarded(recorder, **{method: raising_async(error)}).check()
        assert "secret" not in str(caught.value)
    assert "secret" not in str(recorder.entries)


@pytest.mark.parametrize("method", ["open", "check"])
async def test_a_check_that_does_not_end_is_a_passing_trouble(recorder: Recorder, method: str) -> None:
    with pytest.raises(TransientFailure, match="no-answer"):
        await guarded(recorder, **{method: endless}).check()


async def test_a_check_that_cancels_itself_does_not_cancel_the_caller(recorder: Recorder) -> None:
    with pytest.raises(TransientFailure):
        await guarded(recorder, check=raising_async(asyncio.CancelledError())).check()


async def test_a_cancelled_check_is_cancelled(recorder: Recorder) -> None:
    waiting = asyncio.Event()

    async def check(self: Any) -> None:
        waiting.set()
        await asyncio.Event().wait()

    slow = type("Slow", (Channel,), {"check": check, "capabilities": Capabilities(address_kind="l", parts={})})
    task = asyncio.create_task(Guarded(slow(None, None), recorder.log).check())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("close", [endless, raising_async(ValueError()), raising_async(SystemExit())])
async def test_closing_always_ends_and_never_raises(recorder: Recorder, close: Any) -> None:
    channel = guarded(recorder, close=close)
    await channel.close()
    assert [entry["level"] for entry in recorder.entries] == ["error"]


# --- verify


def test_a_call_is_refused_unless_the_channel_accepts_it(recorder: Recorder) -> None:
    guarded(recorder, verify=returning(None)).verify(CALL)
    with pytest.raises(BadSignature):
        guarded(recorder).verify(CALL)


@pytest.mark.parametrize("error", [KeyError("x-signature"), SystemExit(), BadWebhook("odd"), BaseException()])
def test_a_channel_that_stumbles_over_a_signature_refuses_it(recorder: Recorder, error: BaseException) -> None:
    with pytest.raises(BadSignature):
        guarded(recorder, verify=raising(error)).verify(CALL)
    assert recorder.names() == ["channel.adapter_bug"]


async def test_a_verify_that_returns_its_verdict_lets_nothing_through(recorder: Recorder) -> None:
    async def verify(self: Any, request: WebhookRequest) -> None:
        return None

    for method in (returning(False), returning(True), verify):
        with pytest.raises(BadSignature):
            guarded(recorder, verify=method).verify(CALL)


# --- parse


def test_events_come_as_they_are_with_their_texts_cut(recorder: Recorder) -> None:
    told = ProviderEvent(type=EventType.DELIVERED, event_id="e-1", code="c" * 99, detail="одна\nстрока\x00")
    events = guarded(recorder, parse=returning([told])).parse(CALL)
    assert len(events) == 1
    assert events[0].code == "c" * 64
    assert events[0].detail == "одна строка"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        7,
        [None],
        [DELIVERED, {"type": "delivered"}],
        [ProviderEvent(type="lost", event_id="e-1")],  # type: ignore[arg-type]
        [ProviderEvent(type=EventType.DELIVERED, event_id="")],
        [ProviderEvent(type=EventType.DELIVERED, event_id=7)],  # type: ignore[arg-type]
        [ProviderEvent(type=EventType.DELIVERED, event_id="e" * 256)],
        [ProviderEvent(type=EventType.DELIVERED, event_id="e-1", at=datetime(2026, 1, 1))],  # noqa: DTZ001
        [ProviderEvent(type=EventType.DELIVERED, event_id="e-1", message_id="a\x00")],
        (DELIVERED for _ in range(EVENTS_PER_CALL + 1)),
    ],
)
def test_rubbish_from_parse_is_a_call_that_makes_no_sense(recorder: Recorder, answer: Any) -> None:
    with pytest.raises(BadWebhook):
        guarded(recorder, parse=returning(answer)).parse(CALL)


@pytest.mark.parametrize("error", [KeyError("anna@example.com"), RecursionError(), SystemExit(), BaseException()])
def test_a_parse_that_raises_is_a_call_that_makes_no_sense(recorder: Recorder, error: BaseException) -> None:
    with pytest.raises(BadWebhook) as caught:
        guarded(recorder, parse=raising(error)).parse(CALL)
    assert "anna" not in f"{caught.value}{recorder.entries}"


async def test_a_parse_that_is_a_coroutine_is_refused_and_leaves_nothing_unawaited(recorder: Recorder) -> None:
    async def parse(self: Any, request: WebhookRequest) -> list[ProviderEvent]:
        return []

    with pytest.raises(BadWebhook):
        guarded(recorder, parse=parse).parse(CALL)


def test_a_channels_own_word_on_a_senseless_call_is_kept(recorder: Recorder) -> None:
    with pytest.raises(BadWebhook, match=r"^no field MessageSid$"):
        guarded(recorder, parse=raising(BadWebhook("no field\nMessageSid"))).parse(CALL)
    assert recorder.entries == []


def test_an_event_that_was_not_announced_is_kept_and_noted(recorder: Recorder) -> None:
    told = ProviderEvent(type=EventType.COMPLAINED, event_id="e-1", at=datetime(2026, 1, 1, tzinfo=UTC))
    assert guarded(recorder, parse=returning([told])).parse(CALL) == [told]
    assert recorder.entries == [{"event": "channel.undeclared_event", "type": "complained", "level": "warning"}]
