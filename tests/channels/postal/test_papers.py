"""The papers of a batch: made from the parts' own files, and only where everything adds up."""

import csv
import hashlib
import shutil
import subprocess
import zipfile
from datetime import date
from pathlib import Path

import msgspec
import openpyxl
import pikepdf
import pypdf
import pytest

from channels.postal.manifest import COLUMNS, read_csv, write_csv, write_xlsx
from channels.postal.papers import write_papers
from gateway.contract import Address, BatchTotals, Piece, PrintedPart, Unbalanced
from tests.channels.postal.conftest import a_config, a_message, a_ticket, pieces_of, print_parts

replace = msgspec.structs.replace

SEVEN = BatchTotals(gathered=7, printed=7)


@pytest.fixture
def messages(message):
    return [message(number) for number in range(1, 8)]


@pytest.fixture
def batch(messages):
    return [Piece(sequence=number, message=each) for number, each in enumerate(messages, 1)]


@pytest.fixture(scope="module")
def seven(tmp_path_factory):
    """A batch of seven in three parts, printed once."""
    folder = tmp_path_factory.mktemp("seven")
    return folder, print_parts(a_config(records_per_part=3), a_ticket(), pieces_of(map(a_message, range(1, 8))), folder)


@pytest.fixture
def papers(config, ticket, seven, tmp_path):
    """Lets a test tamper with the parts of a batch, of seven where it brings none, and writes the papers."""

    def run(change=lambda parts: parts, totals=SEVEN, pieces=None, **settings):
        made = config(**{"records_per_part": 3, **settings})
        parts = change(print_parts(made, ticket(), pieces, tmp_path) if pieces else _copied(seven, tmp_path))
        before = set(tmp_path.iterdir())
        try:
            return write_papers(made, ticket(), totals, parts, tmp_path)
        except Unbalanced:
            assert set(tmp_path.iterdir()) == before, "papers that do not add up were left in the folder"
            raise

    return run


def _copied(printed, folder):
    shutil.copytree(printed[0], folder, dirs_exist_ok=True)
    return tuple(
        replace(part, files=tuple(replace(file, path=folder / file.path.name) for file in part.files))
        for part in printed[1]
    )


def test_a_batch_is_its_parts_manifests_ticket_and_checksums(exported, messages):
    files = exported(messages, records_per_part=3)
    assert {name: file.records for name, file in files.items()} == {
        "part0001.pdf": 3,
        "part0001.csv": 3,
        "part0002.pdf": 3,
        "part0002.csv": 3,
        "part0003.pdf": 1,
        "part0003.csv": 1,
        "manifest.csv": 0,
        "manifest.xlsx": 0,
        "jobticket.json": 0,
        "jobticket.pdf": 0,
        "SHA256SUMS": 0,
    }


def test_the_manifest_has_one_row_per_piece_in_page_order(exported, messages, read_rows):
    rows = read_rows(exported(messages, records_per_part=3)["manifest.csv"].path)
    assert [(row["seq"], row["part"], row["page_in_part"], row["record_no"]) for row in rows] == [
        ("1", "1", "1", "1"),
        ("2", "1", "2", "2"),
        ("3", "1", "3", "3"),
        ("4", "2", "1", "1"),
        ("5", "2", "2", "2"),
        ("6", "2", "3", "3"),
        ("7", "3", "1", "1"),
    ]
    assert [row["code_last4"] for row in rows] == [message.coupon.code[-4:] for message in messages]
    assert rows[2] == {
        "seq": "3",
        "part": "1",
        "page_in_part": "3",
        "record_no": "3",
        "code_last4": messages[2].coupon.code[-4:],
        "address_line1": "Αλέξανδρος Δοκιμής",
        "address_line2": "Οδός Δοκιμής 45",
        "address_line3": "105 63 ΑΘΗΝΑ",
        "address_line4": rows[2]["address_line4"],
        "address_line5": "",
        "address_line6": "",
        "postcode": "105 63",
        "city": "Αθήνα",
        "country": "GR",
        "lang": "el",
        "seed": "0",
        "sheet_count": "1",
    }


