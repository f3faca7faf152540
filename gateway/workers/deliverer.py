"""The sends of one channel: claimed, rendered, handed over, recorded.

While one claim is being handed over, the next is claimed and rendered; what is urgent is taken beside it and goes
before it. Only the window in flight can ever be in doubt.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Concatenate, Final, NamedTuple, ParamSpec, TypeVar

import structlog

from gateway.contract import ChannelMisconfigured, Outbound, Outcome, RateLimited
from gateway.domain.lanes import ALL_BULK, URGENT_ONLY
from gateway.domain.words import SendKey
from gateway.rendering import RenderBatch, Rendered
from gateway.services import compose, reap, record
from gateway.services.channels import is_tried_out
from gateway.services.claim import Claim, claim, places_due
from gateway.services.compose import Draft
from gateway.services.installation import Installation
from gateway.services.record import Answered
from gateway.storage.database import Transaction, Unavailable
from gateway.workers.crew import Crew
from gateway.workers.loop import Patience, keep_working
from gateway.workers.windows import Chunks, Envelope, Waiting, windows_of

P = ParamSpec("P")
T = TypeVar("T")

log: Any = structlog.get_logger()

_FLUSH_S: Final = 0.25
"""Outcomes wait so long at most before they are on record."""
_CLAIM_S: Final = 0.5
"""A claim should hold about so much of the channel's pace, within its limits."""


class Prepared(NamedTuple):
    claim: Claim
    envelopes: list[Envelope]


class _Next(NamedTuple):
    """A claim that is ready, with the room that it takes until it is begun. In the order to begin them."""

    lane: int
    claim_id: int
    prepared: Prepared
    room: asyncio.Semaphore


