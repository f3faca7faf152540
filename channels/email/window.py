"""One call of `send`: the messages wait in one box, and connections of the relays take from it as they can."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final

from channels.email.domains import Domains
from channels.email.mail import Mail
from channels.email.outbox import Outbox, Parcel
from channels.email.pool import NoConnection
from channels.email.relays import Relay, Relays
from gateway.contract import (
    ChannelMisconfigured,
    Failure,
    Outbound,
    Outcome,
    OutcomeUnknown,
    RateLimited,
    TransientFailure,
)

_TRIES: Final = 2
"""So often a mail is begun whose turn it was when a connection ended."""
_BUSY_S: Final = 5.0


class Window:
    """A relay that fails gives its mails back, and the others carry them; nothing is given to one twice.

    What the domains hold back waits for its turn, or goes back to the gateway. Mails are begun until `begin_by_s`
    and cut off at `end_by_s`, both in loop time.
    """

    def __init__(
        self,
        batch: Sequence[Outbound],
        compose: Callable[[Outbound], Mail],
        relays: Relays,
        domains: Domains,
        *,
        begin_by_s: float,
        end_by_s: float,
        is_slow: bool = False,
    ) -> None:
        """`is_slow`: composing takes so long that it happens in a thread, ahead of the connections."""
        self._box = Outbox(batch, compose, domains, self._tell, is_slow=is_slow)
        self._relays = relays
        self._domains = domains
        self._begin_by_s = begin_by_s
        self._end_by_s = end_by_s
        self._loop = asyncio.get_running_loop()
        self._told: deque[Outcome] = deque()
        self._news: asyncio.Future[None] | None = None
        self._underway: dict[int, Parcel] = {}
        """By the identity of their mails."""
        self._writer: asyncio.Task[None] | None = None
        self._lanes: dict[asyncio.Task[None], Relay] = {}
        self._shares: dict[Relay, int] = {}
        """How many mails each relay is still to carry."""
        self._tried: set[Relay] = set()
        """Relays that have failed."""
        self._refusal: Failure | None = None
        self._bug: BaseException | None = None
        self._is_over = False

    async def outcomes(self) -> AsyncGenerator[Outcome, None]:
        """One for each message, as they become known."""
        told = self._told
        try:
            self._share_out()
            if self._box.unwritten:
                self._writer = asyncio.create_task(self._box.write_ahead(self._staff))
                self._writer.add_done_callback(self._ended)
            while True:
                while told:
                    yield told.popleft()
                if not self._tasks:
                    break
                await self._next_news()
        finally:
            await self._stop()
        for outcome in self._left_over():
            yield outcome
        if self._bug is not None:
            raise self._bug

    def take(self, relay: Relay) -> Mail | None:
        """The next mail for a relay; None where it has carried its share, or it is too late to begin."""
        parcel = self._box.take() if self._may_carry(relay) else None
        if parcel is None or parcel.mail is None:
            return None
        self._underway[id(parcel.mail)] = parcel
        self._shares[relay] -= 1
        return parcel.mail

    def settle(self, relay: Relay, mail: Mail, failure: Failure | None) -> None:
        """What a relay has said of a mail, or not said."""
        parcel = self._underway.pop(id(mail))
        self._box.done(parcel)
        if isinstance(failure, ChannelMisconfigured) or (isinstance(failure, RateLimited) and failure.paces_channel):
            # It means us, not this mail: another relay may carry it.
            self._box.put_back(parcel)
            self._give_up(relay, failure)
            return
        self._judge(relay, parcel, failure)
        self._domains.heard(parcel.domain, failure, self._loop.time())
        if failure is None:
            self._tell(Outcome.accepted(parcel.message, mail.message_id))
        else:
            self._tell(Outcome.failed(parcel.message, failure))

    def give_back(self, relay: Relay, mail: Mail, failure: Failure, *, on_its_turn: bool) -> None:
        """A mail of which nothing was sent. One that was begun often enough, or waited for long, is done with."""
        parcel = self._underway.pop(id(mail))
        self._box.done(parcel)
        parcel.tries += on_its_turn
        if parcel.tries >= _TRIES or (on_its_turn and failure.code == "no-answer"):
            self._tell(Outcome.failed(parcel.message, failure))
            return
        self._box.put_back(parcel)
        if relay in self._shares:
            self._shares[relay] += 1

    def _judge(self, relay: Relay, parcel: Parcel, failure: Failure | None) -> None:
        """What the outcome of a mail says of the relay."""
        health, was_ill = relay.health, relay.health.why is not None
        if failure is None:
            health.well(self._loop.time())
        elif not isinstance(failure, OutcomeUnknown):
            health.answers(self._loop.time())
        if isinstance(failure, RateLimited) and health.slows_many(parcel.domain):
            # Not this or that destination gets too much, but the relay itself.
            self._give_up(relay, RateLimited(failure.retry_after_s, failure.code, failure.detail))
        elif was_ill and health.why is None:
            self._staff()

    def _may_carry(self, relay: Relay) -> bool:
        return self._shares.get(relay, 0) > 0 and not self._is_over and self._loop.time() < self._begin_by_s

    def _give_up(self, relay: Relay, why: Failure) -> None:
        """The relay is ill, and carries nothing more of this window."""
        self._relays.ill(relay, why)
        self._without(relay)

    def _without(self, relay: Relay) -> None:
        """Others take over what waits."""
        self._tried.add(relay)
        self._share_out()

    def _share_out(self) -> None:
        """Give what waits to relays that have not failed yet."""
        self._shares = self._relays.shares(self._box.ready + len(self._box.unwritten), self._tried)
        self._staff()

    def _staff(self) -> None:
        """As many lanes for each relay as it has mails to carry and takes connections."""
        if self._is_over or self._loop.time() >= self._begin_by_s:
            return
        for relay, share in self._shares.items():
            # One that was ill shows with a single connection whether it works again.
            most = relay.pool.room if relay.health.why is None else 1
            for _ in range(min(share, self._box.ready, most) - self._at_work(relay)):
                lane = asyncio.create_task(self._lane(relay))
                self._lanes[lane] = relay
                lane.add_done_callback(self._ended)

    def _at_work(self, relay: Relay) -> int:
        """How many lanes a relay has."""
        return sum(1 for lane, each in self._lanes.items() if each is relay and not lane.done())

    async def _lane(self, relay: Relay) -> None:
        load = _Lane(self, relay)
        while self._may_carry(relay) and self._box.has_mail():
            try:
                connection = await relay.pool.borrow(self._begin_by_s)
            except NoConnection as none:
                self._refused(relay, none.failure)
                return
            except TransientFailure:
                return
            try:
                is_sound = await connection.carry(load, self._end_by_s)
            finally:
                relay.pool.give_back(connection)
            if not is_sound and relay.health.breaks_too_often():
                self._give_up(relay, TransientFailure("connection-lost", "nothing was sent: connections keep breaking"))

    def _refused(self, relay: Relay, why: Failure) -> None:
        """No connection was to be had. While others of the relay work, that costs nothing but this lane."""
        self._refusal = why
        if self._at_work(relay) > 1:
            return
        if not relay.pool.open and why.code != "closed":
            self._relays.ill(relay, why)
            relay.pool.forget_crowd()
        self._without(relay)

    @property
    def _tasks(self) -> list[asyncio.Task[None]]:
        return [*self._lanes, *([] if self._writer is None else [self._writer])]

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task is self._writer:
            self._writer = None
        else:
            del self._lanes[task]
        if not task.cancelled() and task.exception() is not None:
            self._bug = task.exception()
        elif not self._tasks and self._box.ready and self._loop.time() < self._begin_by_s and self._bug is None:
            self._share_out()
        self._wake()

    async def _stop(self) -> None:
        self._is_over = True
        tasks = self._tasks
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
        for parcel in self._underway.values():
            # Whoever carried it was cut off; its destination must not wait for it.
            self._box.done(parcel)

    def _left_over(self) -> list[Outcome]:
        """Nobody carries these any more: why is the same for all."""
        why: Failure = TransientFailure("not-started", "the relays are too slow to take the whole window")
        if self._refusal is not None or self._loop.time() < self._begin_by_s:
            why = self._relays.why_none(self._refusal or why)
        busy = RateLimited(_BUSY_S, "domain-busy", "nothing was sent: the destination is busy", scope="message")
        told = [Outcome.failed(message, why) for message in self._box.left()]
        return told + [Outcome.failed(message, busy) for message in self._box.held()]

    def _tell(self, outcome: Outcome) -> None:
        self._told.append(outcome)
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _next_news(self) -> None:
        if not self._told:
            self._news = self._loop.create_future()
            try:
                await self._news
            finally:
                self._news = None


class _Lane:
    """The window, as a connection of one relay sees it."""

    def __init__(self, window: Window, relay: Relay) -> None:
        self._window = window
        self._relay = relay

    def take(self) -> Mail | None:
        return self._window.take(self._relay)

    def settle(self, mail: Mail, failure: Failure | None) -> None:
        self._window.settle(self._relay, mail, failure)

    def give_back(self, mail: Mail, failure: Failure, *, on_its_turn: bool) -> None:
        self._window.give_back(self._relay, mail, failure, on_its_turn=on_its_turn)
