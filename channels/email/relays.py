"""The servers that take our mail: which of them are well, and how the mails are shared out among them."""

import asyncio
import ssl
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Final

from channels.email.connection import Connection, asked, connected
from channels.email.health import Health
from channels.email.opening import tls_context
from channels.email.pool import Pool
from channels.email.routing import RelayConfig
from gateway.contract import ChannelMisconfigured, Failure, RateLimited, TransientFailure

_SOON_S: Final = 1.0


class Relay:
    """One server, with its connections. Lives in one event loop."""

    def __init__(self, config: RelayConfig, ehlo_name: str, context: ssl.SSLContext) -> None:
        self.config = config
        self.health = Health()
        self.pool = Pool(self._connected, size=config.connections, idle_s=config.idle_s)
        self.credit = 0
        """What its share of the mails so far falls short of its weight."""
        self._ehlo_name = config.ehlo_name or ehlo_name
        self._context = context

    async def ask(self, sender: str) -> None:
        """Whether it would take mail of a sender now. Raises a Failure."""
        await asked(self.config, self._ehlo_name, self._context, sender)

    async def _connected(self) -> Connection:
        return await connected(self.config, self._ehlo_name, self._context)


class Relays:
    """All of them. `sender` is whom a relay that rested is asked about before it gets mail again."""

    def __init__(self, relays: Sequence[Relay], sender: str, log: Any) -> None:
        self._relays = tuple(relays)
        self._sender = sender
        self._log = log
        self._asking: dict[Relay, asyncio.Task[None]] = {}

    def shares(self, mails: int, tried: Collection[Relay] = ()) -> dict[Relay, int]:
        """How many of so many mails each relay is to carry, by weight. Empty where none is left that may be used.

        Those that are well go first, then those that stand by; where none is well, those that were ill, unless they
        asked us to wait. `tried` have failed already this time.
        """
        candidates = self._candidates(tried)
        if len(candidates) == 1:
            return {candidates[0]: mails}
        shares = dict.fromkeys(candidates, 0)
        weights = {relay: relay.config.weight or 1 for relay in candidates}
        total = sum(weights.values())
        for _ in range(mails if candidates else 0):
            # Smooth weighted round robin: its memory outlasts windows of a few mails.
            for relay, weight in weights.items():
                relay.credit += weight
            chosen = max(candidates, key=lambda relay: relay.credit)
            chosen.credit -= total
            shares[chosen] += 1
        return shares

    def why_none(self, otherwise: Failure) -> Failure:
        """What it means for a mail that no relay is left for it: a fault of set-up only where all of them have one.

        `otherwise` where the relays seem to be well.
        """
        told = [relay.health.why for relay in self._relays]
        faults = [why for why in told if isinstance(why, ChannelMisconfigured)]
        if len(faults) == len(told):
            return faults[0]
        limits = [why for why in told if isinstance(why, RateLimited)]
        if limits and len(limits) + len(faults) == len(told):
            until_s = min(each.health.rests_until_s for each in self._relays if each.health.is_asked_to_wait)
            wait_s = until_s - asyncio.get_running_loop().time()
            return RateLimited(max(wait_s, _SOON_S), limits[0].code, limits[0].detail)
        others = [why for why in told if isinstance(why, TransientFailure)]
        return others[0] if others else otherwise

    def look_after(self) -> None:
        """Ask relays whose rest is over whether they are well, beside the mail that others carry meanwhile."""
        now_s = asyncio.get_running_loop().time()
        for relay in self._relays:
            rested = relay.health.why is not None and now_s >= relay.health.rests_until_s
            if rested and relay not in self._asking and any(each.health.why is None for each in self._relays):
                task = self._asking[relay] = asyncio.create_task(self._ask(relay))
                task.add_done_callback(partial(self._asked, relay))

    async def check(self) -> None:
        """Ask every relay. Raises why none would take mail; where some would, the others are logged."""
        await asyncio.gather(*map(self._ask, self._relays))
        if all(relay.health.why is not None for relay in self._relays):
            raise self.why_none(TransientFailure("no-connection", "no relay can be reached"))

    def ill(self, relay: Relay, why: Failure) -> None:
        if relay.health.why is None:
            self._log.warning("email.relay_rests", relay=relay.config.name, code=why.code)
        relay.health.ill(why, asyncio.get_running_loop().time())

    async def close(self) -> None:
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await asyncio.gather(*(relay.pool.close() for relay in self._relays))

    def _candidates(self, tried: Collection[Relay]) -> list[Relay]:
        left = [relay for relay in self._relays if relay not in tried]
        well = [relay for relay in left if relay.health.why is None]
        for group in ([each for each in well if each.config.weight], well):
            if group:
                return group
        now_s = asyncio.get_running_loop().time()
        return [each for each in left if not each.health.is_asked_to_wait or now_s >= each.health.rests_until_s]

    def _asked(self, relay: Relay, task: asyncio.Task[None]) -> None:
        del self._asking[relay]

    async def _ask(self, relay: Relay) -> None:
        try:
            await relay.ask(self._sender)
        except Failure as failure:
            self.ill(relay, failure)
        else:
            if relay.health.why is not None:
                self._log.info("email.relay_works_again", relay=relay.config.name)
            relay.health.seems_well()


def relays_of(configs: Sequence[RelayConfig], ehlo_name: str) -> list[Relay]:
    """Reads certificates. Blocking. Raises ChannelMisconfigured."""
    return [Relay(config, ehlo_name, tls_context(config)) for config in configs]
