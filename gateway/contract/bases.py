"""What most channels are built on: the parts that few have use for, and two ways to hand messages over."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

from gateway.contract.channel import Capabilities, Context
from gateway.contract.events import BadSignature, Heard, WebhookAnswer, WebhookRequest
from gateway.contract.failures import Failure, RateLimited
from gateway.contract.message import Address, Doubtful, Outbound, Outcome, Traced, Weight

_MARGIN_S: Final = 1.0
_LATER_S: Final = 5.0

Hear = Callable[[Sequence[Heard]], Awaitable[None]]
"""Takes what was heard; returns once it is on record, so that the provider may be told so.

Raises TransientFailure where that cannot be now: tell it to the provider, who comes again.
"""


class Quiet:
    """The parts of the contract that many channels have no use for."""

    capabilities: ClassVar[Capabilities]

    def __init__(self, config: Any, context: Context) -> None:
        self.config = config
        self.context = context

    @property
    def brands(self) -> frozenset[str]:
        """The sender profiles that the configuration knows besides the channel's own; constant."""
        return frozenset()

    @property
    def published(self) -> Mapping[str, str]:
        """What anybody may know of this channel, such as a public key; constant."""
        return {}

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def check(self) -> None:
        return None

    def weigh(self, message: Outbound) -> Weight:
        """What the message comes to, before it is sent. Pure.

        Raises PermanentFailure where no provider could take it as it is: too long, or nothing in it.
        """
        return Weight()

    def examine(self, address: Address) -> None:
        """Raises PermanentFailure where an address of the channel's kind could never be written to. Pure.

        Asked before an address is kept that a person's own device has handed in; sending refuses the others.
        """
        return None

    async def look_up(self, messages: Sequence[Doubtful]) -> Sequence[Traced]:
        return ()

    async def prepare(self, request: WebhookRequest) -> None:
        """Fetch what `verify` will need and does not hold yet, such as a certificate that the call names.

        The call is anybody's at this point. Raises BadSignature where it cannot be the provider's, TransientFailure
        where that cannot be known just now: it is then asked to come again.
        """
        return None

    def verify(self, request: WebhookRequest) -> None:
        raise BadSignature

    def parse(self, request: WebhookRequest) -> Iterable[Heard]:
        return ()

    async def answer(self, request: WebhookRequest) -> WebhookAnswer | None:
        """What to answer a verified call that asks for something: a challenge, a subscription to confirm."""
        return None

    async def listen(self, hear: Hear) -> None:
        """Hear what comes by other ways than HTTP calls, until cancelled. Kept running where the capabilities say
        `listens`, and started again after a Failure; several processes may do so at once."""
        return None


class OneByOne(Quiet):
    """The simple door: write `send_one`, which returns the provider's id or raises a Failure."""

    async def send_one(self, message: Outbound) -> str | None:
        raise NotImplementedError

    async def send(self, batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        for message in batch:
            yield await outcome_of(message, self.send_one(message))


class SideBySide(OneByOne):
    """As OneByOne, with up to `concurrency` calls under way at once; outcomes as they come.

    `call_s` is the longest that one `send_one` may take: what could not end within the window is not begun.
    """

    def __init__(self, config: Any, context: Context, *, concurrency: int = 10, call_s: float = 10.0) -> None:
        super().__init__(config, context)
        self.call_s = call_s
        self.gate = asyncio.Semaphore(concurrency)

    async def send(self, batch: Sequence[Outbound]) -> AsyncGenerator[Outcome, None]:
        begin_by_s = self.begin_by_s()
        pending = {asyncio.create_task(self._in_turn(message, begin_by_s)) for message in batch}
        bugs: list[BaseException] = []
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if bug := task.exception():
                        bugs.append(bug)
                    else:
                        yield task.result()
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        if bugs:
            raise bugs[0]

    def begin_by_s(self) -> float:
        """The last moment, in loop time, at which a call can begin and still end within the window."""
        return asyncio.get_running_loop().time() + self.capabilities.timeout_s - self.call_s - _MARGIN_S

    async def await_turn(self, message: Outbound, begin_by_s: float) -> None:
        """Wait until this message may go, where its sender has a pace of its own. No place is taken meanwhile.

        Raises a Failure where it cannot go within the window: no call can begin after `begin_by_s` (loop time).
        """
        return None

    async def _in_turn(self, message: Outbound, begin_by_s: float) -> Outcome:
        try:
            await self.await_turn(message, begin_by_s)
        except Failure as failure:
            return Outcome.failed(message, failure)
        async with self.gate:
            if asyncio.get_running_loop().time() > begin_by_s:
                # Begun now, it could outlast the window and be in doubt for nothing. It was never tried: a slow
                # provider must not use up its tries.
                detail = "the provider is too slow to take the whole window"
                late = RateLimited(_LATER_S, "not-started", detail, scope="message")
                return Outcome.failed(message, late)
            return await outcome_of(message, self.send_one(message))


async def outcome_of(message: Outbound, sending: Awaitable[str | None]) -> Outcome:
    """The outcome of one call: accepted with the id it returns, or the Failure that it raises."""
    try:
        return Outcome.accepted(message, await sending)
    except Failure as failure:
        return Outcome.failed(message, failure)
