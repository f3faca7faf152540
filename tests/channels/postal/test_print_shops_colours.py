"""With the print shop's profile a part is built to PDF/X-4; without it, plain PDF that claims nothing."""

import io
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pikepdf
import pytest
from PIL import Image, ImageCms

from channels.postal.card import Press
from channels.postal.designs import Designs
from channels.postal.finish import Finish, finish
from channels.postal.geometry import Box
from channels.postal.icc import output_intent
from channels.postal.order import PrintOrder
from channels.postal.typeface import Typeface
from channels.postal.typeset import Typesetter
from gateway.contract import ChannelMisconfigured, Piece
from tests.channels.postal.profile_of_a_press import cmyk_profile

SPACES = {
    "pdfxid": "http://www.npes.org/pdfx/ns/id/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "pdf": "http://ns.adobe.com/pdf/1.3/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
}


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "press.icc"
    path.write_bytes(cmyk_profile())
    return path


@pytest.fixture
def order(profile):
    return {"icc_profile": profile, "output_condition": "FOGRA51"}


@pytest.fixture
def part(exported, message, order, tmp_path):
    files = exported([message(number) for number in range(1, 5)], tmp_path / "run", order=order)
    return files["part0001.pdf"].path


def xmp_of(path: Path) -> dict[str, str]:
    with pikepdf.open(path) as pdf:
        stream = pdf.Root.Metadata
        assert (stream.Type, stream.Subtype) == ("/Metadata", "/XML")
        assert "/Filter" not in stream, "metadata must be readable without decoding (ISO 15930-7)"
        root = ET.fromstring(stream.read_bytes().split(b"?>", 1)[1].rsplit(b"<?xpacket", 1)[0])
    described = root.find(".//rdf:Description", SPACES)
    assert described is not None
    names = {uri: short for short, uri in SPACES.items()}
    told = {}
    for each in described:
        uri, _, name = each.tag[1:].partition("}")
        told[f"{names[uri]}:{name}"] = "".join(each.itertext()).strip()
    return told


def test_little_cms_takes_the_profile_of_these_tests(profile):
    opened = ImageCms.getOpenProfile(io.BytesIO(profile.read_bytes()))
    transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), "CMYK", "RGB")
    paper, black = (
        ImageCms.applyTransform(Image.new("CMYK", (1, 1), ink), transform).getpixel((0, 0))
        for ink in ((0, 0, 0, 0), (0, 0, 0, 255))
    )
    assert min(paper) > 240
    assert max(black) < 60


def test_the_output_intent_is_the_print_shops_profile(part, profile):
    with pikepdf.open(part) as pdf:
        [intent] = pdf.Root.OutputIntents
        assert (intent.S, str(intent.OutputConditionIdentifier)) == ("/GTS_PDFX", "FOGRA51")
        assert str(intent.RegistryName) == "http://www.color.org"
        assert intent.DestOutputProfile.N == 4
        assert intent.DestOutputProfile.read_bytes() == profile.read_bytes()


def test_the_metadata_claims_pdf_x_4_and_agrees_with_the_info_dictionary(part):
    told = xmp_of(part)
    assert told["pdfxid:GTS_PDFXVersion"] == "PDF/X-4"
    with pikepdf.open(part) as pdf:
        info = pdf.docinfo
        assert told["dc:title"] == str(info.Title) == "B0427_part0001"
        assert told["pdf:Producer"] == str(info.Producer)
        assert told["xmp:CreatorTool"] == str(info.Creator)
        assert told["xmp:CreateDate"] == told["xmp:ModifyDate"] == told["xmp:MetadataDate"] == "2027-02-01T09:30:00Z"
        assert str(info.CreationDate) == str(info.ModDate) == "D:20270201093000Z"
        assert (told["pdf:Trapped"], info.Trapped) == ("False", pikepdf.Name("/False"))
        assert (told["xmpMM:VersionID"], told["xmpMM:RenditionClass"]) == ("1", "default")
        assert re.fullmatch(r"uuid:[0-9a-f-]{36}", told["xmpMM:DocumentID"])
        assert "/GTS_PDFXVersion" not in info
        assert pdf.pdf_version == "1.6"
        assert len(pdf.trailer.ID) == 2
        assert not pdf.is_encrypted


