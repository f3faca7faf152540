"""The guard around a channel that prints: its caller hears of pieces refused or of a channel that is ill, no more."""

from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.contract import (
    Address,
    BatchTicket,
    BatchTotals,
    Capabilities,
    ChannelMisconfigured,
    Part,
    Piece,
    PiecesRefused,
    PrintedPart,
    PrintFile,
    Quiet,
    Refusal,
    TransientFailure,
    Unbalanced,
)
from gateway.registry import Guarded
from gateway.testkit.recorder import Recorder
from gateway.testkit.samples import NOW, outbounds

CAPABILITIES = Capabilities(address_kind="loft", parts={"text": Part(kind="text")}, batched=True)
BATCH = outbounds(CAPABILITIES, [Address(kind="loft", value=f"loft {number}") for number in (1, 2)])
PIECES = [Piece(sequence=number, message=message) for number, message in enumerate(BATCH, start=41)]
TICKET = BatchTicket(id="b-1", job_name="Весна", mailing_on=date(2026, 4, 1), created_at=NOW)
TOTALS = BatchTotals(gathered=2, printed=2)
PNG = b"\x89PNG\r\n\x1a\n..."


def write(path: Path, records: int = 2, **changes: Any) -> PrintFile:
    path.write_bytes(b"1;Anna\r\n")
    told = {"path": path, "media_type": "text/csv", "records": records, "bytes": 8}
    return PrintFile(**{**told, "sha256": sha256(b"1;Anna\r\n").hexdigest(), **changes})


class Press(Quiet):
    """Well behaved, until a test gives it another method."""

    kind = "press"
    capabilities = CAPABILITIES
    part_size: Any = 100

    def write_part(self, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path) -> Any:
        return [write(folder / f"part{number}.csv", len(pieces)), write(folder / f"part{number}.txt", 0)]

    def write_papers(self, ticket: BatchTicket, totals: BatchTotals, parts: Sequence[PrintedPart], folder: Path) -> Any:
        return [write(folder / "ticket.txt", 0)]

    def write_proof(self, ticket: BatchTicket, pieces: Sequence[Piece], target: Path) -> Any:
        return write(target, len(pieces))

    def picture(self, message: Any) -> Any:
        return PNG


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def guarded(recorder: Recorder, **methods: Any) -> Guarded:
    channel = type("Changed", (Press,), methods)(None, None)
    return Guarded(channel, recorder.log)


def raising(error: BaseException) -> Any:
    def method(self: Any, *args: Any) -> Any:
        raise error

    return method


def refusing(*sequences: Any) -> Any:
    return raising(PiecesRefused([Refusal(sequence=each, code="torn", detail="the paper") for each in sequences]))


async def test_a_sound_press_gives_what_it_wrote(recorder: Recorder, tmp_path: Path) -> None:
    press = guarded(recorder)
    part = await press.write_part(TICKET, 3, PIECES, tmp_path)
    assert press.part_size == 100
    assert [file.path.name for file in part] == ["part3.csv", "part3.txt"]
    printed = PrintedPart(number=3, first_sequence=41, last_sequence=42, files=part)
    papers = await press.write_papers(TICKET, TOTALS, [printed], tmp_path)
    assert [file.path.name for file in papers] == ["ticket.txt"]
    assert (await press.write_proof(TICKET, PIECES, tmp_path / "proof.pdf")).path == tmp_path / "proof.pdf"
    assert await press.picture(BATCH[0]) == PNG
    assert recorder.entries == []


@pytest.mark.parametrize("size", [0, -1, "5000", None, True, 2.5])
async def test_a_part_size_that_is_no_number_of_pieces_is_a_bug(recorder: Recorder, size: Any) -> None:
    with pytest.raises(ChannelMisconfigured, match="adapter-bug"):
        _ = guarded(recorder, part_size=size).part_size


async def test_refused_pieces_keep_their_numbers_and_short_reasons(recorder: Recorder, tmp_path: Path) -> None:
    refusals = [
        Refusal(sequence=41, code="overflow", detail="x" * 900),
        Refusal(sequence=42, code="", detail="two\nlines"),
    ]
    with pytest.raises(PiecesRefused) as caught:
        await guarded(recorder, write_part=raising(PiecesRefused(refusals))).write_part(TICKET, 1, PIECES, tmp_path)
    told = caught.value.refusals
    assert [(each.sequence, each.code, len(each.detail)) for each in told] == [
        (41, "overflow", 500),
        (42, "no-code", 9),
    ]


@pytest.mark.parametrize("sequences", [(), (7,), (41, 0), ("41",), (None,)])
async def test_a_refusal_of_no_piece_or_a_foreign_one_is_a_bug(
    recorder: Recorder, tmp_path: Path, sequences: tuple[Any, ...]
) -> None:
    with pytest.raises(ChannelMisconfigured, match="adapter-bug"):
        await guarded(recorder, write_part=refusing(*sequences)).write_part(TICKET, 1, PIECES, tmp_path)
    assert recorder.names() == ["channel.adapter_bug"]