def test_the_workbook_says_what_the_text_file_says(exported, messages, read_rows):
    files = exported(messages, records_per_part=3)
    sheet = openpyxl.load_workbook(files["manifest.xlsx"].path, read_only=True).worksheets[0]
    told = [["" if cell is None else cell for cell in row] for row in sheet.iter_rows(values_only=True)]
    assert told[0] == list(COLUMNS)
    assert told[1:] == [list(row.values()) for row in read_rows(files["manifest.csv"].path)]


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
    code = hidden.coupon.code
    files = exported([hidden])
    for name in files.keys() - {"part0001.pdf"}:
        content = _unpacked(files[name].path)
        for secret in (b"hidden", code.encode(), code.replace("-", "").encode()):
            assert secret not in content, name


def _unpacked(path: Path) -> bytes:
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as book:
            return b"".join(map(book.read, book.namelist()))
    if path.suffix == ".pdf":
        return " ".join(page.extract_text() for page in pypdf.PdfReader(path).pages).encode()
    return path.read_bytes()


@pytest.mark.parametrize("formula", ["\uff1d1+1", "\uff20SUM(A1)", " =1+1", "\n-1", "' =1+1"])
def test_a_formula_in_full_width_or_behind_white_space_is_none_either(tmp_path, formula):
    """An address that the print shop sets itself may have signs that our typeface lacks."""
    row = [formula, *[""] * (len(COLUMNS) - 1)]
    write_csv([row], ";", tmp_path / "m.csv")
    with (tmp_path / "m.csv").open(encoding="utf-8-sig", newline="") as stream:
        assert list(csv.reader(stream, delimiter=";"))[1][0] == f"'{formula}"
    assert list(read_csv(tmp_path / "m.csv", ";")) == [row]


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "'=1+1"])
def test_no_cell_of_a_manifest_is_a_formula(exported, message, read_rows, formula):
    data = {**message(1).address.data, "street": formula, "city": f"\t{formula}"}
    files = exported([message(1, name=formula, address=Address(kind="postal", value="", data=data))])
    row = read_rows(files["manifest.csv"].path)[0]
    assert row["address_line1"] == row["address_line2"] == row["city"] == f"'{formula}"
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values())
    sheet = openpyxl.load_workbook(files["manifest.xlsx"].path).worksheets[0]
    assert (sheet["F2"].value, sheet["F2"].data_type) == (formula, "s")


@pytest.mark.parametrize("cell", ["=1", "'=1", "''=1", "'", "''", "'Anna", "-", "", "O'Neill", "\t", "\r=2", "日本"])
def test_a_cell_is_read_as_it_was_written(tmp_path, cell):
    path = tmp_path / "manifest.csv"
    write_csv([[cell] * len(COLUMNS)], ";", path)
    assert list(read_csv(path, ";")) == [[cell] * len(COLUMNS)]


def test_a_delimiter_in_a_cell_is_quoted(exported, message, read_rows):
    files = exported([message(1, name='Anna; "la" Prova, II')], csv_delimiter=",")
    assert read_rows(files["manifest.csv"].path, ",")[0]["address_line1"] == 'Anna; "la" Prova, II'


def test_a_spreadsheet_sees_that_the_manifest_is_utf_8(exported, messages):
    assert exported(messages)["manifest.csv"].path.read_bytes().startswith(b"\xef\xbb\xbfseq;part;")


def test_a_postcode_keeps_its_zeros_in_the_workbook(exported, message):
    data = {**message(1).address.data, "postcode": "00100"}
    files = exported([message(1, address=Address(kind="postal", value="", data=data))])
    sheet = openpyxl.load_workbook(files["manifest.xlsx"].path).worksheets[0]
    assert sheet.cell(row=2, column=COLUMNS.index("postcode") + 1).value == "00100"


