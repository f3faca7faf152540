"""The installation as its workers know it, for a command that answers and ends."""

import asyncio

from msgspec import structs

from gateway.app.channels import open_channels
from gateway.app.opening import installation_without_channels
from gateway.services.installation import Installation
from gateway.settings import Settings


def installation_with_channels(settings: Settings) -> Installation:
    """With what its channels can do; none of them is opened."""
    return asyncio.run(_installation(settings))


async def _installation(settings: Settings) -> Installation:
    async with open_channels(settings, opens=()) as registry:
        channels = {kind: each.capabilities for kind, each in registry.ready.items()}
    return structs.replace(installation_without_channels(settings), channels=channels)
