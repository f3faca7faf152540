"""The files of a batch: what is in them, that they agree, and that they are all there or none is."""

import hashlib
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from channels.postal import batch
from gateway.contract import Address

replace = msgspec.structs.replace

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def messages(message):
    return [message(number) for number in range(1, 8)]


def test_the_manifest_has_one_row_per_page_in_page_order(exported, messages, read_rows):
    files = exported(messages, records_per_part=3)
    rows = read_rows(files["manifest.csv"].path)
    assert [(row["seq"], row["part"], row["page_in_part"]) for row in rows] == [
        ("1", "1", "1"),
        ("2", "1", "2"),
        ("3", "1", "3"),
        ("4", "2", "1"),
        ("5", "2", "2"),
        ("6", "2", "3"),
        ("7", "3", "1"),
    ]
    assert [row["code_last4"] for row in rows] == [message.coupon.code[-4:] for message in messages]
    assert rows[2] == {
        "seq": "3",
        "part": "1",
        "page_in_part": "3",
        "code_last4": messages[2].coupon.code[-4:],
        "address_line1": "Αλέξανδρος Δοκιμής",
        "address_line2": "Οδός Δοκιμής 45",
        "address_line3": "105 63 ΑΘΗΝΑ",
        "address_line4": "GREECE",
        "address_line5": "",
        "address_line6": "",
        "postcode": "105 63",
        "city": "Αθήνα",
        "country": "GR",
        "lang": "el",
    }


def test_whole_records_are_shared_out_among_the_parts(exported, messages):
    files = exported(messages, records_per_part=3)
    assert {name: file.records for name, file in files.items()} == {
        "part0001.pdf": 3,
        "part0002.pdf": 3,
        "part0003.pdf": 1,
        "manifest.csv": 0,
        "jobticket.json": 0,
        "SHA256SUMS": 0,
    }


def test_the_shop_learns_no_internal_id_and_no_other_address(exported, message):
    hidden = message(
        1,
        id="hidden-id",
        send_id="hidden-send",
        job_id="hidden-job",
        recipient_id="hidden-recipient",
        unsubscribe_url="https://hidden.example/u",
        address=Address(kind="postal", value="hidden", data={**message(1).address.data, "email": "hidden@example.com"}),
    )
    files = exported([hidden])
    for name in ("manifest.csv", "jobticket.json", "SHA256SUMS"):
        assert b"hidden" not in files[name].path.read_bytes()
    assert hidden.coupon.code.encode() not in files["manifest.csv"].path.read_bytes()
    assert hidden.coupon.code.replace("-", "").encode() not in files["manifest.csv"].path.read_bytes()


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_cell_of_the_manifest_is_a_formula(exported, message, read_rows, formula):
    data = {**message(1).address.data, "street": formula, "city": f"\t{formula}"}
    files = exported([message(1, name=formula, address=Address(kind="postal", value="", data=data))])
    row = read_rows(files["manifest.csv"].path)[0]
    assert row["address_line1"] == row["address_line2"] == row["city"] == f"'{formula}"
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values())


def test_a_delimiter_in_a_cell_is_quoted(exported, message, read_rows):
    files = exported([message(1, name='Anna; "la" Prova, II')], csv_delimiter=",")
    assert read_rows(files["manifest.csv"].path, ",")[0]["address_line1"] == 'Anna; "la" Prova, II'


def test_a_spreadsheet_sees_that_the_manifest_is_utf_8(exported, messages):
    assert exported(messages)["manifest.csv"].path.read_bytes().startswith(b"\xef\xbb\xbfseq;part;")


def test_a_card_without_a_coupon_has_no_code_in_the_manifest(exported, message, read_rows):
    assert read_rows(exported([message(1, coupon=None)])["manifest.csv"].path)[0]["code_last4"] == ""


def test_the_job_ticket_says_what_to_print_and_its_totals_agree(exported, messages):
    files = exported(messages, records_per_part=4)
    told = msgspec.json.decode(files["jobticket.json"].path.read_bytes())
    assert (told["batch"], told["job_name"], told["mailing_on"]) == ("B0427", "Primavera", "2027-03-01")
    assert told["format"]["trim_mm"] == [148, 210]
    assert told["format"]["bleed_mm"] == 3
    assert told["format"]["inks"] == "K"
    assert [(part["first_sequence"], part["last_sequence"], part["records"]) for part in told["parts"]] == [
        (1, 4, 4),
        (5, 7, 3),
    ]
    assert told["totals"]["records"] == told["totals"]["pages"] == told["totals"]["coupons"] == 7
    assert sum(told["totals"]["by_country"].values()) == sum(told["totals"]["by_lang"].values()) == 7
    for entry in (*told["parts"], told["manifest"]):
        file = files[entry["file"].removeprefix("B0427_")]
        assert (entry["sha256"], entry["bytes"]) == (file.sha256, file.bytes)


