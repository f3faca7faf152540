"""What a channel on paper wrote, looked at before it is believed. All of it blocks: it runs in threads."""

import hashlib
from collections.abc import Callable, Container, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.contract import (
    BatchTicket,
    BatchTotals,
    ChannelMisconfigured,
    Failure,
    Outbound,
    Piece,
    PiecesRefused,
    PrintedPart,
    PrintFile,
    Refusal,
    Unbalanced,
)
from gateway.registry import wording

T = TypeVar("T")

_PNG: Final = b"\x89PNG\r\n\x1a\n"


class _Nonsense(Exception):
    """What a channel gave is not what it must be. The text is ours, and names no person."""


class Press:
    """A channel's printing. Raises PiecesRefused for pieces that are its caller's, otherwise ChannelMisconfigured."""

    def __init__(self, channel: Any, log: Any) -> None:
        self._channel = channel
        self._log = log

    @property
    def part_size(self) -> int:
        """The most pieces of a part; at least 1. Raises ChannelMisconfigured."""
        return self._kept("part_size", lambda: _size(self._channel.part_size))

    def write_part(
        self, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path
    ) -> tuple[PrintFile, ...]:
        def written() -> tuple[PrintFile, ...]:
            files = _inside(self._channel.write_part(ticket, number, pieces, folder), folder)
            if {file.records for file in files} | {0} != {0, len(pieces)}:
                raise _Nonsense(f"no files that hold all {len(pieces)} pieces of the part")
            return files

        return self._kept("write_part", written, {piece.sequence for piece in pieces})

    def write_papers(
        self, ticket: BatchTicket, totals: BatchTotals, parts: Sequence[PrintedPart], folder: Path
    ) -> tuple[PrintFile, ...]:
        def written() -> tuple[PrintFile, ...]:
            files = _inside(self._channel.write_papers(ticket, totals, parts, folder), folder)
            if {file.path.name for file in files} & {file.path.name for part in parts for file in part.files}:
                raise _Nonsense("papers that stand where a part's file stood")
            return files

        return self._kept("write_papers", written)

    def write_proof(self, ticket: BatchTicket, pieces: Sequence[Piece], target: Path) -> PrintFile:
        def written() -> PrintFile:
            file = self._channel.write_proof(ticket, pieces, target)
            [measured] = _inside([file], target.parent)
            if measured.path.resolve() != target.resolve():
                raise _Nonsense("a proof under another name")
            return measured

        return self._kept("write_proof", written, {piece.sequence for piece in pieces})

    def picture(self, message: Outbound) -> bytes:
        def drawn() -> bytes:
            picture = self._channel.picture(message)
            if not isinstance(picture, bytes) or not picture.startswith(_PNG):
                raise _Nonsense("a picture that is no PNG")
            return picture

        return self._kept("picture", drawn, range(2))

    def _kept(self, name: str, work: Callable[[], T], sequences: Container[int] = ()) -> T:
        try:
            return work()
        except PiecesRefused as refused:
            raise self._refused(name, refused, sequences) from None
        except Unbalanced as fault:
            raise ChannelMisconfigured("unbalanced", wording.line(str(fault), wording.DETAIL_CHARS)) from None
        except ChannelMisconfigured as failure:
            raise wording.plain(failure) from None
        except Failure as failure:
            raise ChannelMisconfigured(failure.code, wording.plain(failure).detail) from None
        except _Nonsense as nonsense:
            raise self._bug(name, str(nonsense)) from None
        except BaseException as error:
            raise self._bug(name, wording.where(error)) from None

    def _refused(self, name: str, told: PiecesRefused, sequences: Container[int]) -> Exception:
        try:
            refusals = [_plain(each, sequences) for each in told.refusals]
        except _Nonsense as nonsense:
            return self._bug(name, str(nonsense))
        except Exception as error:
            return self._bug(name, wording.where(error))
        return PiecesRefused(refusals) if refusals else self._bug(name, "pieces were refused, but none is named")

    def _bug(self, name: str, what: str) -> ChannelMisconfigured:
        self._log.error("channel.adapter_bug", method=name, at=what)
        return ChannelMisconfigured("adapter-bug", what)


def _size(told: Any) -> int:
    if not isinstance(told, int) or isinstance(told, bool) or told < 1:
        raise _Nonsense("a part_size that is no number of pieces")
    return told


def _plain(told: Refusal, sequences: Container[int]) -> Refusal:
    if type(told.sequence) is not int or told.sequence not in sequences:
        raise _Nonsense("a piece was refused that is none of those given")
    return Refusal(
        sequence=told.sequence,
        code=wording.line(told.code, wording.CODE_CHARS) or "no-code",
        detail=wording.line(told.detail, wording.DETAIL_CHARS),
    )


def _inside(told: Iterable[PrintFile], folder: Path) -> tuple[PrintFile, ...]:
    files = tuple(told)
    if not files or len({file.path.resolve() for file in files}) != len(files):
        raise _Nonsense("no files, or one named twice")
    for file in files:
        if not file.path.resolve().is_relative_to(folder.resolve()):
            raise _Nonsense("a file outside the batch's folder")
        if not file.path.is_file():
            raise _Nonsense("a file that is not there")
        if file.path.stat().st_size != file.bytes or _sha256(file.path) != file.sha256:
            raise _Nonsense("a file that is not what the channel says of it")
    return files


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
