"""The designer's picture: what a press can take, and what is said of the rest."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name
from PIL import Image

from channels.postal.art import Art, BadArt, art
from channels.postal.geometry import POINTS_PER_MM, Box

PLACE = Box(-3, -3, 60, 40)
W_PT, H_PT = PLACE.w * POINTS_PER_MM, PLACE.h * POINTS_PER_MM


def jpeg(mode: str = "CMYK", w_mm: float = PLACE.w, h_mm: float = PLACE.h, ppi: int = 300) -> bytes:
    size = round(w_mm / 25.4 * ppi), round(h_mm / 25.4 * ppi)
    made = BytesIO()
    Image.new(mode, size, {"CMYK": (0, 160, 200, 10), "RGB": (9, 9, 200), "L": 90}[mode]).save(made, "JPEG")
    return made.getvalue()


def drawing(
    content: bytes = b"0 0.6 0.8 0 k 0 0 90 90 re f",
    resources: Callable[[pikepdf.Pdf], Dictionary] = lambda _: Dictionary(),
    *,
    size: tuple[float, float] = (W_PT, H_PT),
    pages: int = 1,
    **page_keys: object,
) -> bytes:
    made = BytesIO()
    with pikepdf.new() as pdf:
        for _ in range(pages):
            page = pdf.add_blank_page(page_size=size)
            page.obj.Resources = resources(pdf)
            page.obj.Contents = pdf.make_stream(content)
            for key, value in page_keys.items():
                page.obj[f"/{key}"] = value
        pdf.save(made)
    return made.getvalue()


def image_of(pdf: pikepdf.Pdf, pixels: int, **keys: object) -> pikepdf.Stream:
    made = pikepdf.Stream(pdf, bytes(pixels * pixels * 4))
    made.stream_dict = Dictionary(
        Type=Name.XObject, Subtype=Name.Image, Width=pixels, Height=pixels, BitsPerComponent=8, **keys
    )
    return made


def with_image(pixels: int = 300, **keys: object) -> Callable[[pikepdf.Pdf], Dictionary]:
    keys = {"ColorSpace": Name.DeviceCMYK} | keys
    return lambda pdf: Dictionary(XObject=Dictionary(Im=image_of(pdf, pixels, **keys)))


ONE_INCH = b"q 72 0 0 72 0 0 cm /Im Do Q"


@pytest.fixture
def look(tmp_path: Path) -> Callable[[bytes], Art]:
    def run(content: bytes) -> Art:
        path = tmp_path / "picture"
        path.write_bytes(content)
        return art(path, PLACE)

    return run


def test_a_drawing_in_cmyk_goes_through_as_it_is(look):
    assert look(drawing()).pdf == drawing()


def test_a_sharp_picture_in_a_drawing_is_taken(look):
    assert look(drawing(ONE_INCH, with_image(300)))


def test_a_jpeg_becomes_a_page_of_its_places_size_without_a_second_compression(look):
    given = jpeg()
    with pikepdf.open(BytesIO(look(given).pdf)) as pdf:
        [page] = pdf.pages
        [image] = page.resources.XObject.values()
        assert [round(float(edge), 2) for edge in page.mediabox] == [0, 0, round(W_PT, 2), round(H_PT, 2)]
        assert image.read_raw_bytes() == given
        assert image.ColorSpace == Name.DeviceCMYK
        # Adobe writes CMYK the other way round, and so does whoever made this one.
        assert list(image.Decode) == [1, 0] * 4


def test_a_grey_jpeg_is_taken_too(look):
    with pikepdf.open(BytesIO(look(jpeg("L")).pdf)) as pdf:
        [image] = pdf.pages[0].resources.XObject.values()
        assert image.ColorSpace == Name.DeviceGray


def test_the_same_picture_gives_the_same_bytes(look):
    assert look(jpeg()) == look(jpeg())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"hello", "is neither a PDF nor a JPEG"),
        (b"%PDF-1.7 nonsense", "is a broken PDF"),
        (jpeg()[:100], "is a broken JPEG"),
        (jpeg("RGB"), "is in RGB; convert it to CMYK"),
        (jpeg(ppi=200), "has 200 ppi on 60 mm; print needs 300"),
        (jpeg(w_mm=70), "crop it to that shape"),
        (drawing(pages=2), "has 2 pages"),
        (drawing(size=(W_PT - 17, H_PT)), "measures 54.0 x 40.0 mm; its place, bleed included, measures 60 x 40 mm"),
        (drawing(Rotate=90), "is turned or scaled"),
        (drawing(UserUnit=2), "is turned or scaled"),
        (drawing(Annots=Array([Dictionary(Type=Name.Annot)])), "has notes, links or form fields"),
        (drawing(b"1 0 0 rg 0 0 9 9 re f"), "has RGB colours"),
        (drawing(b"/DeviceRGB cs 1 0 0 sc 0 0 9 9 re f"), "has RGB colours"),
        (
            drawing(resources=lambda _: Dictionary(ColorSpace=Dictionary(A=Array([Name.CalRGB, Dictionary()])))),
            "has RGB colours",
        ),
        (
            drawing(
                resources=lambda pdf: Dictionary(
                    ColorSpace=Dictionary(A=Array([Name.ICCBased, pdf.make_stream(b"", N=3)]))
                )
            ),
            "has colours with a profile of their own",
        ),
        (
            drawing(
                resources=lambda pdf: Dictionary(
                    ColorSpace=Dictionary(
                        A=Array([Name.Separation, Name("/Gold"), Name.DeviceCMYK, pdf.make_stream(b"{}")])
                    )
                )
            ),
            "has a spot colour",
        ),
        (drawing(resources=lambda _: Dictionary(ExtGState=Dictionary(G=Dictionary(ca=0.5)))), "has see-through parts"),
        (drawing(resources=lambda _: Dictionary(ExtGState=Dictionary(G=Dictionary(CA=0.9)))), "has see-through parts"),
        (drawing(resources=lambda _: Dictionary(ExtGState=Dictionary(G=Dictionary(BM=Name.Multiply)))), "blend modes"),
        (
            drawing(resources=lambda _: Dictionary(ExtGState=Dictionary(G=Dictionary(SMask=Dictionary(S=Name.Alpha))))),
            "has soft transparency",
        ),
        (drawing(ONE_INCH, with_image(299 // 2)), "has a picture of 149 ppi"),
        (drawing(b"q 0.5 0 0 0.5 0 0 cm 0 288 -288 0 0 0 cm /Im Do Q", with_image(300)), "has a picture of 150 ppi"),
        (drawing(ONE_INCH, with_image(300, ColorSpace=Name.DeviceRGB)), "has RGB colours"),
        (
            drawing(
                ONE_INCH,
                lambda pdf: Dictionary(
                    XObject=Dictionary(
                        Im=image_of(
                            pdf,
                            300,
                            ColorSpace=Name.DeviceCMYK,
                            SMask=pdf.make_indirect(image_of(pdf, 300, ColorSpace=Name.DeviceGray)),
                        )
                    )
                ),
            ),
            "soft transparency",
        ),
        (
            drawing(
                resources=lambda _: Dictionary(
                    Font=Dictionary(F=Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica))
                )
            ),
            "has a font that is not embedded",
        ),
        (drawing(b"BI /W 1 /H 1 /BPC 8 /CS /RGB ID abc EI"), "has an inline image"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_press_could_not_take_is_told(look, content, told):
    with pytest.raises(BadArt, match=told.replace("(", r"\(")):
        look(content)


def test_a_fault_within_a_form_is_found(look):
    def nested(pdf: pikepdf.Pdf) -> Dictionary:
        inner = pdf.make_stream(b"0 1 0 RG 0 0 m 9 9 l S", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 9, 9])
        outer = pdf.make_stream(b"/In Do", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 9, 9])
        outer.Resources = Dictionary(XObject=Dictionary(In=inner))
        return Dictionary(XObject=Dictionary(Im=outer))

    with pytest.raises(BadArt, match="has RGB colours"):
        look(drawing(b"/Im Do", nested))


def test_a_form_that_draws_itself_ends(look):
    def endless(pdf: pikepdf.Pdf) -> Dictionary:
        form = pdf.make_stream(b"/Im Do", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 9, 9])
        form.Resources = Dictionary(XObject=Dictionary(Im=form))
        return Dictionary(XObject=Dictionary(Im=form))

    with pytest.raises(BadArt, match="without end"):
        look(drawing(b"/Im Do", endless))


def test_a_locked_drawing_is_told(look):
    made = BytesIO()
    with pikepdf.open(BytesIO(drawing())) as pdf:
        pdf.save(made, encryption=pikepdf.Encryption(owner="owner", user="user"))
    with pytest.raises(BadArt, match="locked with a password"):
        look(made.getvalue())


def test_a_picture_that_is_not_there_is_told(tmp_path):
    with pytest.raises(BadArt, match="cannot be read: No such file"):
        art(tmp_path / "none.pdf", PLACE)
