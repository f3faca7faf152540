"""What a channel hears from its provider: reports about messages, and what people write back."""

from collections.abc import Sequence

from gateway.contract import Heard, ProviderEvent
from gateway.services import track
from gateway.services.installation import Installation
from gateway.storage.database import Database, Transaction


async def put_on_record(db: Database, installation: Installation, channel: str, heard: Sequence[Heard]) -> None:
    """Each in a transaction of its own: a call that breaks off is made again, and what is known is recorded once."""
    for each in heard:
        await db.write(_record, installation, channel, each)


def _record(tx: Transaction, installation: Installation, channel: str, heard: Heard) -> None:
    match heard:
        case ProviderEvent():
            track.report(tx, installation, channel, heard)
