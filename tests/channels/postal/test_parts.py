"""The files of a part: what is in them, that they are the same each time, and that they are all there or none is."""

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pikepdf
import pypdf
import pytest

from channels.postal import PostalChannel
from channels.postal.designs import Designs
from channels.postal.parts import PressRoom
from channels.postal.shelf import Shelf
from gateway.contract import ChannelMisconfigured, Context, Piece, PiecesRefused, PrintFile
from gateway.testkit import NOW
from gateway.testkit.recorder import Recorder

replace = msgspec.structs.replace

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def pieces(message):
    return [Piece(sequence=number, message=message(number)) for number in range(1, 8)]


@pytest.fixture
def write(config, ticket, tmp_path):
    """Writes one part."""

    def run(
        pieces: Sequence[Piece], number: int = 1, folder: Path = tmp_path / "parts", **settings: Any
    ) -> Sequence[PrintFile]:
        made = config(**settings)
        return PressRoom(made, Designs(made)).write_part(ticket(), number, pieces, folder)

    return run


def test_a_part_is_its_pages_and_its_rows(write, pieces, read_rows):
    pdf, rows = write(pieces[:3])
    assert [file.path.name for file in (pdf, rows)] == ["B0427_part0001.pdf", "B0427_part0001.csv"]
    assert (pdf.records, rows.records) == (3, 3)
    assert [row["seq"] for row in read_rows(rows.path)] == ["1", "2", "3"]
    with pikepdf.open(pdf.path) as opened:
        assert len(opened.pages) == 3


def test_a_later_part_keeps_the_numbers_it_was_given(write, pieces, read_rows):
    _, rows = write(pieces[3:], number=2)
    assert [(row["seq"], row["part"], row["page_in_part"], row["record_no"]) for row in read_rows(rows.path)] == [
        ("4", "2", "1", "1"),
        ("5", "2", "2", "2"),
        ("6", "2", "3", "3"),
        ("7", "2", "4", "4"),
    ]


def test_pieces_of_two_sides_begin_on_every_other_page(write, pieces, read_rows):
    pdf, rows = write(pieces[:3], design="postcard-a6")
    assert [(row["page_in_part"], row["sheet_count"]) for row in read_rows(rows.path)] == [
        ("1", "1"),
        ("3", "1"),
        ("5", "1"),
    ]
    with pikepdf.open(pdf.path) as opened:
        assert len(opened.pages) == 6


def test_every_file_is_what_it_is_said_to_be(write, pieces):
    for file in write(pieces):
        content = file.path.read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (file.sha256, file.bytes)


def test_a_part_is_the_same_whatever_was_printed_before_it(write, pieces, tmp_path):
    write(pieces[:3], folder=tmp_path / "both")
    after = write(pieces[3:], 2, tmp_path / "both")
    alone = write(pieces[3:], 2, tmp_path / "alone")
    assert [file.sha256 for file in after] == [file.sha256 for file in alone]


def test_a_part_is_the_same_by_one_hand_and_by_two(config, ticket, message, tmp_path, monkeypatch):
    pieces = [Piece(sequence=number, message=message(number)) for number in range(1, 202)]
    sums = []
    for hands in (1, 2):
        monkeypatch.setattr("channels.postal.parts._HANDS", hands)
        room = PressRoom(config(), Designs(config()))
        sums.append([file.sha256 for file in room.write_part(ticket(), 1, pieces, tmp_path / str(hands))])
    assert sums[0] == sums[1]


def test_another_process_in_another_land_gives_the_same_bytes(write, pieces, config, ticket, tmp_path):
    here = write(pieces, folder=tmp_path / "here")
    order = tmp_path / "order.json"
    order.write_bytes(msgspec.json.encode([config(), ticket(), pieces]))
    script = (
        "import sys, msgspec, pathlib\n"
        "from channels.postal.config import PostalConfig\n"
        "from channels.postal.designs import Designs\n"
        "from channels.postal.parts import PressRoom\n"
        "from gateway.contract import BatchTicket, Piece\n"
        "order = pathlib.Path(sys.argv[1]).read_bytes()\n"
        "config, ticket, pieces = msgspec.json.decode(order, type=tuple[PostalConfig, BatchTicket, list[Piece]])\n"
        "PressRoom(config, Designs(config)).write_part(ticket, 1, pieces, pathlib.Path(sys.argv[2]))\n"
    )
    environment = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "12345", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    there = tmp_path / "there"
    subprocess.run([sys.executable, "-c", script, str(order), str(there)], check=True, env=environment, cwd=tmp_path)
    assert {file.path.name: file.sha256 for file in here} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in there.iterdir()
    }


