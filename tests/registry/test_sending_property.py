"""Whatever a channel does in whatever order: one outcome per message, and an end."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

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
from gateway.testkit.recorder import Recorder
from gateway.testkit.samples import outbounds

CAPABILITIES = Capabilities(address_kind="loft", parts={"text": Part(kind="text")}, timeout_s=0.02)
BATCH = outbounds(CAPABILITIES, [Address(kind="loft", value=f"loft-{number}") for number in range(4)])
CONTRACT = {
    PermanentFailure,
    RecipientGone,
    OptedOut,
    TransientFailure,
    RateLimited,
    ChannelMisconfigured,
    OutcomeUnknown,
}

failures = st.sampled_from(
    [
        PermanentFailure("p"),
        RecipientGone("g"),
        OptedOut("o"),
        TransientFailure("t"),
        RateLimited(1),
        ChannelMisconfigured("m"),
        OutcomeUnknown("u"),
        Failure("bare"),
    ]
)
errors = st.sampled_from(
    [KeyError("k"), SystemExit(), KeyboardInterrupt(), asyncio.CancelledError(), TimeoutError(), StopAsyncIteration()]
)
ids = st.sampled_from([*(message.id for message in BATCH), "foreign", "", None, 7])
outcomes = st.builds(
    Outcome, message_id=ids, provider_id=st.none() | st.text() | st.integers(), failure=st.none() | failures
)
steps = st.lists(
    st.tuples(st.just("yield"), outcomes | st.none() | st.text())
    | st.tuples(st.just("raise"), failures | errors)
    | st.tuples(st.sampled_from(["wait", "turn", "swallow", "cancel"]), st.none()),
    max_size=8,
)


class Scripted(Quiet):
    kind = "pigeon"
    capabilities = CAPABILITIES

    def __init__(self, script: list[tuple[str, Any]]) -> None:
        self.script = script

    async def send(self, batch: Sequence[Outbound]) -> AsyncIterator[Any]:
        for step, told in self.script:
            match step:
                case "yield":
                    yield told
                case "raise":
                    raise told
                case "wait":
                    await asyncio.Event().wait()
                case "turn":
                    await asyncio.sleep(0)
                case "cancel":
                    task = asyncio.current_task()
                    assert task is not None
                    task.cancel()
                case "swallow":
                    try:
                        await asyncio.Event().wait()
                    except asyncio.CancelledError:
                        continue


@settings(max_examples=150, deadline=None)
@given(script=steps)
def test_every_message_gets_one_outcome_that_the_contract_knows(script: list[tuple[str, Any]]) -> None:
    async def sent() -> list[Outcome]:
        channel = Guarded(Scripted(script), Recorder().log, grace_s=0.02)
        return [outcome async for outcome in channel.send(BATCH)]

    told = asyncio.run(sent())
    assert Counter(outcome.message_id for outcome in told) == Counter(message.id for message in BATCH)
    assert {type(outcome.failure) for outcome in told} <= CONTRACT | {type(None)}
    assert all(outcome.provider_id is None or outcome.provider_id.isprintable() for outcome in told)
    answered = {step[1].message_id for step in script if step[0] == "yield" and isinstance(step[1], Outcome)}
    assert {outcome.message_id for outcome in told if outcome.failure is None} <= answered


@settings(max_examples=50, deadline=None)
@given(script=steps, turns=st.integers(0, 6))
def test_a_cancelled_call_ends_whatever_the_channel_does(script: list[tuple[str, Any]], turns: int) -> None:
    async def cancelled() -> bool:
        channel = Guarded(Scripted(script), Recorder().log, grace_s=0.02)

        async def collect() -> list[Outcome]:
            return [outcome async for outcome in channel.send(BATCH)]

        task = asyncio.create_task(collect())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        return bool((await asyncio.wait({task}, timeout=10))[0])

    assert asyncio.run(cancelled())
