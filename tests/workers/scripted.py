"""Channels that do what each message's own text tells them. Dropped into a plugins folder as `scripted.py`.

The text is `ok`, `permanent`, `gone`, `transient`, `unknown`, `misconfigured`, `rate:<seconds>`, `hang`,
`wait:<name>` (accepted once the file `<name>` is there) or `unless:<name>:<one of these>` (accepted where the
file `<name>` is there). `calls` has a line for each call of `send`, `messages` one for each message that is begun,
and `answered` one for each that was answered.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from gateway.contract import (
    API,
    BatchTicket,
    Capabilities,
    ChannelMisconfigured,
    Failure,
    Outbound,
    Outcome,
    OutcomeUnknown,
    Part,
    PermanentFailure,
    Piece,
    PieceRefused,
    PrintFile,
    Quiet,
    RateLimited,
    RecipientGone,
    TransientFailure,
)

FAILURES = {
    "permanent": PermanentFailure,
    "gone": RecipientGone,
    "transient": TransientFailure,
    "unknown": OutcomeUnknown,
    "misconfigured": ChannelMisconfigured,
}
TEXT = {"text": Part(kind="text")}


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Scripted(Quiet):
    api = API
    config_type = Config

    async def send(self, batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        self._note("calls", str(len(batch)))
        for outcome in asyncio.as_completed([self._play(message) for message in batch]):
            yield await outcome
            self._note("answered", "")

    async def _play(self, message: Outbound) -> Outcome:
        self._note("messages", f"{message.recipient_id} {message.address.value} {self.context.now():%Y-%m-%dT%H}")
        failure = await self._act(*message.parts["text"].split(":"))
        if failure is not None:
            return Outcome.failed(message, failure)
        return Outcome.accepted(message, f"p-{message.id}")

    async def _act(self, act: str, *told: str) -> Failure | None:
        match act:
            case "ok":
                return None
            case "wait":
                while not (self.context.files / told[0]).exists():
                    await asyncio.sleep(0.01)
                return None
            case "hang":
                await asyncio.Event().wait()
                return None
            case "rate":
                return RateLimited(float(told[0]))
            case "unless":
                return None if (self.context.files / told[0]).exists() else await self._act(*told[1:])
        return FAILURES[act](act)

    def _note(self, name: str, line: str) -> None:
        with (self.context.files / name).open("a") as file:
            file.write(f"{line}\n")


class Letter(Scripted):
    kind = "letter"
    capabilities = Capabilities(address_kind="external_id", parts=TEXT, window=5)


class Brief(Scripted):
    """Has no time at all."""

    kind = "brief"
    capabilities = Capabilities(address_kind="external_id", parts=TEXT, timeout_s=0.3)


class Devices(Scripted):
    kind = "devices"
    capabilities = Capabilities(address_kind="webpush", parts=TEXT, per_address=True, window=2)


class Paper(Scripted):
    """Prints a line a piece. Refuses the text `torn`, and stops before the first file while `jam` is there."""

    kind = "paper"
    capabilities = Capabilities(address_kind="external_id", parts=TEXT, batched=True)

    def export(self, ticket: BatchTicket, pieces: Sequence[Piece], folder: Path) -> list[PrintFile]:
        self._note("exports", f"{ticket.id} {ticket.pieces}")
        if (self.context.files / "jam").exists():
            raise ChannelMisconfigured("jam", "the press is jammed")
        for piece in pieces:
            if piece.message.parts["text"] == "torn":
                raise PieceRefused(piece.sequence, "torn", "the paper is torn")
            if piece.message.parts["text"] == "stray":
                raise PieceRefused(0, "stray", "no piece of this batch")
        content = "".join(f"{piece.sequence} {piece.message.recipient_id}\n" for piece in pieces).encode()
        path = folder / "pieces.txt"
        path.write_bytes(content)
        self._pass_on(pieces)
        digest = hashlib.sha256(content).hexdigest()
        return [
            PrintFile(path=path, media_type="text/plain", records=len(pieces), sha256=digest, bytes=len(content)),
        ]

    def _pass_on(self, pieces: Sequence[Any]) -> None:
        """Let a test do something while the export is under way: it ends when the file `go` is there."""
        if any(piece.message.parts["text"].startswith("slow") for piece in pieces):
            (self.context.files / "printing").touch()
            while not (self.context.files / "go").exists():
                pass
