"""What comes out on the plates: the separations of Ghostscript, measured where only black may be."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from tests.channels.postal.preflight.order import Order, PrintFault, Zone

DPI = 100


def check_inks(part: Path, pages: Sequence[int], black: Sequence[tuple[int, Zone]], order: Order) -> None:
    """In the zones `black` of these pages (from 1) there is black ink, and no cyan, magenta or yellow."""
    with tempfile.TemporaryDirectory() as folder:
        _separate(part, pages, Path(folder))
        for number, page in enumerate(pages, 1):
            for side, zone in black:
                if side == order.side(page):
                    _check_zone(Path(folder), number, zone, f"{part.name}, page {page}", order)


def _separate(part: Path, pages: Sequence[int], folder: Path) -> None:
    """Writes `N(Cyan).tif` and so on: grey pictures in which white is no ink."""
    subprocess.run(
        [
            *"gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=tiffsep".split(),
            f"-r{DPI}",
            f"-sPageList={','.join(map(str, pages))}",
            f"-sOutputFile={folder / '%d.tif'}",
            part,
        ],
        check=True,
        capture_output=True,
    )


def _check_zone(folder: Path, number: int, zone: Zone, where: str, order: Order) -> None:
    inset = order.bleed_mm + order.marks_mm
    edges = (zone.x + inset, zone.y + inset, zone.x + zone.w + inset, zone.y + zone.h + inset)
    pixels = tuple(round(edge / 25.4 * DPI) for edge in edges)
    share = {}
    for ink in ("Cyan", "Magenta", "Yellow", "Black"):
        with Image.open(folder / f"{number}({ink}).tif") as plate:
            share[ink] = (255 - plate.crop(pixels).getextrema()[0]) / 255
    if any(share[ink] for ink in ("Cyan", "Magenta", "Yellow")):
        seen = ", ".join(f"{ink.lower()} {amount:.0%}" for ink, amount in share.items())
        raise PrintFault("inks", where, f"at {zone.x:.0f}, {zone.y:.0f} mm: {seen}")
    if not share["Black"]:
        raise PrintFault("inks", where, f"at {zone.x:.0f}, {zone.y:.0f} mm: no black ink at all")