class Deliverer:
    """Delivers for one channel until told to stop."""

    def __init__(self, crew: Crew, channel: str) -> None:
        self._crew = crew
        self._channel = channel
        self._capabilities = crew.installation.channels[channel]
        self._limit = self._capabilities.window
        # Room for one of each: the claims behind the one being handed over, urgent ones first.
        self._room = {lanes: asyncio.Semaphore(1) for lanes in (URGENT_ONLY, ALL_BULK)}
        self._ready: asyncio.PriorityQueue[_Next] = asyncio.PriorityQueue()
        self._stopping = asyncio.Event()
        self._is_out_of_time = False
        self._patience = Patience(f"record:{channel}")
        self._held: set[int] = set()
        self._turn = 0

    async def claim_urgent(self) -> int:
        """Take what is urgent, while bulk is waiting to be handed over. Returns how many sends were looked at."""
        return await self._claim_and_render(URGENT_ONLY)

    async def claim_bulk(self) -> int:
        """Take what is not. Returns how many sends were looked at."""
        self._turn += 1
        return await self._claim_and_render(ALL_BULK)

    async def _claim_and_render(self, lanes: Sequence[int]) -> int:
        """Take what is due in some lanes, once there is room for it, and make its messages."""
        room = self._room[tuple(lanes)]
        await room.acquire()
        prepared: Prepared | None = None
        try:
            if self._stopping.is_set():
                return 0
            found, prepared = await self._take(lanes)
            return found
        finally:
            if prepared is None:
                room.release()
            else:
                self._ready.put_nowait(_Next(lanes[0], prepared.claim.id, prepared, room))

    async def _take(self, lanes: Sequence[int]) -> tuple[int, Prepared | None]:
        """How many sends were looked at, and the first claim that came of it."""
        places, is_trial = await self._crew.db.read(_look, self._crew.installation, self._channel, self._turn, lanes)
        # A channel that has rested is tried out with one message.
        limit, found = 1 if is_trial else self._limit, 0
        for place in places:
            taken = await self._crew.db.write(
                claim,
                self._crew.installation,
                self._channel,
                place,
                worker=self._crew.name,
                lease=self._crew.lease,
                limit=limit,
            )
            if isinstance(taken, Claim):
                self._held.add(taken.id)
                self._crew.meters.claimed(self._channel, len(taken.members))
                return found + len(taken.members), await self._prepare(taken)
            found += taken or 0
        return found, None

    async def deliver(self) -> int:
        """Hand over a claim that is ready. Returns how many sends it held."""
        try:
            following = await asyncio.wait_for(self._ready.get(), self._crew.settings.poll_s)
        except TimeoutError:
            return 0
        following.room.release()
        prepared = following.prepared
        await self._hand_over(prepared)
        return len(prepared.envelopes)

    def stop(self) -> None:
        """Finish the window in flight and begin no other."""
        self._stopping.set()

    def hurry(self) -> None:
        """Wait for the database no longer: what cannot be written at once is left to the lease."""
        self._is_out_of_time = True

    async def keep_leases(self) -> None:
        """Prolong the leases of what is held here, for as long as the loop runs that all of this runs in.

        A channel that blocks the loop loses them when it does so for longer than two thirds of a lease.
        """
        while True:
            await asyncio.sleep(self._crew.settings.lease_s / 3)
            if self._held:
                with contextlib.suppress(Unavailable):
                    await self._crew.db.write_urgently(reap.prolong, list(self._held), self._crew.lease)

    async def put_back(self) -> None:
        """Return claims that were prepared and never begun."""
        while not self._ready.empty():
            following = self._ready.get_nowait()
            following.room.release()
            await self._close(following.prepared.claim)

    async def _prepare(self, taken: Claim) -> Prepared:
        try:
            return await self._render(taken)
        except BaseException:
            # Nobody was called: the sends go back at once instead of when the lease runs out.
            await self._close(taken)
            raise

    async def _render(self, taken: Claim) -> Prepared:
        self._crew.time.saw(taken.business_now)
        drafts = await self._crew.db.read(
            compose.drafts_of, self._crew.installation, self._channel, list(taken.members)
        )
        refused = {draft.key: "no_address" for draft in drafts.drafts if not draft.addresses}
        envelopes: list[Envelope] = []
        for digest, content in drafts.contents.items():
            group = [draft for draft in drafts.drafts if draft.content_hash == digest and draft.addresses]
            batch = RenderBatch(content=content, contexts=[draft.context for draft in group])
            for draft, result in zip(group, await self._crew.pool.render(batch), strict=True):
                if isinstance(result, Rendered):
                    envelopes.append(self._envelope(draft, result))
                elif result.was_tried:
                    refused[draft.key] = result.told()
        if refused:
            await self._crew.db.write(record.give_up, self._crew.installation, taken, refused)
        return Prepared(taken, envelopes)

    def _envelope(self, draft: Draft, result: Rendered) -> Envelope:
        messages = compose.outbounds(self._crew.installation, self._channel, draft, result.locale, result.parts)
        ids = [address_id for address_id, _ in draft.addresses]
        return Envelope(draft.key, tuple(zip(ids, messages, strict=True)))

    async def _hand_over(self, prepared: Prepared) -> None:
        taken, began_s = prepared.claim, time.monotonic()
        envelopes = [] if self._stopping.is_set() else prepared.envelopes
        windows = windows_of(envelopes, self._capabilities.window)
        try:
            first = [envelope.key for envelope in windows[0]] if windows else []
            started = await self._crew.db.write(record.start, taken, first, self._crew.lease)
            for window, following in itertools.zip_longest(windows, windows[1:], fillvalue=()):
                started = await self._send(taken, [each for each in window if each.key in started], following)
                if not started:
                    break
        finally:
            await self._close(taken)
        self._learn(len(envelopes), time.monotonic() - began_s)

    async def _send(self, taken: Claim, window: Sequence[Envelope], after: Sequence[Envelope]) -> set[SendKey]:
        """Hand over one window and record it; start the next with the record of its last outcomes."""
        waiting = Waiting(window)
        following = [envelope.key for envelope in after]
        messages = [message for envelope in window for _, message in envelope.messages]
        unsaved: list[Answered] = []
        chunks = Chunks(self._channel_send(messages), _FLUSH_S)
        try:
            while (outcomes := await chunks.next()) is not None:
                unsaved += waiting.answered(outcomes)
                if self._stopping.is_set() or any(_ends_claim(outcome) for outcome in outcomes):
                    following = []
                if unsaved and not waiting.done():
                    await self._record(taken, unsaved, [])
                    unsaved = []
            return await self._record(taken, unsaved, following)
        except asyncio.CancelledError:
            # Out of time: what is known already need not come to be in doubt.
            with contextlib.suppress(Unavailable):
                await self._record(taken, [*unsaved, *waiting.answered(chunks.left())], [])
            raise
        finally:
            await chunks.aclose()

    async def _channel_send(self, messages: Sequence[Outbound]) -> AsyncGenerator[Outcome, None]:
        """One call of the channel; more where a single send has more messages than a window may hold."""
        channel, most = self._crew.registry.ready[self._channel].channel, self._capabilities.window
        meters, began_s = self._crew.meters, time.monotonic()
        for start in range(0, len(messages), most):
            async with contextlib.aclosing(channel.send(messages[start : start + most])) as outcomes:
                async for outcome in outcomes:
                    meters.outcome(self._channel, record.outcome_word(outcome))
                    yield outcome
        meters.handed_over(self._channel, time.monotonic() - began_s)

    async def _record(self, taken: Claim, answered: Sequence[Answered], following: Sequence[SendKey]) -> set[SendKey]:
        began_s = time.monotonic()
        started = await self._patiently(
            record.record, self._crew.installation, taken, answered, following, self._crew.lease
        )
        self._crew.meters.recorded(self._channel, time.monotonic() - began_s)
        return started

    async def _close(self, taken: Claim) -> None:
        """End a claim. Out of time and without a database, its lease will."""
        try:
            with contextlib.suppress(Unavailable):
                await self._patiently(record.close, taken)
        finally:
            # What it leaves behind without an outcome is settled when its lease ends.
            self._held.discard(taken.id)

    async def _patiently(self, write: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Write what must not be forgotten: while the database is away, again and again, as long as there is time."""
        pause_s = 0.1
        while True:
            try:
                done = await self._crew.db.write(write, *args, **kwargs)
                self._patience.goes_on()
                return done
            except Unavailable as error:
                if self._is_out_of_time:
                    raise
                self._patience.waits(error)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 5.0)

    def _learn(self, sent: int, took_s: float) -> None:
        """Claim about half a second's worth of what the channel has just shown it can take."""
        if sent:
            pace = int(sent / max(took_s, 0.001) * _CLAIM_S)
            self._limit = max(self._capabilities.window, min(pace, self._crew.settings.claim_size))


def _ends_claim(outcome: Outcome) -> bool:
    """Whether the rest of the claim had better wait: the channel is paused or paced from now on."""
    failure = outcome.failure
    return isinstance(failure, ChannelMisconfigured) or (isinstance(failure, RateLimited) and failure.paces_channel)


def _look(
    tx: Transaction, installation: Installation, channel: str, turn: int, lanes: Sequence[int]
) -> tuple[list[tuple[int, int]], bool]:
    """Where there is something to take, and whether it tries the channel out: one hop to the database for both."""
    places = places_due(tx, installation, channel, turn, lanes)
    return places, bool(places) and is_tried_out(tx, channel)


async def run_deliverer(crew: Crew, channel: str, stop: asyncio.Event) -> None:
    """Claim, render and deliver for a channel until `stop`; what was not begun then goes back."""
    deliverer = Deliverer(crew, channel)
    poll_s = crew.settings.poll_s
    loops = [
        asyncio.create_task(
            keep_working(name, work, poll_s=pause_s, stop=stop, meters=crew.meters),
        )
        for name, work, pause_s in (
            (f"urgent claims:{channel}", deliverer.claim_urgent, poll_s),
            (f"claims:{channel}", deliverer.claim_bulk, poll_s),
            (f"delivery:{channel}", deliverer.deliver, 0.0),
        )
    ]
    heart = asyncio.create_task(deliverer.keep_leases())
    try:
        await stop.wait()
        deliverer.stop()
        while not all(loop.done() for loop in loops):
            await deliverer.put_back()
            await asyncio.wait(loops, timeout=0.05)
        await deliverer.put_back()
    finally:
        # They must not outlive the database and the channels that they work with.
        deliverer.hurry()
        for task in (*loops, heart):
            task.cancel()
        await asyncio.gather(*loops, heart, return_exceptions=True)