def test_more_rows_than_a_sheet_takes_go_on_in_the_next(ticket, tmp_path):
    rows = [[str(number)] * len(COLUMNS) for number in range(1, 8)]
    write_xlsx(rows, ticket().created_at, tmp_path / "long.xlsx", sheet_rows=3)
    book = openpyxl.load_workbook(tmp_path / "long.xlsx")
    assert [sheet.title for sheet in book] == ["Manifest 1", "Manifest 2", "Manifest 3"]
    assert [[row[0].value for row in sheet.iter_rows()] for sheet in book] == [
        ["seq", "1", "2", "3"],
        ["seq", "4", "5", "6"],
        ["seq", "7"],
    ]


def test_a_piece_without_a_coupon_has_no_code_in_the_manifest(exported, message, read_rows):
    assert read_rows(exported([message(1, coupon=None)])["manifest.csv"].path)[0]["code_last4"] == ""


def test_the_job_ticket_says_what_to_print_and_its_totals_agree(exported, messages):
    files = exported(
        messages,
        records_per_part=4,
        order={"stock": "300 g/m2", "contact": "Ada, +1 202 555 0123", "keep_for_days": 14},
    )
    told = msgspec.json.decode(files["jobticket.json"].path.read_bytes())
    assert (told["batch"], told["job_name"], told["mailing_on"]) == ("B0427", "Primavera", "2027-03-01")
    assert told["destroy_by"] == "2027-03-15"
    assert (told["format"]["trim_mm"], told["format"]["bleed_mm"]) == ([148, 210], 3)
    assert (told["format"]["inks"], told["format"]["stock"]) == ("K", "300 g/m2")
    assert told["sender"]["contact"] == "Ada, +1 202 555 0123"
    assert [look["name"] for look in told["format"]["designs"]] == ["card-a5"]
    assert [(part["first_sequence"], part["last_sequence"], part["records"]) for part in told["parts"]] == [
        (1, 4, 4),
        (5, 7, 3),
    ]
    totals = told["totals"]
    assert totals["records"] == totals["pages"] == totals["coupons"] == totals["sheets"] == 7
    assert (totals["gathered"], totals["left_out"]) == (9, {"no_consent": 2})
    assert sum(totals["by_country"].values()) == sum(totals["by_lang"].values()) == 7
    for entry in (*told["parts"], *told["manifests"]):
        file = files[entry["file"].removeprefix("B0427_")]
        assert (entry["sha256"], entry["bytes"]) == (file.sha256, file.bytes)


def test_an_accent_in_colour_is_told_to_the_shop(exported, message):
    files = exported([message()], accent_cmyk=[0, 60, 100, 5])
    assert msgspec.json.decode(files["jobticket.json"].path.read_bytes())["format"]["inks"] == "CMYK"


def test_the_ticket_for_people_is_one_page_that_says_the_same(exported, messages):
    files = exported(messages, records_per_part=1, order={"stock": "Cartoncino 300 g/m² opaco"})
    [page] = pypdf.PdfReader(files["jobticket.pdf"].path).pages
    text = page.extract_text()
    for said in ("B0427", "Primavera", "2027-03-01", "148 × 210 mm", "Cartoncino 300 g/m² opaco", "B0427_part0007.pdf"):
        assert said in text
    for number in range(1, 8):
        assert files[f"part000{number}.pdf"].sha256[:16] in text


def test_a_ticket_of_many_parts_and_long_words_still_has_one_page(
    exported, message, ticket, config, parts_of, tmp_path
):
    pieces = [Piece(sequence=number, message=message(number)) for number in range(1, 23)]
    made = config(records_per_part=1, order={"stock": "carta " * 20, "contact": "nome " * 24})
    parts = parts_of(made, ticket(), pieces, tmp_path)
    told = replace(ticket(), job_name="Primavera 🌸 " * 30)
    totals = BatchTotals(gathered=42, printed=22, left_out={f"reason_{number}": 2 for number in range(10)})
    files = {file.path.name: file for file in write_papers(made, told, totals, parts, tmp_path)}
    [page] = pypdf.PdfReader(files["B0427_jobticket.pdf"].path).pages
    assert "and 2 more" in page.extract_text()
    assert "Primavera ?" in page.extract_text()


