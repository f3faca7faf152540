"""The codes: their text, their size, and that a scanner reads them back."""

import pypdfium2
import pytest
import zxingcpp
from PIL import ImageOps

from channels.postal.codes import Drawing, code_128, coupon_code, qr_code, redeem_url


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


def test_the_url_of_our_code_is_upper_case_and_its_qr_code_small():
    url = redeem_url("https://go.example.com/", coupon_code("ABCD-2345-WXYZ"))
    assert url == "HTTPS://GO.EXAMPLE.COM/R/ABCD2345WXYZ"
    assert qr_code(url).modules == 25
    assert qr_code(url.lower()).modules > 25


def test_a_partners_code_is_quoted_in_the_url():
    assert redeem_url("https://go.example.com", coupon_code("a/b?c")) == "HTTPS://GO.EXAMPLE.COM/R/a%2Fb%3Fc"


@pytest.mark.parametrize("number", range(40))
def test_a_scanner_reads_both_codes_back(number, message):
    code = coupon_code(message(number + 1).coupon.code)
    url = redeem_url("https://go.example.com", code)
    qr = qr_code(url)
    assert scanned(qr, qr.modules) == (url, zxingcpp.BarcodeFormat.QRCode)
    assert scanned(code_128(code.bare), 40) == (code.bare, zxingcpp.BarcodeFormat.Code128)


def test_a_drawing_is_one_black_page_in_ascii():
    drawing = qr_code("HTTPS://GO.EXAMPLE.COM/R/ABCD2345WXYZ")
    assert drawing.pdf.isascii()
    assert "0 0 0 1 k" in drawing.pdf
    assert " rg" not in drawing.pdf
