"""Turns one call of a channel's `send`, however it behaves, into exactly one outcome per message."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from gateway.contract import (
    ChannelMisconfigured,
    Failure,
    Outbound,
    Outcome,
    OutcomeUnknown,
    RateLimited,
    TransientFailure,
)
from gateway.registry import wording
from gateway.registry.patience import give_up, stop

_OF_THE_WHOLE_CALL = (ChannelMisconfigured, RateLimited, TransientFailure, OutcomeUnknown)
"""The failures that can be meant for all messages at once. The others are about one person."""


class Sending:
    """One call of `send`: the channel runs in a task of its own, so that it can be left behind.

    `deadline` is in the loop's time.
    """

    def __init__(self, channel: Any, batch: Sequence[Outbound], *, deadline: float, grace_s: float, log: Any) -> None:
        self._channel = channel
        self._batch = batch
        self._deadline = deadline
        self._grace_s = grace_s
        self._log = log
        self._waiting = {message.id: message for message in batch}
        self._answers: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self._verdict: Failure = OutcomeUnknown("no-outcome", "the channel ended without an outcome for this message")
        self._strays = 0
        self._stopping = False
        self.abandoned: asyncio.Task[None] | None = None

    async def outcomes(self) -> AsyncGenerator[Outcome, None]:
        """One outcome per message of the batch: as they come, and at the end those that never came."""
        task = asyncio.create_task(self._run())
        alarm = asyncio.get_running_loop().call_at(self._deadline, self._expire, task)
        try:
            while (answer := await self._answers.get()) is not None:
                yield answer
        finally:
            alarm.cancel()
            await self._end(task)
        for message in self._waiting.values():
            yield Outcome.failed(message, wording.plain(self._verdict, (message,)))

    def _expire(self, task: asyncio.Task[None]) -> None:
        """Ask the channel to stop. What it still answers within the grace counts: it knows best what left."""
        self._verdict = OutcomeUnknown("no-answer", "no outcome within the channel's time limit")
        self._stopping = True
        task.cancel()
        asyncio.get_running_loop().call_later(self._grace_s, self._leave, task)

    def _leave(self, task: asyncio.Task[None]) -> None:
        if not (task.done() or self.abandoned):
            give_up(task)
            self._abandon(task)
            self._answers.put_nowait(None)

    async def _end(self, task: asyncio.Task[None]) -> None:
        self._stopping = True
        if not (task.done() or self.abandoned) and not await stop(task, grace_s=self._grace_s):
            self._abandon(task)
        if self._strays:
            self._log.warning("channel.stray_outcomes", count=self._strays)

    def _abandon(self, task: asyncio.Task[None]) -> None:
        self.abandoned = task
        self._log.error("channel.abandoned", unanswered=len(self._waiting))

    async def _run(self) -> None:
        """Feeds the channel's answers to the caller. Every way in which it can end, ends here."""
        stream: Any = None
        try:
            stream = self._channel.send(self._batch)
            await self._feed(stream)
        except Failure as failure:
            self._judge(failure)
        except GeneratorExit:
            stream = None  # the loop is gone, nothing can be awaited any more
            raise
        except asyncio.CancelledError as error:
            if self._stopping:
                raise
            self._blame(error)
        except BaseException as error:
            # SystemExit or KeyboardInterrupt that leaves a task would stop the whole program;
            # a panic in a Rust extension is a BaseException too.
            self._blame(error)
        finally:
            await self._close(stream)
            self._answers.put_nowait(None)

    async def _feed(self, stream: Any) -> None:
        async for told in stream:
            if self.abandoned:
                return
            answer = self._checked(told)
            if answer is None:
                self._strays += 1
                await asyncio.sleep(0)  # an endless stream of nonsense must not hold up the loop
            else:
                self._answers.put_nowait(answer)

    def _checked(self, told: Any) -> Outcome | None:
        """The outcome fit to be recorded, or None where it belongs to no message that waits for one."""
        message_id = told.message_id if isinstance(told, Outcome) else None
        message = self._waiting.pop(message_id, None) if isinstance(message_id, str) else None
        if message is None:
            return None
        provider_id = wording.provider_id(told.provider_id)
        if provider_id != told.provider_id:
            self._log.warning("channel.provider_id_unfit", message_id=message.id)
        if told.failure is None:
            return Outcome(message_id=message.id, provider_id=provider_id)
        failure = (
            wording.plain(told.failure, (message,))
            if isinstance(told.failure, Failure)
            else wording.adapter_bug("an outcome whose failure is none")
        )
        return Outcome(message_id=message.id, provider_id=provider_id or failure.provider_id, failure=failure)

    def _judge(self, failure: Failure) -> None:
        if isinstance(failure, _OF_THE_WHOLE_CALL) or len(self._batch) == 1:
            self._verdict = failure
        else:
            # RecipientGone for a whole batch would suppress people whom nobody asked about.
            self._blame(failure)

    def _blame(self, error: BaseException) -> None:
        if not self._stopping:  # what it raises on being stopped is not why it was stopped
            self._verdict = wording.adapter_bug(wording.where(error))
        self._log.error("channel.adapter_bug", at=wording.where(error), unanswered=len(self._waiting))

    async def _close(self, stream: Any) -> None:
        try:
            if inspect.iscoroutine(stream):
                stream.close()
            elif hasattr(stream, "aclose"):
                await stream.aclose()
        except asyncio.CancelledError:
            return
        except BaseException as error:
            self._log.error("channel.adapter_bug", at=wording.where(error), unanswered=len(self._waiting))
