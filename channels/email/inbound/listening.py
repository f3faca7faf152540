"""Everything that mail comes in by, at once."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from channels.email.inbound.boxes import Box, Imap, Maildir
from channels.email.inbound.config import InboundConfig
from channels.email.inbound.reading import Reader
from gateway.contract import BadWebhook, Failure, Hear

_LONGEST_PAUSE_S: Final = 3600.0


class Listening:
    """Reads what comes, and has it put on record before anybody is told that it was read."""

    def __init__(self, config: InboundConfig, domains: frozenset[str], reader: Reader, hear: Hear, log: Any) -> None:
        self._config = config
        self._domains = domains
        self._reader = reader
        self._hear = hear
        self._log = log

    async def run(self) -> None:
        """Until cancelled. A Failure of one way ends them all: whoever runs this starts them again."""
        ways = [asyncio.create_task(way) for way in self._ways()]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for way in ways:
                way.cancel()
            ended = await asyncio.gather(*ways, return_exceptions=True)
        for fault in ended:
            if isinstance(fault, Exception):
                raise fault

    def _ways(self) -> list[Coroutine[Any, Any, None]]:
        config = self._config
        ways: list[Coroutine[Any, Any, None]] = []
        if config.listen is not None:
            # Most processes of a gateway never listen, and aiosmtpd takes a while to import.
            from channels.email.inbound.receiver import receive

            ways.append(receive(config, self._domains, self._take, self._log))
        if config.maildir is not None:
            ways.append(self._empty(Maildir(config.maildir)))
        if config.imap_host is not None:
            ways.append(self._empty(Imap(config)))
        return ways

    async def _take(self, raw: bytes, sender: str, recipient: str) -> None:
        await self._tell(raw, (recipient,), sender)

    async def _tell(self, raw: bytes, recipients: tuple[str, ...] = (), sender: str | None = None) -> None:
        """What cannot be read is taken all the same: nobody could do anything about it but send it again."""
        try:
            # In a thread: what strangers make to be slow must not hold up the loop.
            heard = await asyncio.to_thread(self._reader.read, raw, recipients=recipients, sender=sender)
        except BadWebhook as bad:
            self._log.warning("inbound.unreadable", reason=str(bad))
            return
        if heard:
            await self._hear(heard)

    async def _empty(self, box: Box) -> None:
        """Look into a mailbox again and again; after a failure a little later each time."""
        faults = 0
        try:
            while True:
                try:
                    await self._look_into(box)
                    faults = 0
                except Failure as failure:
                    faults += 1
                    self._log.warning("inbound.mailbox_failed", code=failure.code, reason=failure.detail)
                await asyncio.sleep(min(self._config.poll_s * 2.0 ** min(faults, 10), _LONGEST_PAUSE_S))
        finally:
            # Not awaited: whoever cancels this is not held up by a mail server that takes leave slowly.
            asyncio.get_running_loop().run_in_executor(None, box.close)

    async def _look_into(self, box: Box) -> None:
        for name in await asyncio.to_thread(box.waiting):
            raw = await asyncio.to_thread(box.read, name)
            if raw is not None:
                await self._tell(raw)
                await asyncio.to_thread(box.done, name)
