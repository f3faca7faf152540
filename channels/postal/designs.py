"""Designs: how a piece looks, as data that a marketer edits, in `designs/NAME.toml`.

    format = "postcard-a6"
    accent_cmyk = [0, 62, 80, 5]
    art = "spring.jpg"

is a whole one. What a file does not say, the format's own arrangement does (`arrange`); the name of a format
without a file is its plain design.
"""

import hashlib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from channels.postal.arrange import NoRoom, address_box, arranged
from channels.postal.art import Art, BadArt, art
from channels.postal.config import Cmyk, PostalConfig, too_much_ink
from channels.postal.coupon_parts import COMPACT_MM, coupon_parts
from channels.postal.formats import FORMATS, FormatName
from channels.postal.geometry import Box
from channels.postal.layout import Block, Layout, Panel, Side, faults
from channels.postal.profiles import AddressProfile, Name, outside, profile
from gateway.contract import ChannelMisconfigured

Movable = Literal["headline", "benefit", "body", "footer", "brand", "coupon", "art", "panel"]
Hideable = Literal["brand", "benefit", "kicker", "scan", "bars", "qr"]
Sized = Literal["headline", "benefit", "body", "footer", "brand", "title"]

_Edge = Annotated[float, Meta(ge=-3, le=310)]
_Length = Annotated[float, Meta(gt=0, le=310)]
_NAME: Final = re.compile("[a-z0-9][a-z0-9-]{0,39}")


class BoxTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place on the sheet, from the corner of its side. Art and panels may run 3 mm over the edge."""

    x_mm: _Edge
    y_mm: _Edge
    w_mm: _Length
    h_mm: _Length

    @property
    def box(self) -> Box:
        return Box(self.x_mm, self.y_mm, self.w_mm, self.h_mm)


class DesignFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A design as it is written. All but the format may be left out."""

    format: FormatName
    accent_cmyk: Cmyk | None = None
    """Ink of panels, in per cent; the channel's `accent_cmyk` where it is left out. All else is black alone."""
    art: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """A file beside this one: a one-page PDF (X-1a) or a JPEG in CMYK."""
    address_profile: Name | None = None
    """Where the address stands; the format's own place where it is left out."""
    address_mode: Literal["printed", "by_provider"] = "printed"
    """`by_provider`: the print shop writes the address, and the block stays free of ink."""
    crop_marks: bool = False
    fold_marks: bool = False
    hide: tuple[Hideable, ...] = ()
    sizes_pt: dict[Sized, Annotated[float, Meta(ge=7, le=200)]] = {}
    """The largest size of a text; where it does not fit, smaller ones are tried."""
    boxes: dict[Movable, BoxTable] = {}

    def __post_init__(self) -> None:
        if self.accent_cmyk is not None and too_much_ink(self.accent_cmyk):
            raise ValueError(f"accent_cmyk: {too_much_ink(self.accent_cmyk)}")
        if {"bars", "qr"} <= {*self.hide}:
            raise ValueError("hide: leave the bars or the qr: a till must read the code somehow")
        if self.fold_marks and self.format != "letter-a4":
            raise ValueError("fold_marks: only a letter is folded; take it out")
        if "art" in self.boxes and self.art is None:
            raise ValueError("boxes.art: there is no art; name its file, or take the box out")


class Design(Struct, frozen=True, kw_only=True):
    """A design that can be printed. `sha256` changes whenever its looks may: of the file, the art and the profile."""

    name: str
    layout: Layout
    profile: AddressProfile
    accent_cmyk: Cmyk
    prints_address: bool
    art: Art | None = None
    sha256: str


class UnknownDesign(ValueError):
    """A name that no design has."""


class BadDesign(ValueError):
    """A design that cannot be printed; the text names file, key, and what to do."""


