"""A claim cut into windows: the messages that are with the channel at one time, and the outcomes as they come back."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from gateway.contract import Outbound, Outcome
from gateway.domain.words import SendKey
from gateway.services.record import Answered


class Envelope(NamedTuple):
    """A send with its messages, one per address, by the address's internal id."""

    key: SendKey
    messages: tuple[tuple[int, Outbound], ...]


class Waiting:
    """Gathers outcomes until every message of a send has one."""

    def __init__(self, window: Sequence[Envelope]) -> None:
        self._place = {message.id: (each.key, id) for each in window for id, message in each.messages}
        self._left = {each.key: len(each.messages) for each in window}
        self._outcomes: dict[SendKey, list[tuple[int, Outcome]]] = {}

    def answered(self, outcomes: Sequence[Outcome]) -> list[Answered]:
        """The sends that these outcomes complete."""
        complete = []
        for outcome in outcomes:
            key, address_id = self._place[outcome.message_id]
            self._outcomes.setdefault(key, []).append((address_id, outcome))
            self._left[key] -= 1
            if not self._left[key]:
                complete.append(Answered(key=key, outcomes=tuple(self._outcomes.pop(key))))
        return complete

    def done(self) -> bool:
        return not any(self._left.values())


def windows_of(envelopes: Sequence[Envelope], most: int) -> list[list[Envelope]]:
    """Envelopes in groups of at most `most` messages; those of one send stay together."""
    windows: list[list[Envelope]] = []
    size = most
    for envelope in envelopes:
        if size + len(envelope.messages) > most:
            windows.append([])
            size = 0
        windows[-1].append(envelope)
        size += len(envelope.messages)
    return windows


class Chunks:
    """What a stream yields within `every_s`, together: a slow message keeps no other off the record."""

    def __init__(self, stream: AsyncGenerator[Outcome, None], every_s: float) -> None:
        self._stream = stream
        self._every_s = every_s
        self._arrived: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self._listener = asyncio.create_task(self._listen())
        self._over = False

    async def next(self) -> list[Outcome] | None:
        """The next outcomes, at least one; None at the end. Raises what the stream raised."""
        if self._over:
            return None
        chunk = [await self._arrived.get()]
        try:
            async with asyncio.timeout(self._every_s):
                while chunk[-1] is not None:
                    chunk.append(await self._arrived.get())
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            self._put_back(chunk)
            raise
        if chunk[-1] is None:
            self._over = True
            await self._listener
        return [outcome for outcome in chunk if outcome is not None] or None

    def left(self) -> list[Outcome]:
        """What has arrived and was not asked for yet."""
        arrived = [self._arrived.get_nowait() for _ in range(self._arrived.qsize())]
        return [outcome for outcome in arrived if outcome is not None]

    async def aclose(self) -> None:
        self._listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listener

    def _put_back(self, chunk: Sequence[Outcome | None]) -> None:
        for outcome in chunk:
            self._arrived.put_nowait(outcome)

    async def _listen(self) -> None:
        try:
            async with contextlib.aclosing(self._stream) as stream:
                async for outcome in stream:
                    self._arrived.put_nowait(outcome)
        finally:
            self._arrived.put_nowait(None)
