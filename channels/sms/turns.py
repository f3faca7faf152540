"""Each sender sends at its own pace: a long code once a second, a short code a hundred times."""

import asyncio
from collections.abc import Iterator

from channels.sms.config import Profile, Sender, SmsConfig
from gateway.contract import Pace


class Turns:
    """One pace for each sender, however many brands and countries it serves."""

    def __init__(self, config: SmsConfig) -> None:
        self._paces = {name: Pace(per_second) for name, per_second in _limits(config).items()}

    async def wait(self, sender: Sender, begin_by_s: float) -> None:
        """Wait for the sender's next turn. Raises RateLimited, about one message, where it comes too late."""
        await self._paces[sender.name].turn(begin_by_s)

    def rest(self, sender: Sender, wait_s: float) -> None:
        """Nothing more from this sender for so long."""
        self._paces[sender.name].rest(asyncio.get_running_loop().time(), wait_s)


def _limits(config: SmsConfig) -> dict[str, float | None]:
    """By sender, the slowest pace that the configuration gives it."""
    limits: dict[str, float | None] = {}
    for sender in _senders(config):
        given = [limit for limit in (limits.get(sender.name), sender.per_second) if limit is not None]
        limits[sender.name] = min(given, default=None)
    return limits


def _senders(config: SmsConfig) -> Iterator[Sender]:
    profiles: tuple[Profile, ...] = (config, *config.brands.values())
    for profile in profiles:
        yield profile
        yield from profile.senders