class Designs:
    """The designs of a channel: files are read when they are asked for, and again when they have changed."""

    def __init__(self, config: PostalConfig) -> None:
        self._config = config
        self._made: dict[str, tuple[tuple[object, ...], Design]] = {}

    def of(self, name: str) -> Design:
        """The design of that name; the channel's own for an empty one. Raises UnknownDesign or BadDesign."""
        name = name or self._config.design
        path = self._path(name)
        written = path.read_bytes() if path else b""
        file = _read(path, written) if path else DesignFile(format=_format(name, self._config))
        stamp = (written, *_stamp(path, file))
        if name not in self._made or self._made[name][0] != stamp:
            self._made[name] = stamp, _made(self._config, name, path, written, file)
        return self._made[name][1]

    def _path(self, name: str) -> Path | None:
        folder = self._config.designs
        if folder is None or not _NAME.fullmatch(name):
            return None
        path = folder / f"{name}.toml"
        return path if path.is_file() else None


def _format(name: str, config: PostalConfig) -> FormatName:
    if name not in FORMATS:
        where = f" and no file {name}.toml in {config.designs}" if config.designs else ""
        raise UnknownDesign(f"no design is called {name!r}: it is none of {', '.join(FORMATS)}{where}")
    return FORMATS[name].name


def _stamp(path: Path | None, file: DesignFile) -> tuple[object, ...]:
    if path is None or file.art is None:
        return ()
    try:
        status = (path.parent / file.art).stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size


