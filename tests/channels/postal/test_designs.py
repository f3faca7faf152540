"""Design files: what a marketer may write, and what is said of a slip."""

import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from channels.postal import designs
from channels.postal.designs import BadDesign, Design, Designs, UnknownDesign
from channels.postal.formats import FORMATS
from gateway.contract import ChannelMisconfigured


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "designs"
    made.mkdir()
    return made


@pytest.fixture
def read(folder, config) -> Callable[..., Design]:
    """Writes `spring.toml`, and reads it as the channel does."""

    def run(text: str, **settings: object) -> Design:
        (folder / "spring.toml").write_text(text, encoding="utf-8")
        return Designs(config(designs=folder, **settings)).of("spring")

    return run


def test_three_lines_are_a_design(read):
    made = read('format = "postcard-a6"\naccent_cmyk = [0, 62, 80, 5]\nsizes_pt = { headline = 26 }\n')
    assert (made.name, made.layout.format.name, made.accent_cmyk) == ("spring", "postcard-a6", (0, 62, 80, 5))
    assert made.layout.coupon[0].blocks["headline"].sizes_pt[:2] == (26, 25)
    assert made.prints_address


def test_the_starters_example_is_a_design_and_so_is_all_that_it_shows(folder, config):
    example = files("gateway").joinpath("starter/designs/example-postcard.toml").read_text()
    (folder / "example.toml").write_text(example)
    assert Designs(config(designs=folder)).of("example").layout.format.name == "postcard-a6"
    lines = [line.removeprefix("# ") for line in example.splitlines() if "art =" not in line]
    shown = "\n".join(line for line in lines if _is_toml(line))
    (folder / "shown.toml").write_text(shown.replace("fold_marks = false", ""))
    made = Designs(config(designs=folder)).of("shown")
    assert "[boxes.headline]" in shown
    assert made.layout.coupon[0].blocks["headline"].box.w == 100


def _is_toml(line: str) -> bool:
    try:
        return bool(tomllib.loads(line))
    except tomllib.TOMLDecodeError:
        return False


@pytest.mark.parametrize("name", FORMATS)
def test_a_formats_name_is_its_plain_design(name, config):
    made = Designs(config(accent_cmyk=[60, 0, 20, 0])).of(name)
    assert (made.layout.format.name, made.accent_cmyk, made.art) == (name, (60, 0, 20, 0), None)


def test_no_name_is_the_channels_own_design(config):
    assert Designs(config(design="letter-a4")).of("").layout.format.name == "letter-a4"


def test_a_file_may_take_the_place_of_a_plain_design(folder, config):
    (folder / "card-dl.toml").write_text('format = "postcard-a6"\n')
    assert Designs(config(designs=folder)).of("card-dl").layout.format.name == "postcard-a6"


@pytest.mark.parametrize("name", ["summer", "../spring", "Spring", "spring.toml", "/etc/passwd", "a" * 50])
def test_a_name_that_no_design_has_is_refused(name, read, folder, config):
    read('format = "card-a5"\n')
    with pytest.raises(UnknownDesign, match="no design is called"):
        Designs(config(designs=folder)).of(name)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "format: must be set"),
        ('format = "a7"', "format: "),
        ('format = "card-a5', "is not TOML"),
        ('format = "card-a5"\ncolour = 1', "colour: unknown key"),
        ('format = "card-a5"\naccent_cmyk = [0, 0, 0]', "accent_cmyk: "),
        ('format = "card-a5"\naccent_cmyk = [0, 0, 0, 101]', r"accent_cmyk\[3\]: must be `int` <= 100"),
        ('format = "card-a5"\naccent_cmyk = [90, 90, 90, 90]', "accent_cmyk: more than 280 % ink"),
        ('format = "card-a5"\nhide = ["footer"]', "hide"),
        ('format = "card-a5"\nhide = ["address"]', "hide"),
        ('format = "card-a5"\nhide = ["qr", "bars"]', "hide: leave the bars or the qr"),
        ('format = "card-a5"\nsizes_pt = { body = 5 }', "sizes_pt"),
        ('format = "card-a5"\nsizes_pt = { sequence = 9 }', "sizes_pt"),
        ('format = "card-a5"\nfold_marks = true', "fold_marks: only a letter is folded"),
        ('format = "card-a5"\naddress_profile = "din5008-b"', "address_profile: din5008-b is made for letter-a4"),
        ('format = "card-a5"\naddress_profile = "moon"', "address_profile: 'moon' is no address profile; there are"),
        ('format = "card-a5"\naddress_mode = "by_pigeon"', "address_mode: "),
        ('format = "card-a5"\n[boxes.art]\nx_mm=0\ny_mm=0\nw_mm=9\nh_mm=9', "boxes.art: there is no art"),
        ('format = "card-a5"\n[boxes.body]\nx_mm=10', r"boxes\[...\].y_mm: must be set"),
        ('format = "card-a5"\n[boxes.address]\nx_mm=0\ny_mm=0\nw_mm=9\nh_mm=9', "boxes"),
        ('format = "card-a5"\n[boxes.body]\nx_mm=2\ny_mm=50\nw_mm=120\nh_mm=40', "boxes.body: is nearer than 8 mm"),
        ('format = "card-a5"\n[boxes.coupon]\nx_mm=10\ny_mm=100\nw_mm=60\nh_mm=40', "boxes.coupon: must be 66 x 49 mm"),
        ('format = "card-a5"\n[boxes.body]\nx_mm=10\ny_mm=150\nw_mm=120\nh_mm=40', "boxes.body: overlaps"),
        ('format = "card-a5"\nart = "missing.pdf"', "art: missing.pdf cannot be read"),
        ('format = "card-a5"\nart = "../spring.toml"', "art: must be a file beside the design"),
        ('format = "card-a5"\nart = "spring.toml"', "art: spring.toml is neither a PDF nor a JPEG"),
    ],
    ids=lambda value: str(value)[:60].replace("\n", " "),
)
def test_a_slip_is_told_by_file_and_key(read, folder, text, told):
    with pytest.raises(BadDesign, match=told) as fault:
        read(text)
    assert str(fault.value).startswith(f"{folder}/spring.toml: ")


