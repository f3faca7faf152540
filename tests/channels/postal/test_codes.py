"""The codes: their text, their size, and that a scanner reads them back."""

import io

import msgspec
import pypdfium2
import pytest
import segno
import zxingcpp
from PIL import Image, ImageOps

from channels.postal.codes import Drawing, code_128, coupon_code, qr_code, qr_text

replace = msgspec.structs.replace


def scanned(drawing: Drawing, height_points: int) -> tuple[str, zxingcpp.BarcodeFormat]:
    document = pypdfium2.PdfDocument(drawing.pdf.encode("ascii"))
    page = document[0]
    bitmap = page.render(scale=4)
    picture = bitmap.to_pil().convert("L")
    tall = ImageOps.expand(picture.resize((picture.width, height_points * 4)), border=40, fill=255)
    found = zxingcpp.read_barcode(tall)
    bitmap.close()
    page.close()
    document.close()
    assert found is not None
    return found.text, found.format


@pytest.mark.parametrize("written", ["ABCD2345WXYZ", "ABCD-2345-WXYZ", " ABCD-2345-WXYZ "])
def test_our_codes_are_shown_in_groups_and_scanned_without_dashes(written):
    code = coupon_code(written)
    assert (code.shown, code.bare) == ("ABCD-2345-WXYZ", "ABCD2345WXYZ")


@pytest.mark.parametrize("written", ["Partner-15", "abcd2345wxyz", "4006381333931"])
def test_a_partners_code_stays_as_it_is(written):
    assert coupon_code(written).shown == coupon_code(written).bare == written


def test_the_qr_code_holds_the_coupons_page_in_capitals_and_is_small(message):
    page = "https://go.example.com/r/abcd2345wxyz/k1/aaaabbbbcccc2345"
    text = qr_text(replace(message(1).coupon, url=page))
    assert text == page.upper()
    assert qr_code(text).modules == 29
    assert qr_code(page).modules > 29


def test_a_coupon_without_a_page_has_its_code_in_the_qr_code(message):
    assert qr_text(replace(message(1).coupon, code="ABCD-2345-WXYZ", url=None)) == "ABCD2345WXYZ"


@pytest.mark.parametrize("number", range(40))
def test_a_scanner_reads_both_codes_back(number, message):
    coupon = message(number + 1).coupon
    code, qr = coupon_code(coupon.code), qr_code(qr_text(coupon))
    assert scanned(qr, qr.modules) == (coupon.url.upper(), zxingcpp.BarcodeFormat.QRCode)
    assert scanned(code_128(code.bare), 40) == (code.bare, zxingcpp.BarcodeFormat.Code128)


@pytest.mark.parametrize(
    "text", ["HTTPS://GO.EXAMPLE.COM/R/ABCD2345WXYZ/K1/AAAABBBBCCCC2345", "https://é.example/ß?x=1"]
)
def test_another_encoder_makes_a_qr_code_of_the_same_text_and_size(text):
    other = segno.make(text, error="m", boost_error=False, micro=False)
    ours = qr_code(text)
    assert ours.modules == 4 * int(other.version) + 17
    with io.BytesIO() as drawn:
        other.save(drawn, kind="png", scale=4, border=4)
        theirs = zxingcpp.read_barcode(Image.open(drawn).convert("L"))
    assert theirs is not None
    assert scanned(ours, ours.modules) == (theirs.text, theirs.format)
    assert theirs.text == text


def test_a_drawing_is_one_black_page_in_ascii():
    drawing = qr_code("HTTPS://GO.EXAMPLE.COM/R/ABCD2345WXYZ")
    assert drawing.pdf.isascii()
    assert "0 0 0 1 k" in drawing.pdf
    assert " rg" not in drawing.pdf