def test_another_ticket_gives_other_bytes(config, ticket, pieces, tmp_path):
    room = PressRoom(config(), Designs(config()))
    late = replace(ticket(), created_at=ticket().created_at.replace(hour=23))
    one, _ = room.write_part(ticket(), 1, pieces, tmp_path / "one")
    other, _ = room.write_part(late, 1, pieces, tmp_path / "other")
    assert one.sha256 != other.sha256


def test_a_part_written_again_replaces_its_files(write, pieces, tmp_path):
    write([replace(pieces[0], message=replace(pieces[0].message, name="Somebody Else"))], 1, tmp_path / "again")
    again = write(pieces[:1], 1, tmp_path / "again")
    fresh = write(pieces[:1], 1, tmp_path / "fresh")
    assert [file.sha256 for file in again] == [file.sha256 for file in fresh]


def test_specimens_may_share_a_code_and_seeds_are_flagged(write, pieces, read_rows):
    seeds = [
        Piece(sequence=number, message=replace(pieces[0].message, is_test=True), is_seed=True) for number in (1, 4)
    ]
    _, rows = write([seeds[0], *pieces[1:3], seeds[1]])
    assert [row["seed"] for row in read_rows(rows.path)] == ["1", "0", "0", "1"]


def test_a_part_too_large_for_the_print_shop_is_written_and_told(config, ticket, pieces, tmp_path):
    def entries(part_bytes: int) -> list[dict[str, Any]]:
        recorder = Recorder()
        made = config(order={"part_bytes": part_bytes})
        context = Context(
            http=None, now=lambda: NOW, log=recorder.log, files=tmp_path, hook_url="https://gateway.example"
        )
        pdf, _ = PostalChannel(made, context).write_part(ticket(), 1, pieces, tmp_path / "out")
        assert pdf.path.exists()
        return recorder.entries

    assert entries(250_000_000) == []
    [told] = entries(10_000)
    assert (told["event"], told["part"], told["records_that_fit"]) == ("postal.part_too_large", 1, 1)


@pytest.mark.parametrize(
    ("number", "sequences", "fault"),
    [
        (1, [1, 3], "piece 3 stands where 2"),
        (1, [1, 1], "piece 1 stands where 2"),
        (2, [8, 7], "piece 7 stands where 9"),
        (1, [2, 3], "first piece has the number 2"),
        (2, [1, 2], "first piece has the number 1"),
        (0, [1], "from 1 to 9999"),
        (1, [], "0 pieces, from 1 to 4"),
        (1, [1, 2, 3, 4, 5], "5 pieces, from 1 to 4"),
    ],
    ids=str,
)
def test_pieces_that_are_not_numbered_as_they_must_be_are_a_fault_of_the_caller(
    write, message, number, sequences, fault, tmp_path
):
    pieces = [Piece(sequence=sequence, message=message(at)) for at, sequence in enumerate(sequences, 1)]
    with pytest.raises(ValueError, match=fault):
        write(pieces, number, records_per_part=4)
    assert not (tmp_path / "parts").exists()


