"""What a channel hears from its provider: reports about messages, and what people write back."""

from collections.abc import Sequence
from typing import Any

import structlog

from gateway.contract import Heard, Inbound, ProviderEvent
from gateway.domain.tokens import BadToken
from gateway.services import replies, track
from gateway.services.installation import Installation
from gateway.storage.database import Database, Transaction

log: Any = structlog.get_logger()


async def put_on_record(db: Database, installation: Installation, channel: str, heard: Sequence[Heard]) -> None:
    """Each in a transaction of its own: a call that breaks off is made again, and what is known is recorded once."""
    for each in heard:
        if is_forged(installation, channel, each):
            log.warning("heard.forged", channel=channel)
        else:
            await db.write(_record, installation, channel, each)


def is_forged(installation: Installation, channel: str, heard: Heard) -> bool:
    """Whether a report names a message that we never sent: its id is not signed by us, or for another channel."""
    if not isinstance(heard, ProviderEvent) or heard.message_id is None:
        return False
    try:
        return installation.keys.open_ref("message", heard.message_id).channel != channel
    except BadToken:
        return True


def _record(tx: Transaction, installation: Installation, channel: str, heard: Heard) -> None:
    match heard:
        case ProviderEvent():
            track.report(tx, installation, channel, heard)
        case Inbound():
            replies.take(tx, installation, channel, heard)