def test_a_design_that_is_no_text_is_told(folder, config):
    (folder / "spring.toml").write_bytes("format = 'è'".encode("latin-1"))
    with pytest.raises(BadDesign, match="is not UTF-8 text"):
        Designs(config(designs=folder)).of("spring")


def test_an_own_window_may_be_named(read):
    window = {"x_mm": 112.0, "y_mm": 50.0, "w_mm": 80.0, "h_mm": 30.0}
    made = read('format = "letter-a4"\naddress_profile = "own-window"\n', profiles={"own-window": window})
    assert (made.layout.address.x, made.layout.address.y) == (112, 50)


def test_a_window_that_is_not_on_the_sheet_is_told(read):
    window = {"x_mm": 112.0, "y_mm": 50.0, "w_mm": 100.0, "h_mm": 30.0}
    with pytest.raises(BadDesign, match="address_profile: own-window"):
        read('format = "letter-a4"\naddress_profile = "own-window"\n', profiles={"own-window": window})


def test_what_is_hidden_is_on_no_side(read):
    made = read('format = "postcard-a6"\nhide = ["bars", "brand", "kicker"]\n')
    assert not {"bars", "brand", "kicker"} & {name for side in made.layout.coupon for name in side.blocks}


def test_a_coupon_takes_its_parts_along(read):
    coupon = "[boxes.coupon]\nx_mm = 25\ny_mm = 200\nw_mm = 110\nh_mm = 44\n"
    with pytest.raises(BadDesign, match=r"boxes.body: overlaps the coupon"):
        read('format = "letter-a4"\n' + coupon)
    made = read(f'format = "letter-a4"\n{coupon}[boxes.body]\nx_mm = 25\ny_mm = 120\nw_mm = 165\nh_mm = 75\n')
    side = made.layout.coupon[0]
    assert side.outline is not None
    assert side.outline.box.y == 200
    for name in ("qr", "bars", "title", "code", "until", "kicker", "scan"):
        assert side.outline.box.holds(side.blocks[name].box), name


def test_fold_marks_are_those_of_the_letters_form(read):
    assert read('format = "letter-a4"\nfold_marks = true\n').layout.plain[0].folds == (105, 210)
    form_a = read('format = "letter-a4"\nfold_marks = true\naddress_profile = "din5008-a"\n')
    assert form_a.layout.plain[0].folds == (87, 192)


def test_a_design_that_changes_is_read_again_and_has_another_checksum(folder, config):
    known = Designs(config(designs=folder))
    (folder / "spring.toml").write_text('format = "card-a5"\n')
    first = known.of("spring")
    assert known.of("spring") is first
    (folder / "spring.toml").write_text('format = "card-a5"\nhide = ["scan"]\n')
    second = known.of("spring")
    assert "scan" not in second.layout.coupon[0].blocks
    assert second.sha256 != first.sha256


def test_the_houses_colour_is_part_of_the_checksum(config):
    black, blue = (Designs(config(accent_cmyk=ink)).of("card-a5") for ink in ([0, 0, 0, 100], [100, 60, 0, 0]))
    assert black.sha256 != blue.sha256


def test_the_channels_own_design_is_checked_before_anything_is_printed(folder, config):
    (folder / "spring.toml").write_text('format = "card-a5"\nhide = ["footer"]\n')
    with pytest.raises(ChannelMisconfigured, match="hide"):
        designs.check(config(designs=folder, design="spring"))
    designs.check(config(designs=folder))


def test_a_sender_that_does_not_fit_is_told_with_the_design(config):
    with pytest.raises(ChannelMisconfigured, match=r"sender_name does not fit .* in the design postcard-a6"):
        designs.check(config(design="postcard-a6", sender_name="W" * 80))