@pytest.mark.parametrize("id", ["../evil", "a b", "", "x" * 65])
def test_a_batch_whose_id_cannot_name_files_is_refused(config, ticket, pieces, tmp_path, id):
    with pytest.raises(ValueError, match="batch id"):
        PressRoom(config(), Designs(config())).write_part(replace(ticket(), id=id), 1, pieces, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_proof_is_one_file_of_specimens(config, ticket, pieces, tmp_path):
    target = tmp_path / "proofs" / "B0427_proof.pdf"
    file = PressRoom(config(), Designs(config())).write_proof(ticket(), [pieces[5], pieces[1]], target)
    assert (file.path, file.records) == (target, 2)
    assert [path.name for path in target.parent.iterdir()] == ["B0427_proof.pdf"]
    first, second = (page.extract_text() for page in pypdf.PdfReader(target).pages)
    assert "B0427 · 000006" in first
    assert "B0427 · 000002" in second
    assert "SPECIMEN" in first
    assert "SPECIMEN" in second


def test_a_proof_refuses_what_a_part_would(config, ticket, pieces, message, tmp_path):
    bad = Piece(sequence=9, message=message(9, name="山田"))
    with pytest.raises(PiecesRefused, match="piece 9: missing-glyph"):
        PressRoom(config(), Designs(config())).write_proof(ticket(), [pieces[0], bad], tmp_path / "proof.pdf")
    assert not (tmp_path / "proof.pdf").exists()


class OutOfPaper(Exception):
    """The paper has run out, say."""


def test_a_file_that_fails_half_way_leaves_nothing(tmp_path):
    def half(target: Path) -> None:
        target.write_bytes(b"half")
        raise OutOfPaper

    def torn(shelf: Shelf) -> None:
        shelf.add("whole.txt", "text/plain", lambda target: target.write_bytes(b"whole") and None)
        shelf.add("torn.txt", "text/plain", half)

    with pytest.raises(OutOfPaper), Shelf(tmp_path) as shelf:
        torn(shelf)
    assert not list(tmp_path.iterdir())


def test_no_file_has_its_final_name_before_all_are_whole(tmp_path):
    with Shelf(tmp_path) as shelf:
        for name in ("one.txt", "two.txt"):
            shelf.add(name, "text/plain", lambda target: target.write_bytes(b"x") and None)
        assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
        shelf.publish()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.txt", "two.txt"]


def test_a_killed_process_leaves_no_final_name(tmp_path):
    script = (
        "import os, pathlib, sys\n"
        "from channels.postal.shelf import Shelf\n"
        "shelf = Shelf(pathlib.Path(sys.argv[1])).__enter__()\n"
        "shelf.add('one.pdf', 'application/pdf', lambda target: target.write_bytes(b'x') and None)\n"
        "shelf.add('two.pdf', 'application/pdf', lambda target: os._exit(9))\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], env={"PYTHONPATH": str(ROOT)}, check=False)
    assert ended.returncode == 9
    assert [path.name for path in tmp_path.iterdir()] == [".one.pdf.unfinished"]


def test_a_disk_that_is_full_is_told_as_such_and_no_half_file_stays(tmp_path):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full here")

    def write(target: Path) -> None:
        target.write_bytes(b"begun")
        with full.open("wb", buffering=0) as stream:
            stream.write(b"x")

    with pytest.raises(ChannelMisconfigured, match=r"not-written: .*No space left"), Shelf(tmp_path) as shelf:
        shelf.add("one.pdf", "application/pdf", write)
    assert not list(tmp_path.iterdir())


def test_a_part_that_the_disk_has_no_room_for_is_told_and_ends_no_process(tmp_path):
    """In a process of its own: qpdf would end it."""
    script = (
        "import pathlib, resource, sys\n"
        "from gateway.contract import ChannelMisconfigured\n"
        "from tests.channels.postal.conftest import a_config, a_message, a_ticket, pieces_of, print_parts\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    print_parts(a_config(), a_ticket(), pieces_of([a_message()]), pathlib.Path(sys.argv[1]))\n"
        "except ChannelMisconfigured as error:\n"
        "    print(error.code)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    ended = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "not-written\n"), ended.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("room_bytes", [3_000, 7_000, 9_000])
def test_papers_that_the_disk_has_no_room_for_are_told_and_leave_nothing_beside_the_parts(tmp_path, room_bytes):
    script = (
        "import pathlib, resource, sys\n"
        "from channels.postal.papers import write_papers\n"
        "from gateway.contract import BatchTotals, ChannelMisconfigured\n"
        "from tests.channels.postal.conftest import a_config, a_message, a_ticket, pieces_of, print_parts\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "parts = print_parts(a_config(), a_ticket(), pieces_of(map(a_message, range(1, 60))), folder)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))\n"
        "try:\n"
        "    write_papers(a_config(), a_ticket(), BatchTotals(gathered=59, printed=59), parts, folder)\n"
        "except ChannelMisconfigured as error:\n"
        "    print(error.code)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(room_bytes)]
    ended = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "not-written\n"), ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["B0427_part0001.csv", "B0427_part0001.pdf"]
