"""What the gateway hears of a channel that misbehaves in `send`."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from gateway.contract import (
    Address,
    Capabilities,
    ChannelMisconfigured,
    Failure,
    OptedOut,
    Outbound,
    Outcome,
    OutcomeUnknown,
    Part,
    PermanentFailure,
    Quiet,
    RateLimited,
    RecipientGone,
    TransientFailure,
)
from gateway.registry import Guarded
from gateway.registry.guarded import STUCK_CALLS
from gateway.testkit.recorder import Recorder
from gateway.testkit.samples import outbounds

CAPABILITIES = Capabilities(address_kind="loft", parts={"text": Part(kind="text")}, timeout_s=30)
BATCH = outbounds(CAPABILITIES, [Address(kind="loft", value=f"loft-{number}.example") for number in range(1, 6)])
GRACE_S = 0.05


def guarded(recorder: Recorder, behaviour: Any, *, timeout_s: float = 30) -> Guarded:
    """A channel whose `send` is the given function."""

    class Bad(Quiet):
        kind = "pigeon"
        capabilities = Capabilities(address_kind="loft", parts=CAPABILITIES.parts, timeout_s=timeout_s)

        def send(self, batch: Sequence[Outbound]) -> Any:
            return behaviour(batch)

    return Guarded(Bad(None, None), recorder.log, grace_s=GRACE_S)  # type: ignore[arg-type]  # it needs no context


async def collect(channel: Guarded, batch: Sequence[Outbound] = BATCH) -> list[Outcome]:
    return [outcome async for outcome in channel.send(batch)]


def assert_one_each(outcomes: list[Outcome], batch: Sequence[Outbound] = BATCH) -> None:
    assert sorted(outcome.message_id for outcome in outcomes) == sorted(message.id for message in batch)


def failure_of(outcomes: list[Outcome], number: int) -> Failure:
    failure = next(outcome for outcome in outcomes if outcome.message_id == f"send-{number}-1").failure
    assert failure is not None
    return failure


async def test_a_well_behaved_channel_is_heard_as_it_speaks(recorder: Recorder) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        for message in reversed(batch):
            yield Outcome.accepted(message, f"p-{message.id}")

    outcomes = await collect(guarded(recorder, send))
    assert [outcome.message_id for outcome in outcomes] == [message.id for message in reversed(BATCH)]
    assert outcomes[0].provider_id == f"p-{BATCH[-1].id}"
    assert recorder.entries == []


async def test_outcomes_are_streamed_and_not_gathered(recorder: Recorder) -> None:
    go_on = asyncio.Event()

    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        yield Outcome.accepted(batch[0])
        await go_on.wait()
        for message in batch[1:]:
            yield Outcome.accepted(message)

    async with aclosing(guarded(recorder, send).send(BATCH)) as stream:
        first = await anext(stream)
        assert first.message_id == BATCH[0].id
        go_on.set()
        assert len([outcome async for outcome in stream]) == 4


@pytest.mark.parametrize(
    "error",
    [ValueError("loft-3.example"), SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError(), BaseException()],
    ids=lambda error: type(error).__name__,
)
async def test_a_bug_in_the_middle_leaves_the_answered_answered_and_the_rest_unknown(
    recorder: Recorder, error: BaseException
) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        yield Outcome.accepted(batch[0])
        yield Outcome.failed(batch[1], PermanentFailure("no-loft"))
        raise error

    outcomes = await collect(guarded(recorder, send))
    assert_one_each(outcomes)
    assert outcomes[0].failure is None
    assert type(outcomes[1].failure) is PermanentFailure
    for outcome in outcomes[2:]:
        assert type(outcome.failure) is OutcomeUnknown
        assert outcome.failure.code == "adapter-bug"
        assert "loft-3.example" not in str(outcome.failure)
        assert type(error).__name__ in outcome.failure.detail
    assert recorder.names() == ["channel.adapter_bug"]
    assert "loft-3.example" not in str(recorder.entries)


@pytest.mark.parametrize(
    "failure",
    [
        ChannelMisconfigured("535", "bad password"),
        RateLimited(7.5),
        RateLimited(7.5, "domain-pace", scope="message"),
        TransientFailure("no-route"),
        OutcomeUnknown("lost"),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_a_failure_raised_from_send_holds_for_all_that_had_no_answer(
    recorder: Recorder, failure: Failure
) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        yield Outcome.accepted(batch[0])
        raise failure

    outcomes = await collect(guarded(recorder, send))
    assert_one_each(outcomes)
    assert outcomes[0].failure is None
    assert {type(outcome.failure) for outcome in outcomes[1:]} == {type(failure)}
    assert failure_of(outcomes, 2).code == failure.code
    if isinstance(failure, RateLimited):
        assert failure_of(outcomes, 5).retry_after_s == 7.5  # type: ignore[attr-defined]
        assert failure_of(outcomes, 5).scope == failure.scope  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "failure", [RecipientGone("410"), OptedOut("stop"), PermanentFailure("no-loft"), Failure("vague")]
)
async def test_a_failure_about_one_person_raised_for_many_condemns_nobody(recorder: Recorder, failure: Failure) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        yield Outcome.accepted(batch[0])
        raise failure

    outcomes = await collect(guarded(recorder, send))
    assert_one_each(outcomes)
    assert {outcome.failure.code for outcome in outcomes[1:] if outcome.failure} == {"adapter-bug"}


async def test_a_failure_about_one_person_raised_for_a_single_message_keeps_its_meaning(recorder: Recorder) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        for _ in batch:
            raise RecipientGone("410")
        yield None  # type: ignore[misc]  # makes this a generator

    outcomes = await collect(guarded(recorder, send), BATCH[:1])
    assert type(failure_of(outcomes, 1)) is RecipientGone


async def test_silence_past_the_time_limit_leaves_the_rest_unknown(recorder: Recorder) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        yield Outcome.accepted(batch[0])
        await asyncio.Event().wait()

    outcomes = await collect(guarded(recorder, send, timeout_s=0.05))
    assert_one_each(outcomes)
    assert outcomes[0].failure is None
    assert {outcome.failure.code for outcome in outcomes[1:] if outcome.failure} == {"no-answer"}
    assert all(outcome.failure.maybe_sent for outcome in outcomes[1:] if outcome.failure)


async def test_what_a_channel_raises_on_being_stopped_is_not_why_it_was_stopped(recorder: Recorder) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError from None
        yield Outcome.accepted(batch[0])

    outcomes = await collect(guarded(recorder, send, timeout_s=0.05))
    assert_one_each(outcomes)
    assert failure_of(outcomes, 1).code == "no-answer"


async def test_what_a_channel_still_says_when_its_time_is_up_counts(recorder: Recorder) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            for message in batch[1:]:
                yield Outcome.failed(message, TransientFailure("not-begun"))

    outcomes = await collect(guarded(recorder, send, timeout_s=0.05))
    assert_one_each(outcomes)
    assert failure_of(outcomes, 1).code == "no-answer"
    assert failure_of(outcomes, 5).code == "not-begun"


async def test_a_channel_that_swallows_its_cancellation_is_left_behind(recorder: Recorder) -> None:
    release = asyncio.Event()
    ended = asyncio.Event()

    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        ended.set()
        yield Outcome.accepted(batch[0])

    outcomes = await collect(guarded(recorder, send, timeout_s=0.05))
    assert_one_each(outcomes)
    assert {outcome.failure.code for outcome in outcomes if outcome.failure} == {"no-answer"}
    assert recorder.names() == ["channel.abandoned"]
    release.set()
    await ended.wait()


async def test_a_channel_that_keeps_calls_stuck_is_not_called_any_more(recorder: Recorder) -> None:
    release = asyncio.Event()
    calls = 0

    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        nonlocal calls
        calls += 1
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        yield Outcome.accepted(batch[0])

    channel = guarded(recorder, send, timeout_s=0.01)
    await asyncio.gather(*(collect(channel) for _ in range(STUCK_CALLS)))
    outcomes = await collect(channel)
    assert calls == STUCK_CALLS
    assert type(failure_of(outcomes, 1)) is ChannelMisconfigured
    with pytest.raises(ChannelMisconfigured, match="stuck"):
        await channel.check()
    release.set()
    await asyncio.wait(channel._stuck)
    await channel.check()


def test_a_call_left_behind_does_not_hold_up_the_end_of_the_program(recorder: Recorder) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        never = asyncio.Event()
        while True:
            try:
                await never.wait()
            except asyncio.CancelledError:
                continue
        yield Outcome.accepted(batch[0])

    async def program() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        outcomes.extend(await collect(guarded(recorder, send, timeout_s=0.01)))

    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: asyncio.run(program()), daemon=True)
    thread.start()
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert_one_each(outcomes)


async def test_an_early_end_leaves_the_rest_unknown(recorder: Recorder) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        yield Outcome.accepted(batch[2])

    outcomes = await collect(guarded(recorder, send))
    assert_one_each(outcomes)
    assert failure_of(outcomes, 1).code == "no-outcome"
    assert failure_of(outcomes, 1).maybe_sent


async def test_foreign_duplicate_and_senseless_outcomes_are_dropped_and_counted(recorder: Recorder) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Any]:
        yield Outcome(message_id="foreign-1")
        yield Outcome(message_id=["unhashable"])  # type: ignore[arg-type]
        yield None
        yield "accepted"
        for message in batch:
            yield Outcome.accepted(message, "first")
            yield Outcome.failed(message, PermanentFailure("second"))

    outcomes = await collect(guarded(recorder, send))
    assert_one_each(outcomes)
    assert {(outcome.provider_id, outcome.failure) for outcome in outcomes} == {("first", None)}
    assert recorder.entries == [{"event": "channel.stray_outcomes", "count": 9, "level": "warning"}]


async def test_an_endless_stream_of_nonsense_ends_with_the_time_limit(recorder: Recorder) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Any]:
        yield Outcome.accepted(batch[0])
        while True:
            yield "nonsense"

    outcomes = await collect(guarded(recorder, send, timeout_s=0.05))
    assert_one_each(outcomes)
    assert failure_of(outcomes, 2).code == "no-answer"


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (4711, None),
        ("", None),
        ("a\x00b", None),
        ("a\nb", None),
        ("\ud800", None),
        ("x" * 300, "x" * 255),
        ("SM123", "SM123"),
    ],
)
async def test_a_provider_id_that_cannot_be_stored_is_left_out_or_cut(
    recorder: Recorder, told: Any, kept: str | None
) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        for message in batch:
            yield Outcome(message_id=message.id, provider_id=told)

    outcomes = await collect(guarded(recorder, send))
    assert {outcome.provider_id for outcome in outcomes} == {kept}
    assert ("channel.provider_id_unfit" in recorder.names()) == (told != kept)


async def test_a_failure_that_is_no_failure_is_a_bug_of_the_channel(recorder: Recorder) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        for message in batch:
            yield Outcome(message_id=message.id, failure=ValueError("no"))  # type: ignore[arg-type]

    outcomes = await collect(guarded(recorder, send))
    assert_one_each(outcomes)
    assert {outcome.failure.code for outcome in outcomes if outcome.failure} == {"adapter-bug"}


async def test_the_text_of_a_failure_is_one_short_line_without_the_address(recorder: Recorder) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        for message in batch:
            text = f"550 <{message.address.value}>:\r\n\x1b[31m нет такого \x00" + "x" * 9_000
            yield Outcome.failed(message, PermanentFailure("smtp-550" * 50, text, provider_id="q-1"))

    outcomes = await collect(guarded(recorder, send))
    for outcome in outcomes:
        assert outcome.failure is not None
        assert outcome.provider_id == "q-1"
        assert len(outcome.failure.code) == 64
        assert len(outcome.failure.detail) <= 500
        assert outcome.failure.detail.startswith("550 <(address)>: [31m нет такого xxx")
        assert "loft-" not in str(outcome.failure)


@pytest.mark.parametrize(
    ("told", "kept"), [(0, 60.0), (-5, 60.0), (float("nan"), 60.0), (1e12, 86_400.0), ("soon", 60.0), (3, 3.0)]
)
async def test_a_pause_that_makes_no_sense_is_put_right(recorder: Recorder, told: Any, kept: float) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        yield Outcome.failed(batch[0], RateLimited(told))

    failure = failure_of(await collect(guarded(recorder, send), BATCH[:1]), 1)
    assert isinstance(failure, RateLimited)
    assert failure.retry_after_s == kept


@pytest.mark.parametrize("meaning", [RecipientGone, OptedOut, PermanentFailure])
async def test_a_plugins_own_kind_of_failure_becomes_the_contracts(recorder: Recorder, meaning: type[Failure]) -> None:
    class LoftBurnt(meaning):  # type: ignore[misc,valid-type]
        def __init__(self) -> None:
            super().__init__("burnt", "the loft is gone")

    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        for message in batch:
            yield Outcome.failed(message, LoftBurnt())

    failure = failure_of(await collect(guarded(recorder, send)), 1)
    assert type(failure) is meaning
    assert failure.__traceback__ is None


@pytest.mark.parametrize("result", [None, 7, [], iter(())], ids=lambda result: type(result).__name__)
async def test_a_send_that_gives_no_stream_is_a_bug_of_the_channel(recorder: Recorder, result: Any) -> None:
    outcomes = await collect(guarded(recorder, lambda batch: result))
    assert_one_each(outcomes)
    assert failure_of(outcomes, 1).code == "adapter-bug"


async def test_a_send_that_is_a_coroutine_is_a_bug_and_leaves_nothing_unawaited(recorder: Recorder) -> None:
    async def send(batch: Sequence[Outbound]) -> list[Outcome]:
        return []

    outcomes = await collect(guarded(recorder, send))
    assert_one_each(outcomes)
    assert failure_of(outcomes, 1).code == "adapter-bug"


async def test_a_cancellation_of_the_caller_reaches_the_channel_and_passes_through(recorder: Recorder) -> None:
    waiting, stopped = asyncio.Event(), asyncio.Event()

    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        yield Outcome.accepted(batch[0])
        try:
            waiting.set()
            await asyncio.Event().wait()
        finally:
            stopped.set()

    task = asyncio.create_task(collect(guarded(recorder, send)))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped.is_set()
    assert recorder.entries == []


async def test_a_caller_who_leaves_early_stops_the_channel(recorder: Recorder) -> None:
    stopped = asyncio.Event()

    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        try:
            yield Outcome.accepted(batch[0])
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with aclosing(guarded(recorder, send).send(BATCH)) as stream:
        await anext(stream)
    assert stopped.is_set()


async def test_a_caller_who_is_cancelled_is_not_held_by_a_channel_that_swallows_it(recorder: Recorder) -> None:
    waiting, release = asyncio.Event(), asyncio.Event()

    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        waiting.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        yield Outcome.accepted(batch[0])

    channel = guarded(recorder, send)
    task = asyncio.create_task(collect(channel))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert recorder.names() == ["channel.abandoned"]
    release.set()
    await asyncio.wait(channel._stuck)


async def test_a_slow_caller_loses_no_outcome_that_came_in_time(recorder: Recorder) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        for message in batch:
            yield Outcome.accepted(message)

    outcomes = []
    async for outcome in guarded(recorder, send, timeout_s=0.02).send(BATCH):
        await asyncio.sleep(0.03)
        outcomes.append(outcome)
    assert_one_each(outcomes)
    assert {outcome.failure for outcome in outcomes} == {None}


async def test_a_channel_that_raises_while_tidying_up_loses_no_outcome(recorder: Recorder) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        try:
            for message in batch:
                yield Outcome.accepted(message)
        finally:
            raise SystemExit

    outcomes = await collect(guarded(recorder, send))
    assert_one_each(outcomes)
    assert {outcome.failure for outcome in outcomes} == {None}
    assert recorder.names() == ["channel.adapter_bug"]


async def test_an_empty_batch_has_no_outcomes(recorder: Recorder) -> None:
    async def send(batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        for message in batch:
            yield Outcome.accepted(message)

    assert await collect(guarded(recorder, send), []) == []
