"""Notices sent to the endpoints of other systems: at least once, under one id, in no promised order.

Every endpoint is served by a task of its own, a page at a time: one that is slow holds up itself alone.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

import aiohttp
import structlog

from gateway import __version__
from gateway.domain.endpoint import signed
from gateway.registry.egress import BlockedAddress, guarded_session
from gateway.services import notify
from gateway.services.installation import Installation
from gateway.services.notify import Delivery, Due, Tried
from gateway.storage.database import Database
from gateway.workers.crew import Crew
from gateway.workers.loop import keep_working

log: Any = structlog.get_logger()

_TIMEOUT: Final = aiohttp.ClientTimeout(total=15)
_PAGE: Final = 40
_AT_ONCE: Final = 8
_LEASE: Final = timedelta(minutes=2)
"""Longer than a page can take: 40 notices, 8 at a time, 15 seconds each."""
_READ_BYTES: Final = 65_536
"""Of an answer, so that its connection can be used again. Nobody looks at it."""
_ENDPOINTS_AT_ONCE: Final = 50
_HEADERS: Final = {
    "Content-Type": "application/json",
    "User-Agent": f"Risveglio/{__version__}",
    "Accept-Encoding": "identity",
}
_ASKS_FOR_REST: Final = frozenset({429, 503})
_GONE: Final = 410


async def run_notifier(crew: Crew, allow: Sequence[IPv4Network | IPv6Network], stop: asyncio.Event) -> None:
    """Send what is due until `stop`; what is being sent then is finished first."""
    async with open_notifier(crew.db, crew.installation, allow, stop) as notifier:
        await keep_working("notifier", notifier.start, poll_s=crew.settings.poll_s, stop=stop, meters=crew.meters)


async def forget_notices(crew: Crew) -> int:
    """Drop old notices, page by page. Returns how many."""
    total = 0
    while dropped := await crew.db.write(notify.forget):
        total += dropped
    return total


@contextlib.asynccontextmanager
async def open_notifier(
    db: Database, installation: Installation, allow: Sequence[IPv4Network | IPv6Network], stop: asyncio.Event
) -> AsyncIterator["Notifier"]:
    """A notifier, with its connections. `allow` are networks that are not the internet and may be connected to."""
    async with guarded_session(allow) as secure, guarded_session(allow, internet=False) as plain:
        notifier = Notifier(db, installation, secure, plain, stop)
        try:
            yield notifier
        finally:
            await notifier.finish()


class Notifier:
    """Plain http leads into the networks of the operator's own and nowhere else; https to the internet too."""

    def __init__(
        self,
        db: Database,
        installation: Installation,
        secure: aiohttp.ClientSession,
        plain: aiohttp.ClientSession,
        stop: asyncio.Event,
    ) -> None:
        self._db = db
        self._installation = installation
        self._secure = secure
        self._plain = plain
        self._stop = stop
        self._serving: dict[int, asyncio.Task[None]] = {}

    async def start(self) -> int:
        """Begin with every endpoint that has something due and is not being served. Returns how many."""
        found = await self._db.read(notify.due_endpoints)
        new = [id for id in found if id not in self._serving][: _ENDPOINTS_AT_ONCE - len(self._serving)]
        for id in new:
            self._serving[id] = asyncio.create_task(self._serve(id), name=f"notifier:{id}")
        return len(new)

    def serving(self) -> list[asyncio.Task[None]]:
        """What is under way: a task for each endpoint that is being served."""
        return list(self._serving.values())

    async def finish(self) -> None:
        """Wait for what is being sent."""
        while self._serving:
            await asyncio.wait(self.serving())

    async def _serve(self, endpoint_id: int) -> None:
        """Send an endpoint all that is due. What goes wrong here is tried again once the lease is over."""
        try:
            while not self._stop.is_set():
                delivery = await self._db.write(notify.take, self._installation, endpoint_id, _LEASE, _PAGE)
                if delivery is None:
                    return
                tried = await self._send(delivery)
                disabled = await self._db.write(notify.settle, delivery, tried)
                if disabled is not None:
                    log.warning("endpoint.disabled", endpoint=delivery.public_id, reason=disabled)
        except Exception as error:
            log.error("notifier.failed", endpoint=endpoint_id, error=type(error).__name__)
        finally:
            del self._serving[endpoint_id]

    async def _send(self, delivery: Delivery) -> list[Tried]:
        """Try these, some at a time; none any more once the endpoint asks for rest, or we are to stop."""
        waiting = iter(delivery.due)
        tried: list[Tried] = []

        async def work() -> None:
            for due in waiting:
                if self._stop.is_set() or any(_wants_no_more(each) for each in tried):
                    return
                tried.append(await self._try(delivery, due))

        await asyncio.gather(*(work() for _ in range(min(_AT_ONCE, len(delivery.due)))))
        return tried

    async def _try(self, delivery: Delivery, due: Due) -> Tried:
        session = self._secure if delivery.url.startswith("https://") else self._plain
        headers = _HEADERS | signed(due.public_id, datetime.now(UTC), due.body, delivery.secrets)
        try:
            async with session.post(
                delivery.url,
                data=due.body,
                headers=headers,
                allow_redirects=False,
                auto_decompress=False,
                timeout=_TIMEOUT,
            ) as answer:
                await answer.content.read(_READ_BYTES)
                return _answered(due, answer)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Tried(due, None, _told(error))


def _wants_no_more(tried: Tried) -> bool:
    return tried.status == _GONE or tried.retry_after_s is not None


def _answered(due: Due, answer: aiohttp.ClientResponse) -> Tried:
    """Any 2xx is a yes. A redirect is none: it could lead anywhere."""
    if 200 <= answer.status < 300:
        return Tried(due, answer.status, None)
    asked = _seconds(answer.headers.get("Retry-After")) if answer.status in _ASKS_FOR_REST else None
    return Tried(due, answer.status, f"answered {answer.status}", asked)


def _seconds(retry_after: str | None) -> float | None:
    """Seconds or a date (RFC 9110, section 10.2.3); None for what is neither."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _told(error: Exception) -> str:
    """What went wrong, in words that tell nothing of the network inside."""
    match error:
        case TimeoutError():
            return f"no answer within {_TIMEOUT.total:.0f} seconds"
        case aiohttp.ClientConnectorDNSError():
            return "the name of the host is not known"
        case aiohttp.ClientSSLError():
            return "TLS was refused: the certificate does not hold, or the other side speaks none"
        case aiohttp.ClientConnectorError(os_error=BlockedAddress() as blocked):
            return str(blocked.strerror)
        case aiohttp.ClientConnectorError():
            return "no connection"
        case aiohttp.InvalidURL() | ValueError():
            return "the URL cannot be used"
        case _:
            return "the connection broke off"
