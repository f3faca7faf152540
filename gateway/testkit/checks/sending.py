"""Checks of `send`, against the author's peer."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway.contract import (
    ChannelMisconfigured,
    Doubtful,
    Failure,
    Outbound,
    Outcome,
    PermanentFailure,
    RateLimited,
    Traced,
    TransientFailure,
)
from gateway.registry.patience import stop
from gateway.testkit.case import Bench, Defect, NotApplicable, tame

PROMPT_S: Final = 3.0


async def every_message_gets_exactly_one_outcome(bench: Bench) -> None:
    if bench.capabilities.batched:
        async with bench.opened() as channel:
            outcomes = one_each(await bench.sent(channel, bench.case.messages), bench.case.messages)
        if any(outcome.failure is None for outcome in outcomes.values()):
            raise Defect("a batched channel accepted a message one by one")
        return
    async with bench.connected() as (channel, peer):
        outcomes = one_each(await bench.sent(channel, peer.messages), peer.messages)
    for outcome in outcomes.values():
        if outcome.failure is not None:
            raise Defect(f"{outcome.message_id}: the peer should take this message, but: {told(outcome.failure)}")


async def a_refused_message_does_not_stop_the_others(bench: Bench) -> None:
    if bench.capabilities.batched:
        raise NotApplicable("the channel is batched")
    async with bench.connected() as (channel, peer):
        if not peer.refused:
            raise NotApplicable("the case names no `refused` messages")
        batch = [*peer.refused, *peer.messages]
        outcomes = one_each(await bench.sent(channel, batch), batch)
    for message in peer.refused:
        failure = outcomes[message.id].failure
        if not isinstance(failure, PermanentFailure):
            raise Defect(f"{message.id}: should be refused for good, but: {told(failure)}")
    for message in peer.messages:
        if outcomes[message.id].failure is not None:
            raise Defect(f"{message.id}: failed because another one did: {told(outcomes[message.id].failure)}")


async def an_unreachable_provider_gives_outcomes_and_no_exception(bench: Bench) -> None:
    outcomes = one_each(*await sent_to_nobody(bench))
    for outcome in outcomes.values():
        if outcome.failure is None:
            raise Defect(f"{outcome.message_id}: accepted, although nobody was there")
        if outcome.failure.maybe_sent:
            raise Defect(f"{outcome.message_id}: unknown, although no connection was made: {told(outcome.failure)}")
        if isinstance(outcome.failure, PermanentFailure):
            raise Defect(f"{outcome.message_id}: failed for good, although the provider was only away")


async def a_cancelled_send_ends_promptly(bench: Bench) -> None:
    if bench.capabilities.batched:
        raise NotApplicable("the channel is batched")
    start = bench.case.silent or bench.case.peer
    if start is None:
        raise NotApplicable("the case names neither `silent` nor `peer`")
    async with start() as peer, bench.opened(peer.config) as channel:
        task = asyncio.create_task(tame(_listened(channel, bench.complete(peer).messages)))
        await _let_it_wait(task, is_silent=bench.case.silent is not None)
        if not await stop(task, grace_s=PROMPT_S):
            raise Defect(f"a cancelled `send` was still at it after {PROMPT_S:g} s: let CancelledError pass")


async def what_it_took_is_found_again(bench: Bench) -> None:
    if not bench.capabilities.reconciles:
        raise NotApplicable("the capabilities do not say `reconciles`")
    async with bench.connected() as (channel, peer):
        outcomes = one_each(await bench.sent(channel, peer.messages), peer.messages)
        traces = await bench.in_time("look_up", channel.look_up(_doubtful(peer.messages)))
    found = _traces(traces, peer.messages)
    for message_id, outcome in outcomes.items():
        if message_id in found and outcome.provider_id not in found[message_id]:
            raise Defect(f"{message_id}: `look_up` says {found[message_id]}, but it was taken as {outcome.provider_id}")
    if not found:
        raise Defect("`look_up` found none of the messages that the peer took")


async def nobody_is_called_missing_while_the_provider_is_away(bench: Bench) -> None:
    if not bench.capabilities.reconciles:
        raise NotApplicable("the capabilities do not say `reconciles`")
    if bench.case.peer is None:
        raise NotApplicable("the case names no `peer`")
    async with bench.case.peer() as gone:
        peer = bench.complete(gone)
    async with bench.opened(peer.config) as channel:
        try:
            traces = await bench.in_time("look_up", channel.look_up(_doubtful(peer.messages)))
        except (ChannelMisconfigured, RateLimited, TransientFailure):
            return
    if _traces(traces, peer.messages):
        raise Defect("`look_up` knows what became of messages, although nobody was there to be asked")


def _doubtful(messages: Sequence[Outbound]) -> list[Doubtful]:
    since = datetime.now(UTC) - timedelta(hours=1)
    return [Doubtful(message=message, since=since) for message in messages]


def _traces(told: Any, batch: Sequence[Outbound]) -> dict[str, tuple[str, ...]]:
    """The provider's ids by message. Raises Defect for anything but one Traced for some of the messages."""
    asked, found = {message.id for message in batch}, {}
    for trace in told:
        if not isinstance(trace, Traced) or not all(isinstance(id, str) for id in trace.provider_ids):
            raise Defect(f"`look_up` gave a {type(trace).__name__} where a Traced belongs")
        if trace.message_id not in asked or trace.message_id in found:
            raise Defect(f"{trace.message_id}: `look_up` says more than once, or unasked, what became of it")
        found[trace.message_id] = trace.provider_ids
    return found


async def sent_to_nobody(bench: Bench) -> tuple[list[Any], Sequence[Outbound]]:
    """What a channel yields whose peer has gone, and the messages."""
    if bench.case.peer is None or bench.capabilities.batched:
        raise NotApplicable("the case names no `peer`, or the channel is batched")
    async with bench.case.peer() as gone:
        peer = bench.complete(gone)
    async with bench.opened(peer.config) as channel:
        return await bench.sent(channel, peer.messages), peer.messages


def one_each(yielded: Sequence[Any], batch: Sequence[Outbound]) -> dict[str, Outcome]:
    """The outcomes by message. Raises Defect where there is not exactly one for each."""
    outcomes: dict[str, Outcome] = {}
    for outcome in yielded:
        if not isinstance(outcome, Outcome):
            raise Defect(f"`send` yielded a {type(outcome).__name__}, not an Outcome")
        if outcome.failure is not None and not isinstance(outcome.failure, Failure):
            raise Defect(f"{outcome.message_id}: the failure is a {type(outcome.failure).__name__}, not a Failure")
        if outcome.message_id in outcomes:
            raise Defect(f"{outcome.message_id}: two outcomes for one message")
        outcomes[outcome.message_id] = outcome
    wanted = {message.id for message in batch}
    if missing := wanted - outcomes.keys():
        raise Defect(f"no outcome for {', '.join(sorted(missing))}")
    if foreign := outcomes.keys() - wanted:
        raise Defect(f"an outcome for {len(foreign)} messages that were not in the batch")
    return outcomes


def told(failure: Failure | None) -> str:
    return "accepted" if failure is None else f"{type(failure).__name__} {failure}"


async def _listened(channel: Any, batch: Sequence[Outbound]) -> None:
    async for _ in channel.send(batch):
        pass


async def _let_it_wait(task: asyncio.Task[None], *, is_silent: bool) -> None:
    if is_silent:
        await asyncio.wait({task}, timeout=0.2)
        if task.done():
            raise NotApplicable("`send` ended before it could be cancelled: the peer is not silent")
    for _ in range(3):
        await asyncio.sleep(0)
