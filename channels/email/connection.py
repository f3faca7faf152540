"""A connection to a relay, in the way of talking that both sides know."""

import ssl
from typing import Protocol

from aiosmtplib import SMTP, SMTPException

from channels.email.extensions import Extensions
from channels.email.load import Load
from channels.email.opening import discard, opened
from channels.email.pipelined import PipelinedConnection
from channels.email.routing import RelayConfig
from channels.email.stepped import SteppedConnection
from gateway.contract import TransientFailure


class Connection(Protocol):
    """Carries loads, one at a time. Lives in one event loop."""

    idle_since_s: float

    @property
    def usable(self) -> bool:
        """Whether it is worth keeping."""

    @property
    def is_fresh(self) -> bool:
        """Whether it was in use a moment ago, so that nobody need be asked."""

    async def is_ready(self) -> bool:
        """Whether a mail can be begun; asks the server where that is in doubt. Ends the connection otherwise."""

    async def carry(self, load: Load, end_by_s: float) -> bool:
        """Hand over the mails of a load. False where the connection broke meanwhile, or the server closed it."""

    async def quit(self) -> None:
        """Take leave."""

    def abort(self) -> None:
        """End it at once. What is under way is settled as lost."""


async def connected(config: RelayConfig, ehlo_name: str, context: ssl.SSLContext) -> Connection:
    """A new connection. Raises ChannelMisconfigured, TransientFailure or RateLimited."""
    client = await opened(config, ehlo_name, context)
    return _of(client, config)


async def asked(config: RelayConfig, ehlo_name: str, context: ssl.SSLContext, sender: str) -> None:
    """Whether the relay would take mail of this sender now; nothing is sent. Raises a Failure."""
    client = await opened(config, ehlo_name, context)
    connection = SteppedConnection(client, Extensions.of(client), config)
    try:
        await connection.check(sender)
    finally:
        await connection.quit()


def _of(client: SMTP, config: RelayConfig) -> Connection:
    extensions = Extensions.of(client)
    if not (config.pipelining and extensions.pipelining):
        return SteppedConnection(client, extensions, config)
    try:
        return PipelinedConnection(client, extensions, config)
    except SMTPException:
        discard(client)
        raise TransientFailure("no-connection", "no connection to the server: it ended at once") from None