def _read(path: Path, written: bytes) -> DesignFile:
    try:
        return msgspec.convert(tomllib.loads(written.decode("utf-8")), DesignFile)
    except UnicodeDecodeError:
        raise BadDesign(f"{path}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise BadDesign(f"{path}: is not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise BadDesign(f"{path}: {_told(str(error))}") from None


_AT: Final = re.compile(r"^(?P<what>.*) - at `(?:key in `)?\$\.?(?P<key>.*?)`$", re.DOTALL)
_UNKNOWN: Final = re.compile(r"^Object contains unknown field `(?P<key>.*)`$", re.DOTALL)
_MISSING: Final = re.compile(r"^Object missing required field `(?P<key>.*)`$", re.DOTALL)


def _told(error: str) -> str:
    """The key, and what it must be."""
    at = _AT.match(error)
    what, key = (at["what"], at["key"]) if at else (error, "")
    if unknown := _UNKNOWN.match(what):
        what, key = "unknown key; take it out, or look for a slip of the pen", f"{key}.{unknown['key']}".lstrip(".")
    elif missing := _MISSING.match(what):
        what, key = "must be set", f"{key}.{missing['key']}".lstrip(".")
    elif what.startswith("Expected "):
        what = f"must be {what.removeprefix('Expected ')}"
    return f"{key}: {what}" if key else what


def _made(config: PostalConfig, name: str, path: Path | None, written: bytes, file: DesignFile) -> Design:
    where = str(path) if path else f"[channels.postal] design {name}"
    try:
        chosen = _profile(config, file)
        layout = layout_of(file, chosen)
        found = next(faults(layout), None)
        if found:
            raise BadDesign(f"{where}: boxes.{found[0]}: {found[1]}")
        picture = _art(path, file, layout)
    except (NoRoom, ValueError) as error:
        raise error if isinstance(error, BadDesign) else BadDesign(f"{where}: {error}") from None
    accent = config.accent_cmyk if file.accent_cmyk is None else file.accent_cmyk
    looks = (written, msgspec.json.encode((name, chosen, accent)), (picture.sha256 if picture else "").encode())
    return Design(
        name=name,
        layout=layout,
        profile=chosen,
        accent_cmyk=accent,
        prints_address=file.address_mode == "printed",
        art=picture,
        sha256=hashlib.sha256(b"\0".join(looks)).hexdigest(),
    )


def _profile(config: PostalConfig, file: DesignFile) -> AddressProfile:
    sheet = FORMATS[file.format]
    name = file.address_profile or sheet.profile
    try:
        chosen = profile(name, config.profiles)
    except ValueError as error:
        raise ValueError(f"address_profile: {error}") from None
    if chosen.format and chosen.format != file.format:
        raise ValueError(f"address_profile: {name} is made for {chosen.format}, not for {file.format}; name another")
    beyond = next(outside(chosen, sheet.w_mm, sheet.h_mm), None)
    if beyond or not sheet.safe.holds(address_box(chosen)):
        raise ValueError(f"address_profile: {name}: {beyond or 'is too near the edge'}; name another, or move it in")
    return chosen


def layout_of(file: DesignFile, chosen: AddressProfile) -> Layout:
    """What a design makes of a sheet. Raises ValueError where the address leaves no room; `faults` finds the rest."""
    coupon, plain = (
        tuple(_as_wished(side, file, chosen, has_coupon) for side in _arranged(file, chosen, has_coupon))
        for has_coupon in (True, False)
    )
    return Layout(
        format=FORMATS[file.format],
        address=address_box(chosen),
        keep_clear=tuple(Box(zone.x_mm, zone.y_mm, zone.w_mm, zone.h_mm) for zone in chosen.keep_clear),
        coupon=coupon,
        plain=plain,
        crop_marks=file.crop_marks,
    )


def _arranged(file: DesignFile, chosen: AddressProfile, has_coupon: bool) -> tuple[Side, ...]:
    try:
        return arranged(FORMATS[file.format], chosen, has_art=file.art is not None, has_coupon=has_coupon)
    except NoRoom as error:
        raise ValueError(f"address_profile: {error}") from None


def _as_wished(side: Side, file: DesignFile, chosen: AddressProfile, has_coupon: bool) -> Side:
    blocks = dict(side.blocks)
    outline = side.outline
    if side.outline and "coupon" in file.boxes:
        made = coupon_parts(file.boxes["coupon"].box)
        if made is None:
            raise ValueError(f"boxes.coupon: must be {COMPACT_MM[0]:g} x {COMPACT_MM[1]:g} mm or more")
        outline = made[0]
        blocks |= made[1]
    for name, table in file.boxes.items():
        if name in blocks:
            blocks[name] = replace(blocks[name], box=table.box)
    for sized, size_pt in file.sizes_pt.items():
        if sized in blocks:
            smaller = tuple(size for size in blocks[sized].sizes_pt if size < size_pt)
            blocks[sized] = replace(blocks[sized], sizes_pt=(size_pt, *smaller))
    left_out = {*file.hide} | ({"address", "return_line"} if file.address_mode == "by_provider" else set())
    art_box = file.boxes["art"].box if side.art and "art" in file.boxes else side.art
    panels = side.panels
    if panels and "panel" in file.boxes:
        panels = (replace(panels[0], box=file.boxes["panel"].box), *panels[1:])
    is_letter = file.format == "letter-a4"
    return replace(
        side,
        blocks={name: _inked(block, panels) for name, block in blocks.items() if name not in left_out},
        panels=panels,
        art=art_box,
        outline=outline,
        folds=_folds(file.address_profile) if is_letter and file.fold_marks else (),
    )


def _inked(block: Block, panels: Sequence[Panel]) -> Block:
    """In the ink that shows on the accent where the block stands on it, else in black."""
    return replace(block, ink="on-accent" if any(panel.box.holds(block.box) for panel in panels) else "black")


def _folds(profile_name: str | None) -> tuple[float, ...]:
    """DIN 5008:2020: form A is folded at 87 and 192 mm, form B at 105 and 210."""
    return (87.0, 192.0) if profile_name == "din5008-a" else (105.0, 210.0)


def _art(path: Path | None, file: DesignFile, layout: Layout) -> Art | None:
    if path is None or file.art is None:
        return None
    place = (path.parent / file.art).resolve()
    if not place.is_relative_to(path.parent.resolve()):
        raise ValueError("art: must be a file beside the design, or in a folder below")
    [box, *_] = [side.art for side in layout.coupon if side.art]
    try:
        return art(place, box)
    except BadArt as error:
        raise ValueError(f"art: {file.art} {error}") from None


def check(config: PostalConfig) -> None:
    """Raise ChannelMisconfigured where the channel's own design, or the sender's lines in it, cannot be printed."""
    from channels.postal.typeface import Typeface

    try:
        design = Designs(config).of("")
    except (UnknownDesign, BadDesign) as error:
        raise ChannelMisconfigured("bad-design", str(error)) from None
    Typeface.load().check_sender(config, design)