async def test_a_refusal_that_is_none_of_ours_is_a_bug(recorder: Recorder, tmp_path: Path) -> None:
    refused = PiecesRefused([])
    refused.refusals = ("Anna",)  # type: ignore[assignment]  # what a careless channel may do
    with pytest.raises(ChannelMisconfigured, match="adapter-bug") as caught:
        await guarded(recorder, write_part=raising(refused)).write_part(TICKET, 1, PIECES, tmp_path)
    assert "Anna" not in f"{caught.value}{recorder.entries}"


@pytest.mark.parametrize("error", [KeyError("Anna"), ValueError("Anna"), SystemExit(), MemoryError(), BaseException()])
@pytest.mark.parametrize("method", ["write_part", "write_papers", "write_proof", "picture"])
async def test_a_bug_of_a_press_pauses_the_channel_and_names_nobody(
    recorder: Recorder, tmp_path: Path, method: str, error: BaseException
) -> None:
    press = guarded(recorder, **{method: raising(error)})
    calls = {
        "write_part": lambda: press.write_part(TICKET, 1, PIECES, tmp_path),
        "write_papers": lambda: press.write_papers(TICKET, TOTALS, [], tmp_path),
        "write_proof": lambda: press.write_proof(TICKET, PIECES, tmp_path / "proof.pdf"),
        "picture": lambda: press.picture(BATCH[0]),
    }
    with pytest.raises(ChannelMisconfigured, match="adapter-bug") as caught:
        await calls[method]()
    assert "Anna" not in f"{caught.value}{recorder.entries}"
    assert [(entry["event"], entry["method"]) for entry in recorder.entries] == [("channel.adapter_bug", method)]


@pytest.mark.parametrize("failure", [ChannelMisconfigured("jam", "no paper"), TransientFailure("jam", "no paper")])
async def test_a_press_that_cannot_print_now_is_heard(recorder: Recorder, tmp_path: Path, failure: Exception) -> None:
    with pytest.raises(ChannelMisconfigured, match="jam: no paper"):
        await guarded(recorder, write_part=raising(failure)).write_part(TICKET, 1, PIECES, tmp_path)


@pytest.mark.parametrize(
    "changes",
    [{"path": Path("/etc/hostname")}, {"bytes": 7}, {"sha256": "0" * 64}, {"records": 1}, {"records": 0}],
    ids=["elsewhere", "size", "digest", "too few", "none"],
)
async def test_a_file_of_a_part_that_is_not_what_it_should_be_is_a_bug(
    recorder: Recorder, tmp_path: Path, changes: dict[str, Any]
) -> None:
    def write_part(self: Any, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path) -> Any:
        return [write(folder / "part.csv", **changes)]

    with pytest.raises(ChannelMisconfigured, match="adapter-bug"):
        await guarded(recorder, write_part=write_part).write_part(TICKET, 1, PIECES, tmp_path)


async def test_a_file_that_is_not_there_or_named_twice_is_a_bug(recorder: Recorder, tmp_path: Path) -> None:
    def missing(self: Any, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path) -> Any:
        file = write(folder / "part.csv")
        file.path.unlink()
        return [file]

    def twice(self: Any, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path) -> Any:
        return [write(folder / "part.csv"), write(folder / "part.csv")]

    def nothing(self: Any, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path) -> Any:
        return []

    for write_part in (missing, twice, nothing):
        with pytest.raises(ChannelMisconfigured, match="adapter-bug"):
            await guarded(recorder, write_part=write_part).write_part(TICKET, 1, PIECES, tmp_path)


async def test_papers_that_stand_in_the_place_of_a_part_are_a_bug(recorder: Recorder, tmp_path: Path) -> None:
    press = guarded(recorder, write_papers=lambda self, ticket, totals, parts, folder: [write(folder / "part1.csv", 0)])
    files = await press.write_part(TICKET, 1, PIECES, tmp_path)
    part = PrintedPart(number=1, first_sequence=41, last_sequence=42, files=files)
    with pytest.raises(ChannelMisconfigured, match="where a part's file stood"):
        await press.write_papers(TICKET, TOTALS, [part], tmp_path)


async def test_papers_that_do_not_add_up_say_which_figures(recorder: Recorder, tmp_path: Path) -> None:
    press = guarded(recorder, write_papers=raising(Unbalanced("2 printed, 3 in the parts")))
    with pytest.raises(ChannelMisconfigured) as caught:
        await press.write_papers(TICKET, TOTALS, [], tmp_path)
    assert (caught.value.code, caught.value.detail) == ("unbalanced", "2 printed, 3 in the parts")


async def test_a_proof_under_another_name_is_a_bug(recorder: Recorder, tmp_path: Path) -> None:
    press = guarded(recorder, write_proof=lambda self, ticket, pieces, target: write(target.with_name("other.pdf")))
    with pytest.raises(ChannelMisconfigured, match="another name"):
        await press.write_proof(TICKET, PIECES, tmp_path / "proof.pdf")


@pytest.mark.parametrize("told", [b"", b"<svg/>", "PNG", None])
async def test_a_picture_that_is_no_png_is_a_bug(recorder: Recorder, told: Any) -> None:
    with pytest.raises(ChannelMisconfigured, match="no PNG"):
        await guarded(recorder, picture=lambda self, message: told).picture(BATCH[0])


async def test_a_picture_that_is_refused_says_why(recorder: Recorder) -> None:
    with pytest.raises(PiecesRefused, match="torn"):
        await guarded(recorder, picture=refusing(1)).picture(BATCH[0])
