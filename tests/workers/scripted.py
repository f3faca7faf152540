"""Channels that do what each message's own text tells them. Dropped into a plugins folder as `scripted.py`.

The text is `ok`, `permanent`, `gone`, `transient`, `unknown`, `misconfigured` (each may name its code:
`transient-no-connection`), `rate:<seconds>`, `busy:<seconds>`, `hang`,
`wait:<name>` (accepted once the file `<name>` is there), `block:<name>` (the same, and nothing else of the process
runs meanwhile) or `unless:<name>:<one of these>` (accepted where the file `<name>` is there). `calls` has a line for
each call of `send`, `messages` one for each message that is begun, `answered` one for each that was answered, and
`checks` one for each call of `check`.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from gateway.contract import (
    API,
    BatchTicket,
    BatchTotals,
    Capabilities,
    ChannelMisconfigured,
    Doubtful,
    EventType,
    Failure,
    Hear,
    Outbound,
    Outcome,
    OutcomeUnknown,
    Part,
    PermanentFailure,
    Piece,
    PiecesRefused,
    PrintedPart,
    PrintFile,
    ProviderEvent,
    Quiet,
    RateLimited,
    RecipientGone,
    Refusal,
    Traced,
    TransientFailure,
    Unbalanced,
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

    async def check(self) -> None:
        """Well, unless the file `ill` is there."""
        self._note("checks", "")
        if (self.context.files / "ill").exists():
            raise ChannelMisconfigured("ill", "still not well")

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
            case "block":
                while not (self.context.files / told[0]).exists():
                    time.sleep(0.01)  # noqa: ASYNC251 - that is the bug
                return None
            case "hang":
                await asyncio.Event().wait()
                return None
            case "rate":
                return RateLimited(float(told[0]))
            case "busy":
                return RateLimited(float(told[0]), scope="message")
            case "unless":
                return None if (self.context.files / told[0]).exists() else await self._act(*told[1:])
        kind, _, code = act.partition("-")
        return FAILURES[kind](code or kind)

    def _note(self, name: str, line: str) -> None:
        with (self.context.files / name).open("a") as file:
            file.write(f"{line}\n")


class Letter(Scripted):
    """Hears that what the file `heard` names was delivered, a provider's id a line. Deaf while `deaf` is there."""

    kind = "letter"
    capabilities = Capabilities(
        address_kind="external_id", parts=TEXT, window=5, listens=True, reports=frozenset({EventType.DELIVERED})
    )

    async def listen(self, hear: Hear) -> None:
        self._note("listens", "")
        while not (self.context.files / "deaf").exists():
            heard = self.context.files / "heard"
            if heard.exists():
                ids = heard.read_text().split()
                await hear([ProviderEvent(type=EventType.DELIVERED, event_id=id, provider_id=id) for id in ids])
                heard.unlink()
            await asyncio.sleep(0.01)
        raise TransientFailure("no-connection", "the ear is lost")


class Parcel(Scripted):
    """Can be asked: `known` has a line for each recipient that it knows of, with the provider's id or nothing."""

    kind = "parcel"
    capabilities = Capabilities(address_kind="webpush", parts=TEXT, reconciles=True)

    async def look_up(self, messages: Sequence[Doubtful]) -> Sequence[Traced]:
        known = dict(line.split(":") for line in (self.context.files / "known").read_text().split())
        return [
            Traced(message_id=each.message.id, provider_ids=tuple(filter(None, [known[each.message.recipient_id]])))
            for each in messages
            if each.message.recipient_id in known and each.message.parts["text"] == "unknown"
        ]


class Brief(Scripted):
    """Has no time at all."""

    kind = "brief"
    capabilities = Capabilities(address_kind="external_id", parts=TEXT, timeout_s=0.3)


class Devices(Scripted):
    kind = "devices"
    capabilities = Capabilities(address_kind="webpush", parts=TEXT, per_address=True, window=2)


class Paper(Scripted):
    """Prints a line a piece, three pieces a part. Refuses the text `torn`; prints nothing while `jam` is there.

    `parts` has a line for each call of `write_part`: the batch, the number and how many pieces.
    """

    kind = "paper"
    capabilities = Capabilities(address_kind="external_id", parts=TEXT, batched=True)
    part_size = 3

    def write_part(self, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path) -> list[PrintFile]:
        self._note("parts", f"{ticket.id} {number} {len(pieces)}")
        if (self.context.files / "jam").exists():
            raise ChannelMisconfigured("jam", "the press is jammed")
        self._refuse_torn(pieces)
        if any(piece.message.parts["text"] == "stray" for piece in pieces):
            raise PiecesRefused([Refusal(sequence=0, code="stray", detail="no piece of this batch")])
        lines = "".join(f"{piece.sequence} {_told(piece)}\n" for piece in pieces)
        file = _file(folder / f"part{number}.txt", lines, len(pieces))
        self._pass_on(pieces)
        return [file]

    def write_papers(
        self, ticket: BatchTicket, totals: BatchTotals, parts: Sequence[PrintedPart], folder: Path
    ) -> list[PrintFile]:
        if totals.gathered != totals.printed + sum(totals.left_out.values()):
            raise Unbalanced(f"{totals.gathered} gathered, {totals.printed} printed, {totals.left_out} left out")
        if totals.printed + totals.seeds != sum(part.last_sequence - part.first_sequence + 1 for part in parts):
            raise Unbalanced(f"{totals.printed} and {totals.seeds} seeds are not what is in the parts")
        whole = "".join(file.path.read_text() for part in parts for file in part.files)
        told = f"{ticket.id} {ticket.mailing_on} {totals.printed} {totals.seeds} {dict(totals.left_out)}\n{whole}"
        return [_file(folder / "papers.txt", told, 0)]

    def write_proof(self, ticket: BatchTicket, pieces: Sequence[Piece], target: Path) -> PrintFile:
        self._refuse_torn(pieces)
        lines = [f"{_told(piece)} {piece.message.coupon and piece.message.coupon.code}" for piece in pieces]
        return _file(target, "%PDF\n" + "\n".join(lines), len(pieces))

    def picture(self, message: Outbound) -> bytes:
        return b"\x89PNG\r\n\x1a\n" + _told(Piece(sequence=1, message=message)).encode()

    def _refuse_torn(self, pieces: Sequence[Piece]) -> None:
        torn = [
            Refusal(sequence=piece.sequence, code="torn", detail="the paper is torn")
            for piece in pieces
            if piece.message.parts["text"] == "torn"
        ]
        if torn:
            raise PiecesRefused(torn)

    def _pass_on(self, pieces: Sequence[Any]) -> None:
        """Let a test do something while a part is written: that ends when the file `go` is there."""
        if any(piece.message.parts["text"].startswith("slow") for piece in pieces):
            (self.context.files / "printing").touch()
            while not (self.context.files / "go").exists():
                pass


class Card(Paper):
    """Paper for letter boxes."""

    kind = "card"
    capabilities = Capabilities(address_kind="postal", parts=TEXT, batched=True)
    part_size = 50


def _told(piece: Piece) -> str:
    return f"seed {piece.message.name}" if piece.is_seed else piece.message.recipient_id


def _file(path: Path, text: str, records: int) -> PrintFile:
    content = text.encode()
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return PrintFile(path=path, media_type="text/plain", records=records, sha256=digest, bytes=len(content))