def test_an_accent_in_colour_is_told_to_the_shop(exported, message):
    files = exported([message()], accent_cmyk=[0, 60, 100, 5])
    assert msgspec.json.decode(files["jobticket.json"].path.read_bytes())["format"]["inks"] == "CMYK"


def test_every_checksum_is_the_files_own(exported, messages):
    files = exported(messages, records_per_part=3)
    for file in files.values():
        content = file.path.read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (file.sha256, file.bytes)
    sums = dict(reversed(line.split("  ")) for line in files["SHA256SUMS"].path.read_text().splitlines())
    assert sums == {file.path.name: file.sha256 for name, file in files.items() if name != "SHA256SUMS"}


def test_the_same_batch_gives_the_same_bytes(exported, messages, tmp_path):
    first = exported(messages, tmp_path / "first", records_per_part=3)
    second = exported(messages, tmp_path / "second", records_per_part=3)
    assert {name: file.sha256 for name, file in first.items()} == {name: file.sha256 for name, file in second.items()}


def test_another_process_gives_the_same_bytes(exported, messages, config, ticket, tmp_path):
    here = exported(messages, tmp_path / "here", records_per_part=3)
    order = tmp_path / "order.json"
    order.write_bytes(msgspec.json.encode([config(records_per_part=3), ticket(len(messages)), messages]))
    script = (
        "import sys, msgspec, pathlib\n"
        "from channels.postal.batch import export\n"
        "from channels.postal.config import PostalConfig\n"
        "from gateway.contract import BatchTicket, Outbound, Piece\n"
        "order = pathlib.Path(sys.argv[1]).read_bytes()\n"
        "config, ticket, messages = msgspec.json.decode(order, type=tuple[PostalConfig, BatchTicket, list[Outbound]])\n"
        "pieces = [Piece(sequence=n, message=message) for n, message in enumerate(messages, 1)]\n"
        "export(config, ticket, pieces, pathlib.Path(sys.argv[2]))\n"
    )
    environment = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "12345", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    there = tmp_path / "there"
    subprocess.run([sys.executable, "-c", script, str(order), str(there)], check=True, env=environment, cwd=tmp_path)
    assert {file.path.name: file.sha256 for file in here.values()} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in there.iterdir()
    }


def test_another_timestamp_gives_other_bytes(config, ticket, messages, tmp_path):
    pieces = [batch.Piece(sequence=number, message=message) for number, message in enumerate(messages, 1)]
    early = ticket(len(pieces))
    late = replace(early, created_at=early.created_at.replace(hour=23))
    one = batch.export(config(), early, pieces, tmp_path / "one")
    other = batch.export(config(), late, pieces, tmp_path / "other")
    assert one[0].sha256 != other[0].sha256


def test_an_export_into_the_same_folder_replaces_the_files(exported, messages, tmp_path):
    exported([replace(messages[0], name="Somebody Else")], tmp_path)
    again = exported(messages[:1], tmp_path)
    fresh = exported(messages[:1], tmp_path / "fresh")
    assert {name: file.sha256 for name, file in again.items()} == {name: file.sha256 for name, file in fresh.items()}


class OutOfPaper(Exception):
    """The disk is full, say."""


def test_a_file_that_fails_half_way_leaves_nothing(tmp_path):
    def half(target: Path) -> None:
        target.write_bytes(b"half")
        raise OutOfPaper

    def torn(shelf: batch.Shelf) -> None:
        shelf.add("whole.txt", "text/plain", lambda target: target.write_bytes(b"whole") and None)
        shelf.add("torn.txt", "text/plain", half)

    with pytest.raises(OutOfPaper), batch.Shelf(tmp_path) as shelf:
        torn(shelf)
    assert not list(tmp_path.iterdir())


def test_no_file_has_its_final_name_before_all_are_whole(tmp_path):
    with batch.Shelf(tmp_path) as shelf:
        for name in ("one.txt", "two.txt"):
            shelf.add(name, "text/plain", lambda target: target.write_bytes(b"x") and None)
        assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
        shelf.publish()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.txt", "two.txt"]


def test_a_killed_export_leaves_no_final_name(tmp_path):
    script = (
        "import os, pathlib, sys\n"
        "from channels.postal.batch import Shelf\n"
        "shelf = Shelf(pathlib.Path(sys.argv[1])).__enter__()\n"
        "shelf.add('one.pdf', 'application/pdf', lambda target: target.write_bytes(b'x') and None)\n"
        "shelf.add('two.pdf', 'application/pdf', lambda target: os._exit(9))\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], env={"PYTHONPATH": str(ROOT)}, check=False)
    assert ended.returncode == 9
    assert [path.name for path in tmp_path.iterdir()] == [".one.pdf.unfinished"]