def test_every_page_has_a_trim_box_within_a_bleed_box_within_the_page(part):
    with pikepdf.open(part) as pdf:
        for page in pdf.pages:
            assert "/ArtBox" not in page.obj
            media, bleed, trim = (
                [float(edge) for edge in page.obj[box]] for box in ("/MediaBox", "/BleedBox", "/TrimBox")
            )
            for outer, inner in ((media, bleed), (bleed, trim)):
                assert outer[0] <= inner[0] <= inner[2] <= outer[2]
                assert outer[1] <= inner[1] <= inner[3] <= outer[3]


def test_crop_marks_make_the_page_larger_and_leave_the_boxes_right(exported, message, tmp_path):
    designs = tmp_path / "designs"
    designs.mkdir()
    (designs / "marked.toml").write_text('format = "postcard-a6"\ncrop_marks = true\n')
    files = exported([message()], tmp_path / "run", designs=designs, design="marked")
    with pikepdf.open(files["part0001.pdf"].path) as pdf:
        assert len(pdf.pages) == 2
        for page in pdf.pages:
            media, bleed, trim = (
                [float(edge) * 25.4 / 72 for edge in page.obj[box]] for box in ("/MediaBox", "/BleedBox", "/TrimBox")
            )
            assert media == pytest.approx([0, 0, 170, 127], abs=0.01)
            assert bleed == pytest.approx([8, 8, 162, 119], abs=0.01)
            assert trim == pytest.approx([11, 11, 159, 116], abs=0.01)
    told = msgspec.json.decode(files["jobticket.json"].path.read_bytes())["format"]
    assert (told["crop_marks"], told["media_mm"], told["trim_mm"]) == (True, [170, 127], [148, 105])


def test_the_profile_is_in_the_part_once_and_the_bytes_are_the_same_each_time(exported, message, order, tmp_path):
    messages = [message(number) for number in range(1, 5)]
    one, other = (exported(messages, tmp_path / name, order=order)["part0001.pdf"] for name in ("one", "other"))
    assert one.sha256 == other.sha256
    with pikepdf.open(one.path) as pdf:
        assert sum(isinstance(thing, pikepdf.Stream) and thing.get("/N") == 4 for thing in pdf.objects) == 1


def test_the_ticket_tells_for_which_colours_the_parts_are_made(exported, message, order, tmp_path):
    told = msgspec.json.decode(
        exported([message()], tmp_path / "run", order=order)["jobticket.json"].path.read_bytes()
    )["format"]
    assert (told["output_condition"], told["pdf"]) == (
        "FOGRA51",
        "built to PDF/X-4; not certified: run your own preflight",
    )


def test_without_a_profile_nothing_is_claimed(exported, message):
    files = exported([message()])
    assert "pdfxid:GTS_PDFXVersion" not in xmp_of(files["part0001.pdf"].path)
    with pikepdf.open(files["part0001.pdf"].path) as pdf:
        assert "/OutputIntents" not in pdf.Root
    told = msgspec.json.decode(files["jobticket.json"].path.read_bytes())["format"]
    assert (told["output_condition"], told["pdf"]) == (
        None,
        "PDF 1.6, without an output intent: run your own preflight",
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is no ICC profile"),
        (b"%PDF-1.7" * 100, "is no ICC profile"),
        (cmyk_profile()[:-1], "is cut off"),
        (cmyk_profile(device=b"mntr"), "is no profile of an output device"),
        (cmyk_profile(space=b"RGB "), "is not made for CMYK"),
        (cmyk_profile(version=5), "is of version 5"),
    ],
    ids=["empty", "a pdf", "cut off", "a screen", "rgb", "too new"],
)
def test_what_is_no_profile_of_a_press_is_refused(tmp_path, content, why):
    path = tmp_path / "shop.icc"
    path.write_bytes(content)
    with pytest.raises(ChannelMisconfigured, match=rf"order\.icc_profile: shop\.icc {why}"):
        output_intent(PrintOrder(icc_profile=path, output_condition="FOGRA51"))


