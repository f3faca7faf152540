"""The printed pages, read back as a shop, a till and a telephone would read them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pikepdf
import pypdf
import pytest

from channels.postal.geometry import POINTS_PER_MM

replace = msgspec.structs.replace


def texts(part: Path) -> list[str]:
    with part.open("rb") as stream:
        return [page.extract_text() for page in pypdf.PdfReader(stream).pages]


def test_every_page_carries_its_own_codes_and_number(printed, find_faults):
    assert find_faults(printed.part, printed.manifest, printed.messages) == []


def test_every_page_shows_its_texts_and_its_address(printed):
    for page, row, message in zip(texts(printed.part), printed.manifest, printed.messages, strict=True):
        shown = " ".join(page.split())
        lines = [row[f"address_line{number}"] for number in range(1, 7)]
        for expected in [message.parts["headline"], "Come back soon.", *filter(None, lines)]:
            assert " ".join(expected.split()) in shown


def test_the_codes_are_still_read_from_a_poor_print(printed, scan):
    for codes, message in zip(scan(printed.part, dpi=150), printed.messages, strict=True):
        if message.coupon:
            assert codes["bars"] == message.coupon.code.replace("-", "")
            assert codes["qr"] == message.coupon.url.upper()


def test_the_boxes_of_every_page_are_trim_and_bleed(printed):
    with pikepdf.open(printed.part) as pdf:
        for page in pdf.pages:
            media, bleed, trim = (
                [float(edge) / POINTS_PER_MM for edge in box] for box in (page.MediaBox, page.BleedBox, page.TrimBox)
            )
            assert media == pytest.approx([0, 0, 154, 216], abs=0.01)
            assert bleed == pytest.approx(media, abs=0.001)
            assert bleed[2] <= media[2]
            assert bleed[3] <= media[3]
            assert trim == pytest.approx([3, 3, 151, 213], abs=0.01)


def test_all_fonts_are_embedded_subsets(printed):
    with pikepdf.open(printed.part) as pdf:
        fonts = [thing for thing in pdf.objects if _is_font(thing)]
        assert fonts
        for font in fonts:
            assert re.fullmatch(r"/[A-Z]{6}\+SourceSans3.*", str(font.BaseFont))
            descriptor = font.DescendantFonts[0].FontDescriptor
            assert len(descriptor.FontFile2.read_bytes()) > 500


def _is_font(thing: Any) -> bool:
    return isinstance(thing, pikepdf.Dictionary) and thing.get("/Type") == "/Font" and "/DescendantFonts" in thing


def test_everything_is_black_ink_and_nothing_else(printed, find_colour_faults):
    assert find_colour_faults(printed.part) == []


def test_the_stationery_is_in_the_part_once(printed):
    with pikepdf.open(printed.part) as pdf:
        sheets = [
            {name: form.objgen for name, form in page.resources.XObject.items() if name.startswith("/Sheet")}
            for page in pdf.pages
        ]
    assert all(sheet == sheets[0] for sheet in sheets[:-1])
    assert [len(sheet) for sheet in sheets] == [1] * len(sheets)
    assert sheets[-1].keys() != sheets[0].keys()


def test_a_card_without_a_coupon_shows_no_ticket(printed, scan):
    assert "VOUCHER" not in texts(printed.part)[-1]
    assert "BUONO" not in texts(printed.part)[-1]
    assert scan(printed.part)[-1] == {}


def test_the_file_names_its_batch_and_time(printed):
    with pikepdf.open(printed.part) as pdf:
        assert str(pdf.docinfo.Title) == "B0427_part0001"
        assert str(pdf.docinfo.CreationDate) == "D:20270201093000Z"
        assert pdf.docinfo.Trapped == "/False"
        assert pdf.pdf_version == "1.6"


@pytest.mark.parametrize(
    "hostile",
    [
        "#panic()",
        "*bold* _it_ $x^2$",
        '#read("/etc/passwd")',
        "<label> @ref",
        "\\u{41} // gone",
        "overflow 1 body",
        "= Title",
    ],
)
def test_markup_in_a_text_is_printed_as_it_is(exported, message, hostile):
    card = message(1, name=hostile)
    card = replace(card, parts={**card.parts, "headline": hostile, "body": hostile, "footer": hostile})
    (page,) = texts(exported([card])["part0001.pdf"].path)
    assert " ".join(page.split()).count(hostile) == 4


def test_a_colour_is_only_in_the_stationery(exported, message, find_colour_faults):
    part = exported([message(1)], accent_cmyk=[0, 60, 100, 5])["part0001.pdf"].path
    found = find_colour_faults(part)
    assert found
    assert all(" k" in fault for fault in found)
    with pikepdf.open(part) as pdf:
        page = pdf.pages[0]
        del page.resources.XObject["/Sheet0"]
        page.obj.Contents = page.obj.Contents[1]
        pdf.save(part.with_name("bare.pdf"))
    assert find_colour_faults(part.with_name("bare.pdf")) == []


def test_a_light_band_gets_black_letters(exported, message, scan):
    part = exported([message(1)], accent_cmyk=[0, 10, 60, 0])["part0001.pdf"].path
    with pikepdf.open(part) as pdf:
        inks = [
            [float(share) for share in operands]
            for operands, operator in pikepdf.parse_content_stream(pdf.pages[0])
            if str(operator) == "k"
        ]
    assert [0, 0, 0, 1] in inks
    assert inks.count([0, 0, 0, 0]) == 1  # the white patch behind the bars


class TestTheInspector:
    """What these tests rely on finds the faults that it must find."""

    @pytest.fixture
    def spoilt(self, printed, tmp_path) -> Callable[[Callable[[pikepdf.Pdf], None]], Path]:
        def spoil(change: Callable[[pikepdf.Pdf], None]) -> Path:
            target = tmp_path / "spoilt.pdf"
            with pikepdf.open(printed.part) as pdf:
                change(pdf)
                pdf.save(target)
            return target

        return spoil

    def test_two_swapped_pages_are_found(self, printed, find_faults, spoilt):
        def swap(pdf: pikepdf.Pdf) -> None:
            second = pdf.pages[1]
            del pdf.pages[1]
            pdf.pages.insert(2, second)

        found = find_faults(spoilt(swap), printed.manifest, printed.messages)
        assert {fault.split(":")[0] for fault in found} == {"page 2", "page 3"}

    def test_a_page_printed_twice_is_found(self, printed, find_faults, spoilt):
        def copy(pdf: pikepdf.Pdf) -> None:
            pdf.pages[4] = pdf.pages[5]

        found = find_faults(spoilt(copy), printed.manifest, printed.messages)
        assert {fault.split(":")[0] for fault in found} == {"page 5"}

    def test_another_pages_bars_are_found(self, printed, find_faults, spoilt):
        def borrow(pdf: pikepdf.Pdf) -> None:
            ours, theirs = pdf.pages[0].resources.XObject, pdf.pages[1].resources.XObject
            for name in ours.keys() - {"/Sheet0"}:
                ours[name] = theirs[name]

        found = find_faults(spoilt(borrow), printed.manifest, printed.messages)
        assert found == ["page 1: the machines read ['bars', 'qr'] otherwise"]

    def test_a_missing_page_is_found(self, printed, find_faults, spoilt):
        def lose(pdf: pikepdf.Pdf) -> None:
            del pdf.pages[-1]

        assert find_faults(spoilt(lose), printed.manifest, printed.messages) == ["16 pages, 17 rows, 17 messages"]

    def test_a_wrong_row_of_the_manifest_is_found(self, printed, find_faults):
        rows = [dict(row) for row in printed.manifest]
        rows[6]["code_last4"] = rows[7]["code_last4"]
        assert find_faults(printed.part, rows, printed.messages) == ["page 7: the manifest names another code"]

    def test_a_file_one_byte_short_is_found_by_its_checksum(self, exported, message):
        import hashlib

        file = exported([message()])["part0001.pdf"]
        file.path.write_bytes(file.path.read_bytes()[:-1])
        assert hashlib.sha256(file.path.read_bytes()).hexdigest() != file.sha256