def test_sha256sum_finds_every_file_well(exported, messages, tmp_path):
    files = exported(messages, records_per_part=3)
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", files["SHA256SUMS"].path.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert checked.stdout.count(": OK") == len(files) - 1 == len(list(tmp_path.iterdir())) - 1


def test_the_papers_of_a_batch_are_the_same_each_time(exported, messages, tmp_path):
    first = exported(messages, tmp_path / "first", records_per_part=3)
    second = exported(messages, tmp_path / "second", records_per_part=3)
    assert {name: file.sha256 for name, file in first.items()} == {name: file.sha256 for name, file in second.items()}


def test_the_papers_know_nothing_but_the_parts_files(config, ticket, parts_of, batch, tmp_path):
    """Made by another process, long after, from what lies in the folder."""
    parts = parts_of(config(), ticket(), batch, tmp_path)
    read = msgspec.json.decode(msgspec.json.encode(parts, enc_hook=str), type=list[PrintedPart], dec_hook=_path)
    files = write_papers(config(), ticket(), BatchTotals(gathered=7, printed=7), read, tmp_path)
    assert len(files) == 5


def _path(kind, told):
    assert kind is Path
    return Path(told)


# --- what does not add up


def test_papers_that_add_up_are_written(papers):
    assert len(papers()) == 5


@pytest.mark.parametrize(
    ("totals", "told"),
    [
        (BatchTotals(gathered=8, printed=8), "7 pieces in the parts, but 8"),
        (BatchTotals(gathered=6, printed=6), "7 pieces in the parts, but 6"),
        (BatchTotals(gathered=6, printed=6, seeds=1), "0 seeds in the parts, but 1"),
        (BatchTotals(gathered=9, printed=7), "7 pieces printed and left out, but 9"),
        (BatchTotals(gathered=7, printed=7, left_out={"erased": 1}), "8 pieces printed and left out, but 7"),
    ],
    ids=["too few", "too many", "seeds", "nobody knows why", "counted twice"],
)
def test_totals_that_are_not_the_parts_are_refused(papers, totals, told):
    with pytest.raises(Unbalanced, match=told):
        papers(totals=totals)


def test_a_missing_part_is_refused(papers):
    with pytest.raises(Unbalanced, match="part 3 stands where part 2 belongs"):
        papers(lambda parts: (parts[0], parts[2]))
    with pytest.raises(Unbalanced, match="6 pieces in the parts, but 7"):
        papers(lambda parts: parts[:2])
    with pytest.raises(Unbalanced, match="there is no part"):
        papers(lambda parts: ())


def test_parts_in_another_order_are_refused(papers):
    with pytest.raises(Unbalanced, match="part 2 stands where part 1 belongs"):
        papers(lambda parts: (parts[1], parts[0], parts[2]))


@pytest.mark.parametrize("which", [0, 1], ids=["pages", "rows"])
def test_a_part_one_byte_short_is_refused(papers, which):
    def shorten(parts):
        path = parts[1].files[which].path
        path.write_bytes(path.read_bytes()[:-1])
        return parts

    with pytest.raises(Unbalanced, match=r"part0002.* is not as it was written"):
        papers(shorten)


@pytest.mark.parametrize("which", [0, 1], ids=["pages", "rows"])
def test_a_file_that_is_gone_is_refused(papers, which):
    def remove(parts):
        parts[2].files[which].path.unlink()
        return parts

    with pytest.raises(Unbalanced, match=r"part0003.* is gone"):
        papers(remove)


