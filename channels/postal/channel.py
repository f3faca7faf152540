"""The postal channel: it gathers, and renders a batch for the print shop."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from channels.postal.config import PostalConfig, design_names
from gateway.contract import (
    API,
    BatchTicket,
    BatchTotals,
    Capabilities,
    Outbound,
    Outcome,
    Part,
    PermanentFailure,
    Piece,
    PrintedPart,
    PrintFile,
    Quiet,
    Weight,
)

if TYPE_CHECKING:
    from channels.postal.designs import Designs
    from channels.postal.parts import PressRoom


class PostalChannel(Quiet):
    """Paper. Nothing is handed to a provider here: an operator gives the written files to a print shop."""

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
            # Which design; the channel's own where a content names none.
            "design": Part(kind="line", required=False, max_chars=40),
        },
        batched=True,
        draws_coupon=True,
    )
    config: PostalConfig

    @property
    def published(self) -> Mapping[str, str]:
        """`designs` are the names that the part `design` may say, with commas between."""
        return {"designs": ",".join(design_names(self.config))}

    def weigh(self, message: Outbound) -> Weight:
        """One piece. Raises PermanentFailure where its design is none, or cannot be printed."""
        from channels.postal.designs import BadDesign, UnknownDesign

        try:
            self._designs.of(message.parts.get("design", ""))
        except UnknownDesign as error:
            raise PermanentFailure("unknown-design", str(error)) from None
        except BadDesign as error:
            raise PermanentFailure("bad-design", str(error)) from None
        return Weight(unit="piece")

    async def check(self) -> None:
        """Raise ChannelMisconfigured where the sender's own lines or the print shop's colours cannot be used."""
        await asyncio.to_thread(lambda: self._press_room().check())

    async def send(self, batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        """Refuse each: paper leaves in batches. The gateway never asks for it where `batched` is true."""
        for message in batch:
            yield Outcome.failed(
                message, PermanentFailure("postal-is-batched", "post is exported in batches, never sent one by one")
            )

    @property
    def part_size(self) -> int:
        return self.config.records_per_part

    def write_part(
        self, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path
    ) -> Sequence[PrintFile]:
        """The part's PDF and its rows of the manifest, in this order: a part that has the rows is whole.

        Raises PiecesRefused with all pieces that cannot be printed (`refusals.WHY` has the codes), ChannelMisconfigured
        where none can be or the disk does not take the files, and ValueError where the pieces
        are not numbered as they must be.
        """
        files = self._press_room().write_part(ticket, number, pieces, folder)
        self._say_if_too_large(ticket, number, files[0])
        return files

    def write_papers(
        self, ticket: BatchTicket, totals: BatchTotals, parts: Sequence[PrintedPart], folder: Path
    ) -> Sequence[PrintFile]:
        """Manifest (CSV and XLSX), job ticket (JSON and PDF) and checksums.

        The checksums are the last file to appear: a folder that has them is complete. Raises Unbalanced.
        """
        from channels.postal.papers import write_papers

        return write_papers(self.config, ticket, totals, parts, folder)

    def write_proof(self, ticket: BatchTicket, pieces: Sequence[Piece], target: Path) -> PrintFile:
        return self._press_room().write_proof(ticket, pieces, target)

    def picture(self, message: Outbound) -> bytes:
        return self._press_room().picture(message)

    def _say_if_too_large(self, ticket: BatchTicket, number: int, file: PrintFile) -> None:
        limit = self.config.order.part_bytes
        if file.bytes > limit:
            fitting = max(1, file.records * limit // file.bytes)
            self.context.log.warning(
                "postal.part_too_large", batch=ticket.id, part=number, bytes=file.bytes, records_that_fit=fitting
            )

    def _press_room(self) -> "PressRoom":
        # Loaded here: what sets type takes long to import, and most processes print nothing.
        from channels.postal.parts import PressRoom

        return PressRoom(self.config, self._designs)

    @cached_property
    def _designs(self) -> "Designs":
        """Those that were read are kept for the next part or picture."""
        from channels.postal.designs import Designs

        return Designs(self.config)
