"""A channel behind glass: it can fail, hang or talk nonsense, and the gateway hears sense."""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gateway.contract import (
    Address,
    BadSignature,
    BadWebhook,
    BatchTicket,
    BatchTotals,
    Capabilities,
    ChannelMisconfigured,
    Doubtful,
    Failure,
    Hear,
    Heard,
    Outbound,
    Outcome,
    PermanentFailure,
    Piece,
    PrintedPart,
    PrintFile,
    ProviderEvent,
    Quiet,
    RateLimited,
    TransientFailure,
    WebhookAnswer,
    WebhookRequest,
    Weight,
)
from gateway.registry import reports, wording
from gateway.registry.patience import GRACE_S, within
from gateway.registry.press import Press
from gateway.registry.sending import Sending

STUCK_CALLS: Final = 8
"""So many calls that would not end, and the channel is not called again before a restart."""

EVENTS_PER_CALL: Final = 10_000

HOOK_S: Final = 10.0
"""So long may a channel take to fetch or to answer what a provider's call asks for: providers wait for 10 to 15 s."""


class _Stumbled(Exception):
    """A channel raised what it must not; it is in the log."""


class Guarded:
    """Wraps a channel. Its methods are the channel's own, with the promises kept whatever the channel does.

    Not guarded: code that blocks the loop (a long computation, a blocking socket) and tasks
    that a channel starts on its own.
    """

    def __init__(self, channel: Any, log: Any, *, grace_s: float = GRACE_S) -> None:
        self.kind: str = channel.kind
        self.capabilities: Capabilities = channel.capabilities
        self._channel = channel
        self._log = log
        self._press = Press(channel, log)
        self._grace_s = grace_s
        self._opening = asyncio.Lock()
        self._is_open = False
        self._stuck: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Open the channel unless it is open. Raises a Failure; the next call of anything tries again."""
        async with self._opening:
            if not self._is_open:
                # half the time, so that a send that has to open first keeps the other half
                await self._ask("open", self._channel.open, self.capabilities.timeout_s / 2)
                self._is_open = True

    async def close(self) -> None:
        """Close the channel, also one that never opened. Never raises and always ends."""
        with contextlib.suppress(Failure):
            await self._ask("close", self._channel.close, self.capabilities.timeout_s)
        self._is_open = False

    async def check(self) -> None:
        """Raises ChannelMisconfigured, RateLimited or TransientFailure where sending cannot work now."""
        self._refuse_when_stuck()
        await self.open()
        await self._ask("check", self._channel.check, self.capabilities.timeout_s)

    async def send(self, batch: Sequence[Outbound]) -> AsyncGenerator[Outcome, None]:
        """Exactly one outcome for each message of the batch, as they become known.

        Asks the channel for no more after its `timeout_s`, opening included, and ends at the latest
        when the grace to tidy up is over. Where the channel cannot be opened, nothing was sent and
        every message gets that failure. Close it (`aclosing`) when leaving it early.
        """
        deadline = asyncio.get_running_loop().time() + self.capabilities.timeout_s
        try:
            self._refuse_when_stuck()
            await self.open()
        except Failure as failure:
            for message in batch:
                yield Outcome.failed(message, wording.plain(failure, (message,)))
            return
        sending = Sending(self._channel, batch, deadline=deadline, grace_s=self._grace_s, log=self._log)
        try:
            async with contextlib.aclosing(sending.outcomes()) as outcomes:
                async for outcome in outcomes:
                    yield outcome
        finally:
            self._remember(sending.abandoned)

    async def look_up(self, messages: Sequence[Doubtful]) -> dict[str, tuple[str, ...]]:
        """By message, the provider's ids that it may have, none where it never arrived; without those nobody knows of.

        Raises ChannelMisconfigured, RateLimited or TransientFailure where the provider cannot be asked.
        """
        self._refuse_when_stuck()
        await self.open()
        asked = {each.message.id for each in messages}
        told = await self._ask("look_up", lambda: self._channel.look_up(messages), self.capabilities.timeout_s)
        try:
            return reports.traces(told, asked)
        except Exception as error:
            self._report("look_up", error)
            return {}

    @property
    def brands(self) -> frozenset[str]:
        """The sender profiles that the channel knows besides its own."""
        return frozenset(getattr(self._channel, "brands", ()))

    @property
    def published(self) -> Mapping[str, str]:
        """What anybody may know of the channel."""
        return dict(getattr(self._channel, "published", {}))

    @property
    def weighs(self) -> bool:
        """Whether the channel has a measure of its own; for one without, a message need not be made to be weighed."""
        return getattr(type(self._channel), "weigh", Quiet.weigh) is not Quiet.weigh

    def weigh(self, message: Outbound) -> Weight:
        """What a message comes to. Raises PermanentFailure where it could never be taken as it is."""
        weigh = getattr(self._channel, "weigh", None)
        try:
            return Weight() if weigh is None else reports.weight(weigh(message))
        except PermanentFailure as failure:
            raise wording.plain(failure, (message,)) from None
        except BaseException as error:
            self._report("weigh", error)
            return Weight()

    def examine(self, address: Address) -> None:
        """Raises PermanentFailure where the channel could never write to an address, or stumbles over it."""
        examine = getattr(self._channel, "examine", None)
        if examine is None:
            return
        try:
            examine(address)
        except PermanentFailure as failure:
            raise wording.plain(failure) from None
        except BaseException as error:
            self._report("examine", error)
            raise PermanentFailure("adapter-bug", "the channel stumbled over the address") from None

    async def listen(self, hear: Hear) -> None:
        """The channel's own `listen`, until cancelled. Raises a Failure, for the caller to start it again."""
        await self.open()

        async def fit(told: Sequence[Heard]) -> None:
            await hear([reports.fit(each) for each in told])

        await self._translated("listen", lambda: self._channel.listen(fit))

    async def prepare(self, request: WebhookRequest) -> None:
        """Lets the channel fetch what `verify` needs. Raises BadSignature; a channel that stumbles refuses the call.

        Raises TransientFailure where that cannot be had now: a refusal would be final for many a provider.
        """
        if prepare := getattr(self._channel, "prepare", None):
            try:
                await within(HOOK_S, self._tamed("prepare", lambda: prepare(request)), grace_s=self._grace_s)
            except (_Stumbled, TimeoutError):
                raise BadSignature from None

    async def answer(self, request: WebhookRequest) -> WebhookAnswer | None:
        """What a verified call wants to hear. Nothing where the channel stumbles: its events are on record.

        Raises TransientFailure where it cannot be answered now: the provider is to come again.
        """
        if answer := getattr(self._channel, "answer", None):
            with contextlib.suppress(_Stumbled, TimeoutError):
                told = await within(HOOK_S, self._tamed("answer", lambda: answer(request)), grace_s=self._grace_s)
                return told if isinstance(told, WebhookAnswer) else None
        return None

    def verify(self, request: WebhookRequest) -> None:
        """Raises BadSignature unless the channel accepts the call. A channel that stumbles refuses it."""
        try:
            answer = self._channel.verify(request)
        except BadSignature:
            raise BadSignature from None
        except BaseException as error:
            self._report("verify", error)
            raise BadSignature from None
        if answer is not None:
            # A coroutine never ran and a False is a refusal that would pass for consent.
            if inspect.iscoroutine(answer):
                answer.close()
            self._log.error("channel.adapter_bug", at="verify must raise or return nothing")
            raise BadSignature

    def parse(self, request: WebhookRequest) -> list[Heard]:
        """What a verified call tells, each of it fit to be stored. Raises BadWebhook."""
        try:
            heard = self._listed(self._channel.parse(request))
        except BadWebhook as refused:
            raise BadWebhook(wording.line(str(refused), wording.DETAIL_CHARS)) from None
        except BaseException as error:
            self._report("parse", error)
            raise BadWebhook("the channel cannot read this call") from None
        told = {each.type for each in heard if isinstance(each, ProviderEvent)}
        for kind in told - self.capabilities.reports:
            self._log.warning("channel.undeclared_event", type=kind.value)
        return heard

    @property
    def part_size(self) -> int:
        """The most pieces of one part of a batch. Raises ChannelMisconfigured."""
        return self._press.part_size

    async def write_part(
        self, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path
    ) -> tuple[PrintFile, ...]:
        """The files of a part, looked at. Raises PiecesRefused, for these pieces only, or ChannelMisconfigured.

        A thread cannot be stopped: when this is cancelled, the channel goes on writing to `folder`.
        """
        return await asyncio.to_thread(self._press.write_part, ticket, number, pieces, folder)

    async def write_papers(
        self, ticket: BatchTicket, totals: BatchTotals, parts: Sequence[PrintedPart], folder: Path
    ) -> tuple[PrintFile, ...]:
        """The files that go with all parts. Raises ChannelMisconfigured; its code is `unbalanced` where they do not
        add up."""
        return await asyncio.to_thread(self._press.write_papers, ticket, totals, parts, folder)

    async def write_proof(self, ticket: BatchTicket, pieces: Sequence[Piece], target: Path) -> PrintFile:
        """The proof, written to `target`. Raises PiecesRefused or ChannelMisconfigured."""
        return await asyncio.to_thread(self._press.write_proof, ticket, pieces, target)

    async def picture(self, message: Outbound) -> bytes:
        """A PNG picture of one piece. Raises PiecesRefused or ChannelMisconfigured."""
        return await asyncio.to_thread(self._press.picture, message)

    async def _ask(self, name: str, method: Any, limit_s: float) -> Any:
        try:
            return await within(limit_s, self._translated(name, method), grace_s=self._grace_s)
        except TimeoutError:
            self._log.error("channel.no_answer", at=name)
            raise TransientFailure("no-answer", f"{name} did not end within {limit_s:g} s") from None

    async def _translated(self, name: str, method: Any) -> Any:
        """Runs in a task of its own, which nothing but a Failure or a cancellation may leave."""
        try:
            return await method()
        except (ChannelMisconfigured, RateLimited, TransientFailure) as failure:
            raise wording.plain(failure) from None
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._report(name, error)
            raise ChannelMisconfigured("adapter-bug", wording.where(error)) from None

    async def _tamed(self, name: str, method: Any) -> Any:
        """Runs in a task of its own, which no SystemExit of a channel may leave."""
        try:
            return await method()
        except (BadSignature, asyncio.CancelledError):
            raise
        except TransientFailure as failure:
            raise wording.plain(failure) from None
        except BaseException as error:
            self._report(name, error)
            raise _Stumbled from None

    def _refuse_when_stuck(self) -> None:
        if len(self._stuck) >= STUCK_CALLS:
            raise ChannelMisconfigured(
                "stuck", f"{len(self._stuck)} calls of send did not let themselves be stopped; restart the gateway"
            )

    def _remember(self, task: asyncio.Task[None] | None) -> None:
        if task is not None and not task.done():
            self._stuck.add(task)
            task.add_done_callback(self._stuck.discard)

    def _listed(self, told: Any) -> list[Heard]:
        if inspect.iscoroutine(told):
            told.close()
        heard: list[Heard] = []
        for each in told:
            if len(heard) == EVENTS_PER_CALL:
                raise BadWebhook(f"more than {EVENTS_PER_CALL} events in one call")
            heard.append(reports.fit(each))
        return heard

    def _report(self, name: str, error: BaseException) -> None:
        self._log.error("channel.adapter_bug", method=name, at=wording.where(error))