def _altered(part, which, change):
    """The part with a changed file that is on record as such: nothing but what is in it can tell."""
    file = part.files[which]
    change(file.path)
    content = file.path.read_bytes()
    told = replace(file, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    return replace(part, files=tuple(told if each is file else each for each in part.files))


def test_a_row_that_is_missing_is_refused(papers):
    def drop(path):
        rows = path.read_text(encoding="utf-8-sig").splitlines(keepends=True)
        path.write_text("".join([rows[0], *rows[2:]]), encoding="utf-8-sig")

    with pytest.raises(Unbalanced, match="row 5 stands where piece 4 belongs"):
        papers(lambda parts: (parts[0], _altered(parts[1], 1, drop), parts[2]))


def test_rows_of_another_part_are_refused(papers):
    with pytest.raises(Unbalanced, match="row 1 stands where piece 4 belongs"):
        papers(lambda parts: (parts[0], replace(parts[1], files=parts[0].files), parts[2]))


def test_numbers_that_the_ledger_does_not_know_are_refused(papers):
    with pytest.raises(Unbalanced, match="holds pieces 4 to 6, but part 2 has 4 to 9"):
        papers(lambda parts: (parts[0], replace(parts[1], last_sequence=9), parts[2]))


def test_a_page_that_is_missing_is_refused(papers):
    def tear_out(path):
        with pikepdf.open(path, allow_overwriting_input=True) as pdf:
            del pdf.pages[1]
            pdf.save(path)

    with pytest.raises(Unbalanced, match="part 1 has 2 pages for 3 pieces"):
        papers(lambda parts: (_altered(parts[0], 0, tear_out), *parts[1:]))


def test_a_pdf_of_somebody_else_is_refused(papers):
    def replace_it(path):
        with pikepdf.new() as pdf:
            pdf.add_blank_page()
            pdf.save(path)

    with pytest.raises(Unbalanced, match="is no part of ours"):
        papers(lambda parts: (_altered(parts[0], 0, replace_it), *parts[1:]))


def test_a_code_that_stands_in_two_parts_is_refused(papers, batch):
    twin = replace(batch[5].message, coupon=replace(batch[5].message.coupon, code=batch[0].message.coupon.code))
    with pytest.raises(Unbalanced, match="1 pieces carry a coupon code that another"):
        papers(pieces=[*batch[:5], replace(batch[5], message=twin), batch[6]])


def test_parts_of_two_formats_are_refused(papers, batch):
    cards = [replace(piece, message=_with_design(piece.message, "postcard-a6")) for piece in batch[3:]]
    with pytest.raises(Unbalanced, match="part 2 is a postcard-a6, the first one a card-a5"):
        papers(pieces=[*batch[:3], *cards])


def _with_design(message, name):
    return replace(message, parts={**message.parts, "design": name})


def test_a_design_that_changed_between_two_parts_is_refused(papers, batch, tmp_path):
    designs = tmp_path.parent / f"{tmp_path.name}-designs"
    designs.mkdir()
    (designs / "spring.toml").write_text('format = "card-a5"\n')

    class Changing(list):
        """Changes the design once the second part is asked for."""

        def __getitem__(self, key):
            if isinstance(key, slice) and key.start == 3:
                (designs / "spring.toml").write_text('format = "card-a5"\naccent_cmyk = [0, 60, 100, 0]\n')
            return super().__getitem__(key)

    with pytest.raises(Unbalanced, match="the design spring was changed before part 2"):
        papers(pieces=Changing(batch), design="spring", designs=designs)


def test_seeds_come_on_top_of_what_was_gathered(papers, batch, read_rows):
    seed = Piece(sequence=8, message=replace(batch[0].message, is_test=True), is_seed=True)
    totals = BatchTotals(gathered=9, printed=7, seeds=1, left_out={"erased": 2})
    files = papers(totals=totals, pieces=[*batch, seed])
    assert [row["seed"] for row in read_rows(files[0].path)] == ["0"] * 7 + ["1"]
    assert date(2027, 3, 31).isoformat() == msgspec.json.decode(files[2].path.read_bytes())["destroy_by"]
