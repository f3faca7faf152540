"""Checks of `send`, against the author's peer."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import msgspec

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
from gateway.registry import wording
from gateway.registry.patience import stop
from gateway.testkit.case import Bench, Defect, NotApplicable, NotTried, Peer, tame
from gateway.testkit.peers import CUT, SILENCE, Call
from gateway.testkit.watch import profiled

PROMPT_S: Final = 3.0
_LONGEST_GAP_S: Final = 1.0
_TRIES: Final = 3


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
            raise NotTried("the case names no `refused` messages")
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
    is_silent = bench.case.silent is not None or bench.speaks_http
    async with _quiet(bench) as peer, bench.opened(peer.config) as channel:
        task = asyncio.create_task(tame(_listened(channel, peer.messages)))
        await _let_it_wait(task, is_silent=is_silent)
        if not await stop(task, grace_s=PROMPT_S):
            raise Defect(f"a cancelled `send` was still at it after {PROMPT_S:g} s: let CancelledError pass")


async def every_message_gets_an_id_of_its_own(bench: Bench) -> None:
    if bench.capabilities.batched:
        raise NotApplicable("the channel is batched")
    async with bench.connected() as (channel, peer):
        outcomes = one_each(await bench.sent(channel, peer.messages), peer.messages)
    ids = [outcome.provider_id for outcome in outcomes.values() if outcome.provider_id is not None]
    for id in ids:
        if not isinstance(id, str) or wording.provider_id(id) != id:
            raise Defect("a provider's id is empty, not printable or longer than 255 characters")
    if len(set(ids)) < len(ids):
        raise Defect("two messages got the same id of the provider's: reports could not be told apart")


async def two_windows_at_once_are_not_mixed_up(bench: Bench) -> None:
    if bench.capabilities.batched:
        raise NotApplicable("the channel is batched")
    async with bench.connected() as (channel, peer):
        windows = [[_renamed(message, suffix) for message in peer.messages] for suffix in ("a", "b")]
        yielded = await asyncio.gather(*(bench.sent(channel, window) for window in windows))
    for told_, window in zip(yielded, windows, strict=True):
        for outcome in one_each(told_, window).values():
            if outcome.failure is not None:
                raise Defect(f"{outcome.message_id}: failed beside another window: {told(outcome.failure)}")


async def sending_leaves_the_loop_to_others(bench: Bench) -> None:
    if bench.capabilities.batched:
        raise NotApplicable("the channel is batched")
    gaps_s = []
    for _ in range(_TRIES):
        async with bench.connected() as (channel, peer), _ticking() as ticks:
            with profiled():
                await _sent_somehow(bench, channel, peer.messages)
        if bench.held_up:
            raise Defect(
                f"`send` holds up the loop ({', '.join(sorted(bench.held_up))}): everything else in the process waits; "
                "await something, or hand it to a thread (asyncio.to_thread)"
            )
        gaps_s.append(max(after - before for before, after in pairwise(ticks)))
    # A machine that is busy with something else may stand still once, but not each time.
    if min(gaps_s) > _LONGEST_GAP_S:
        raise Defect(f"`send` held up the loop for {min(gaps_s):.1f} s: everything else in the process waits")


async def _sent_somehow(bench: Bench, channel: Any, batch: Sequence[Outbound]) -> None:
    """What it says when it holds up the loop, and is refused to, does not matter beside that."""
    try:
        await bench.sent(channel, batch)
    except Exception:
        if not bench.held_up:
            raise


async def the_same_message_twice_has_the_same_key(bench: Bench) -> None:
    if not bench.capabilities.idempotent:
        raise NotApplicable("the capabilities do not say `idempotent`")
    async with bench.facing(bench.case.provider or CUT) as (peer, http), bench.opened(peer.config) as channel:
        # The second differs from the first by its id alone, and is sent between the first one's two tries.
        one, other = (_renamed(peer.messages[0], suffix) for suffix in ("a", "b"))
        said = []
        for message in (one, other, one, other):
            await bench.sent(channel, [message])
            said.append({value for call in http.calls for value in _values(call)})
            http.calls.clear()
    if not all(said):
        raise Defect("it says `idempotent`, but a message was not sent again")
    if not (said[0] & said[2]) - (said[1] | said[3]):
        raise Defect(
            "it says `idempotent`, but the second try has no key in common with the first: send `Outbound.id`, "
            "or something that is made of it alone"
        )


def _values(call: Call) -> Iterator[str]:
    """What could be a key: the header's values, and the words of the rest."""
    yield from (f"{name}: {value}" for name, value in call.headers.items())
    yield from re.findall(r"[\w.+=/-]{4,}", call.path + " " + call.body.decode("utf-8", "replace"))


def _renamed(message: Outbound, suffix: str) -> Outbound:
    return msgspec.structs.replace(message, id=f"{message.id}-{suffix}", send_id=f"{message.send_id}-{suffix}")


@asynccontextmanager
async def _ticking() -> AsyncIterator[list[float]]:
    """The moments at which the loop came round, while the block lasted."""
    clock = asyncio.get_running_loop().time
    ticks = [clock()]

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.01)
            ticks.append(clock())

    ticking = asyncio.create_task(tick())
    try:
        yield ticks
    finally:
        ticks.append(clock())
        await stop(ticking)


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
    async with bench.started() as peer:
        pass
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
    if bench.capabilities.batched:
        raise NotApplicable("the channel is batched")
    async with bench.started() as peer:
        pass
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


@asynccontextmanager
async def _quiet(bench: Bench) -> AsyncIterator[Peer]:
    """A peer that says nothing; where the case has none, one that takes messages."""
    if bench.case.silent is not None:
        async with bench.troubled(bench.case.silent) as peer:
            yield peer
    elif bench.speaks_http:
        async with bench.troubled(SILENCE) as peer:
            yield peer
    else:
        async with bench.started() as peer:
            yield peer


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