@pytest.mark.parametrize("given", [{"icc_profile": Path("a.icc")}, {"output_condition": "FOGRA51"}])
def test_a_profile_and_its_name_go_together(given):
    with pytest.raises(msgspec.ValidationError, match="give both"):
        msgspec.convert(given, PrintOrder)


# --- the traps (each was walked into by somebody)


def test_trap_black_is_not_mixed_from_four_inks(part, tmp_path):
    """A press, played by Ghostscript, uses no ink but black on a card in black alone."""
    if shutil.which("gs") is None:
        pytest.skip("Ghostscript is not installed (Debian: ghostscript)")
    command = ["gs", "-q", "-dNOPAUSE", "-dBATCH", "-dSAFER", "-sDEVICE=tiffsep", "-r60", "-dLastPage=1"]
    subprocess.run([*command, f"-sOutputFile={tmp_path}/ink.tif", part], check=True, capture_output=True)
    # Ghostscript's plates are grey pictures in which 0 is full ink.
    darkest = {ink: Image.open(tmp_path / f"ink({ink}).tif").convert("L").getextrema()[0] for ink in INKS}
    assert darkest == {"Cyan": 255, "Magenta": 255, "Yellow": 255, "Black": 0}


INKS = ("Cyan", "Magenta", "Yellow", "Black")


def test_trap_placed_pdfs_bring_no_rgb_group(part, config, message, ticket):
    """The typesetter adds them; only the finishing pass takes them away."""
    typeface = Typeface.load()
    cards, _ = Press(config(), Designs(config()), typeface).cards("B", [Piece(sequence=1, message=message())])
    [raw] = Typesetter(config(), typeface, cards, ticket().created_at).pdfs(cards)
    with pikepdf.open(io.BytesIO(raw)) as pdf:
        assert _groups(pdf) > 0
    with pikepdf.open(part) as pdf:
        assert _groups(pdf) == 0


def _groups(pdf: pikepdf.Pdf) -> int:
    return sum(isinstance(thing, pikepdf.Stream | pikepdf.Dictionary) and "/Group" in thing for thing in pdf.objects)


def test_trap_codes_are_drawn_and_never_pictures(part):
    with pikepdf.open(part) as pdf:
        assert not [
            thing for thing in pdf.objects if isinstance(thing, pikepdf.Stream) and thing.get("/Subtype") == "/Image"
        ]


def test_trap_trapped_is_the_name_false(part):
    with pikepdf.open(part) as pdf:
        assert b"/Trapped /False" in pdf.trailer.Info.unparse(resolved=True)


def test_trap_a_page_too_many_is_never_written(tmp_path, part, ticket):
    content = part.read_bytes()
    box = Box(0, 0, 10, 10)
    how = Finish(title="x", created_at=ticket().created_at, bleed=box, trim=box, stationery=content)
    with pytest.raises(RuntimeError, match="4 pages where 3 belong"):
        finish([content], [0, 0, 0], how, tmp_path / "out.pdf")
    assert not (tmp_path / "out.pdf").exists()


def test_qpdf_finds_nothing_wrong_with_a_part(part):
    if shutil.which("qpdf") is None:
        pytest.skip("qpdf is not installed (Debian: qpdf)")
    checked = subprocess.run(["qpdf", "--check", part], capture_output=True, text=True, check=False)
    assert (checked.returncode, "No syntax or stream encoding errors" in checked.stdout) == (0, True), checked.stderr
