"""The postal channel: it gathers, and renders a batch for the print shop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import ClassVar

from channels.postal.config import PostalConfig
from channels.postal.geometry import card_layout
from gateway.contract import (
    API,
    BatchTicket,
    Capabilities,
    Outbound,
    Outcome,
    Part,
    PermanentFailure,
    Piece,
    PrintFile,
    Quiet,
)


class PostalChannel(Quiet):
    """Paper. Nothing is handed to a provider here: an operator gives the exported files to a print shop."""

    kind: ClassVar[str] = "postal"
    api: ClassVar[int] = API
    config_type: ClassVar[type[PostalConfig]] = PostalConfig
    capabilities: ClassVar[Capabilities] = Capabilities(
        address_kind="postal",
        parts={
            "headline": Part(kind="line", max_chars=80),
            "body": Part(kind="text", max_chars=1200),
            # Required: it names the sender and the right to object (GDPR 13, 14 and 21(4)).
            "footer": Part(kind="text", max_chars=600),
        },
        batched=True,
    )
    config: PostalConfig

    async def check(self) -> None:
        """Raise ChannelMisconfigured where the sender's own lines cannot be printed."""
        # Loaded here and below: what sets type takes long to import, and most processes print nothing.
        from channels.postal.typeface import Typeface

        typeface = await asyncio.to_thread(Typeface.load)
        typeface.check_sender(self.config, card_layout(self.config.address_profile))

    async def send(self, batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        """Refuse each: paper leaves in batches. The gateway never asks for it where `batched` is true."""
        for message in batch:
            yield Outcome.failed(
                message, PermanentFailure("postal-is-batched", "post is exported in batches, never sent one by one")
            )

    def export(self, ticket: BatchTicket, pieces: Sequence[Piece], folder: Path) -> list[PrintFile]:
        """Write the batch: PDF parts, shop manifest, job ticket and checksums, in this order.

        The checksums are the last file to appear: a folder that has them is complete.
        All pieces are checked before the first page is set, except for texts that are too long.
        Raises PieceRefused (address-incomplete, missing-glyph, overflow, code-unprintable,
        duplicate-code), and ValueError where the pieces are not those of the ticket.
        """
        from channels.postal.batch import export

        return export(self.config, ticket, pieces, folder)
