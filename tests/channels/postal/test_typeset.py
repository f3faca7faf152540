"""Setting type: two sides in their order, furniture for each kind, specimens, pictures; texts are never markup."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pikepdf
import pypdf
import pytest
from PIL import Image

from channels.postal import PostalChannel
from channels.postal.card import Card, Press
from channels.postal.designs import Designs
from channels.postal.formats import FORMATS
from channels.postal.geometry import POINTS_PER_MM
from channels.postal.typeface import Typeface
from channels.postal.typeset import PICTURE_PPI, Typesetter
from gateway.contract import Outbound, Piece, PiecesRefused

replace = msgspec.structs.replace

AT = datetime(2027, 2, 1, 9, 30, tzinfo=UTC)


@pytest.fixture
def setter(config) -> Callable[..., tuple[Typesetter, list[Card]]]:
    """The typesetter of a few messages, and their cards."""

    def run(messages: Sequence[Outbound], **settings: Any) -> tuple[Typesetter, list[Card]]:
        made, typeface = config(**settings), Typeface.load()
        pieces = [Piece(sequence=number, message=each) for number, each in enumerate(messages, 1)]
        cards, refusals = Press(made, Designs(made), typeface).cards("B0427", pieces)
        assert not refusals
        return Typesetter(made, typeface, cards, AT), cards

    return run


def texts(pdf: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(BytesIO(pdf)).pages]


def with_parts(message: Outbound, **parts: str) -> Outbound:
    return replace(message, parts={**message.parts, **parts})


@pytest.mark.parametrize("name", FORMATS)
def test_a_cards_sides_stand_together_front_first_and_each_bears_its_number(setter, message, name):
    made, cards = setter([message(number) for number in (1, 2, 3)], design=name)
    [pdf] = made.pdfs(cards)
    pages = texts(pdf)
    sides = FORMATS[name].sides
    assert (made.pages_per_record, len(pages)) == (sides, 3 * sides)
    for number, card in enumerate(cards):
        own = pages[number * sides : (number + 1) * sides]
        assert all(f"B0427 · {card.sequence:06d}" in page for page in own)
        assert card.headline.split()[0] in own[0]
        assert card.voucher is not None
        assert card.voucher.code.shown in own[-1]
        assert card.footer.split()[0] in own[-1]


@pytest.mark.parametrize("name", FORMATS)
def test_pages_and_stationery_have_the_sheets_size(setter, message, name):
    made, cards = setter([message()], design=name)
    media = made.layout.media
    for pdf in (*made.pdfs(cards), made.stationery()):
        for page in pypdf.PdfReader(BytesIO(pdf)).pages:
            assert float(page.mediabox.width) == pytest.approx(media.w * POINTS_PER_MM, abs=0.01)
            assert float(page.mediabox.height) == pytest.approx(media.h * POINTS_PER_MM, abs=0.01)


def test_each_kind_of_card_has_its_own_furniture(setter, message):
    made, cards = setter(
        [message(1), message(2, coupon=None), message(3), message(4, is_test=True)], design="postcard-a6"
    )
    assert [made.underlays(card) for card in cards] == [(0, 1), (2, 3), (0, 1), (4, 5)]
    furniture = texts(made.stationery())
    assert len(furniture) == 6
    assert ["SPECIMEN" in page for page in furniture] == [False] * 4 + [True] * 2


def test_designs_of_one_format_share_a_part(setter, message, tmp_path):
    (tmp_path / "bold.toml").write_text('format = "card-dl"\nhide = ["brand"]\n')
    messages = [message(1), with_parts(message(2), design="bold")]
    made, cards = setter(messages, designs=tmp_path, design="card-dl")
    assert [made.underlays(card) for card in cards] == [(0, 1), (2, 3)]
    assert ["Bottega Esempio" in page.split("\n")[0] for page in texts(made.stationery())][::2] == [True, False]


@pytest.mark.parametrize(
    "text",
    [
        '#panic("x")',
        '#import "@preview/cetz:0.3.0": *',
        "*bold* _it_ $x^2$ `raw` <label> @ref",
        "= Heading",
        "\\u{1F600} \\ #",
        '"]})#read("/etc/passwd")',
    ],
)
def test_a_text_is_never_read_as_markup(setter, message, text):
    made, cards = setter([with_parts(message(1, coupon=None), headline=text, body=text)])
    [pdf] = made.pdfs(cards)
    [page] = texts(pdf)
    squeezed = "".join(page.split())
    assert squeezed.count("".join(text.split())) == 2


def test_a_design_sees_no_files_but_its_art(setter, message):
    made, _ = setter([message(1)])
    made._template = b'#read("/etc/hostname")'
    with pytest.raises(RuntimeError, match=r"access denied|not found|no such file"):
        made.stationery()


def test_the_template_is_given_no_packages(setter, message):
    made, _ = setter([message(1)])
    made._template = b'#import "@local/anything:1.0.0": *'
    with pytest.raises(RuntimeError, match="package not found"):
        made.stationery()


def test_the_same_cards_give_the_same_bytes(setter, message):
    first, second = (setter([message(number) for number in range(1, 9)], design="postcard-a6") for _ in range(2))
    assert list(first[0].pdfs(first[1])) == list(second[0].pdfs(second[1]))
    assert first[0].stationery() == second[0].stationery()


@pytest.mark.parametrize("name", FORMATS)
def test_a_specimens_watermark_leaves_its_codes_to_be_read(setter, message, scan, tmp_path, name):
    made, cards = setter([message(1, is_test=True)], design=name)
    with pikepdf.open(BytesIO(next(iter(made.pdfs(cards))))) as part, pikepdf.open(BytesIO(made.stationery())) as under:
        for page, ground in zip(part.pages, made.underlays(cards[0]), strict=True):
            page.add_underlay(under.pages[ground])
        part.save(tmp_path / "proof.pdf")
    assert scan(tmp_path / "proof.pdf")[-1] == {
        "bars": message(1).coupon.code.replace("-", ""),
        "qr": message(1).coupon.url.upper(),
    }


def test_where_the_print_shop_writes_the_address_none_is_printed(setter, message, tmp_path):
    (tmp_path / "shop.toml").write_text('format = "postcard-a6"\naddress_mode = "by_provider"\n')
    made, cards = setter([message(1)], designs=tmp_path, design="shop")
    [pdf] = made.pdfs(cards)
    assert not any("Milano" in page or "MILANO" in page or "Libertà" in page for page in texts(pdf))
    assert not any("Via Esempio 9 ·" in page for page in texts(made.stationery()))
    assert "20121 MILANO MI" in cards[0].address_lines


@pytest.mark.parametrize("name", FORMATS)
def test_a_picture_shows_all_sides_beside_each_other(config, message, name):
    channel = PostalChannel(config(design=name), None)
    picture = Image.open(BytesIO(channel.picture(message())))
    sheet = FORMATS[name]
    width_mm = sheet.sides * sheet.w_mm + (sheet.sides - 1) * 4
    assert picture.size == pytest.approx((width_mm / 25.4 * PICTURE_PPI, sheet.h_mm / 25.4 * PICTURE_PPI), abs=2)
    assert len(picture.convert("RGB").getcolors(2**24)) > 20


def test_a_picture_of_what_does_not_fit_says_so(config, message):
    with pytest.raises(PiecesRefused, match="headline: too long"):
        PostalChannel(config(), None).picture(with_parts(message(), headline="W" * 80))


def art_design(folder: Path, **keys: str) -> None:
    ppi, (w_mm, h_mm) = 300, (154, 66)
    size = round(w_mm / 25.4 * ppi), round(h_mm / 25.4 * ppi)
    Image.new("CMYK", size, (0, 90, 200, 10)).save(folder / "spring.jpg")
    lines = ['format = "postcard-a6"', 'art = "spring.jpg"', *(f"{key} = {value}" for key, value in keys.items())]
    (folder / "spring.toml").write_text("\n".join(lines))


def test_art_is_in_the_furniture_once_and_in_no_card(setter, message, tmp_path):
    art_design(tmp_path)
    made, cards = setter([message(number) for number in (1, 2, 3)], designs=tmp_path, design="spring")
    with pikepdf.open(BytesIO(made.stationery())) as pdf:
        images = [thing for thing in pdf.objects if getattr(thing, "get", lambda _: None)("/Subtype") == "/Image"]
        assert [image.ColorSpace for image in images] == ["/DeviceCMYK"]
        assert images[0].read_raw_bytes() == (tmp_path / "spring.jpg").read_bytes()
    [part] = made.pdfs(cards)
    with pikepdf.open(BytesIO(part)) as pdf:
        assert not any(getattr(thing, "get", lambda _: None)("/Subtype") == "/Image" for thing in pdf.objects)


def test_crop_marks_stand_outside_the_bleed(setter, message, tmp_path):
    art_design(tmp_path, crop_marks="true")
    made, _ = setter([message()], designs=tmp_path, design="spring")
    with pikepdf.open(BytesIO(made.stationery())) as pdf:
        [width, height] = [float(edge) / POINTS_PER_MM for edge in list(pdf.pages[0].mediabox)[2:]]
    assert (width, height) == pytest.approx((170, 127), abs=0.01)
