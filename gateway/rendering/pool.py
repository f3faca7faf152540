"""Rendering many messages in worker processes, none of which can harm another message."""

import asyncio
import hashlib
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from msgspec import Raw, Struct

from gateway.rendering import wire
from gateway.rendering.batch import RenderBatch, RenderFailure, Result
from gateway.rendering.process import RenderingUnavailable, WorkerLost, WorkerProcess

__all__ = ["RenderPool", "RenderingUnavailable"]

SLICE: Final = 100
"""Messages in one question to a worker: enough to make the pipe's cost small, few enough to share the work."""
MOST_LOST: Final = 5
"""Workers that one batch may cost before the rest of it is left alone."""
MEMORY_BYTES: Final = 512 * 1024 * 1024

_DETAILS: Final = {
    "render-timeout": "rendering took longer than its limit; look for loops within loops over long lists",
    "render-crash": "the worker process died over this message, for want of memory usually",
    "render-abandoned": "not tried: too many messages of this batch took too long or too much memory",
}


class Encoded(Struct, frozen=True, kw_only=True):
    """A content ready for the pipe."""

    digest: str
    content: Raw


class Losses:
    """How many messages of a batch have cost a worker."""

    def __init__(self) -> None:
        self.count = 0


class RenderPool:
    """`async with RenderPool(processes=2) as pool: results = await pool.render(batch)`.

    A slice of a batch that takes longer than `batch_timeout_s`, or kills its worker, is done
    again one by one with `message_timeout_s` each, so that only the messages at fault fail.
    Rendering is pure: doing it twice does no harm.
    """

    def __init__(
        self,
        *,
        processes: int,
        batch_timeout_s: float = 10.0,
        message_timeout_s: float = 2.0,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        if processes < 1:
            raise ValueError(f"a render pool needs at least one process, not {processes}")
        self._processes = processes
        self._batch_timeout_s = batch_timeout_s
        self._message_timeout_s = message_timeout_s
        self._memory_bytes = memory_bytes
        # The last one used comes first: its templates are compiled. None stands for one to be started.
        self._idle: asyncio.LifoQueue[WorkerProcess | None] = asyncio.LifoQueue()
        self._workers: set[WorkerProcess] = set()
        self._closed = True

    async def __aenter__(self) -> Self:
        """Starts all workers, so that a set-up that cannot render is found now: RenderingUnavailable."""
        self._closed = False
        try:
            for worker in await self._all_started():
                self._idle.put_nowait(worker)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def render(self, batch: RenderBatch) -> list[Result]:
        """A result for each context, in their order. Raises RenderingUnavailable where no worker can be had."""
        content = wire.encode_sorted(batch.content)
        encoded = Encoded(digest=hashlib.sha256(content).hexdigest(), content=Raw(content))
        contexts = [_encoded_context(context) for context in batch.contexts]
        sound = [one for one in contexts if isinstance(one, Raw)]
        losses = Losses()
        slices = [sound[start : start + SLICE] for start in range(0, len(sound), SLICE)]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._render_slice(encoded, one, losses)) for one in slices]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        rendered = (result for task in tasks for result in task.result())
        return [next(rendered) if isinstance(one, Raw) else one for one in contexts]

    async def _render_slice(self, content: Encoded, contexts: Sequence[Raw], losses: Losses) -> list[Result]:
        try:
            return await self._ask(content, contexts, self._batch_timeout_s)
        except WorkerLost:
            # Whoever is at fault: one message too slow, or the machine that killed a process for its memory.
            return [await self._render_alone(content, context, losses) for context in contexts]

    async def _render_alone(self, content: Encoded, context: Raw, losses: Losses) -> Result:
        if losses.count >= MOST_LOST:
            return _failure("render-abandoned")
        try:
            [result] = await self._ask(content, [context], self._message_timeout_s)
        except WorkerLost as lost:
            losses.count += 1
            return _failure(lost.code)
        return result

    async def _ask(self, content: Encoded, contexts: Sequence[Raw], limit_s: float) -> list[Result]:
        frame = wire.framed(
            wire.encode(
                wire.RawWork(digest=content.digest, limit_s=limit_s, content=content.content, contexts=contexts)
            )
        )
        worker = await self._idle.get()
        try:
            worker = await self._living(worker)
            return await worker.ask(frame, len(contexts), limit_s)
        finally:
            self._idle.put_nowait(worker)

    async def _living(self, worker: WorkerProcess | None) -> WorkerProcess:
        if worker is not None and worker.alive:
            return worker
        if worker is not None:
            self._workers.discard(worker)
            await worker.kill()
        return await self._started()

    async def _all_started(self) -> list[WorkerProcess]:
        try:
            async with asyncio.TaskGroup() as group:
                starts = [group.create_task(self._started()) for _ in range(self._processes)]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [start.result() for start in starts]

    async def _started(self) -> WorkerProcess:
        if self._closed:
            raise RenderingUnavailable("the render pool is closed")
        worker = await WorkerProcess.start(self._memory_bytes)
        self._workers.add(worker)
        return worker

    async def _close(self) -> None:
        self._closed = True
        workers, self._workers = self._workers, set()
        await asyncio.gather(*(worker.close() for worker in workers))


def _encoded_context(context: object) -> Raw | RenderFailure:
    try:
        return Raw(wire.encode(context))
    except (OverflowError, TypeError, ValueError, RecursionError) as error:
        detail = f"its values cannot be written as JSON ({type(error).__name__}); whole numbers end at 64 bits"
        return RenderFailure(code="render-refused", detail=detail)


def _failure(code: str) -> RenderFailure:
    return RenderFailure(code=code, detail=_DETAILS[code])
