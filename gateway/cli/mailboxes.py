"""Mails in files: one a file, an mbox, a maildir, or a folder of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

_KEPT_BYTES: Final = 4 * 1024 * 1024
"""Of one mail in an mbox. No channel reads as much; what is longer is cut off."""


def files_of(place: Path) -> list[Path]:
    """The files that hold mails: of a maildir those in `new` and `cur`, of another folder all in it."""
    if place.is_file():
        return [place]
    folders = [folder for name in ("new", "cur") if (folder := place / name).is_dir()] or [place]
    return sorted(path for folder in folders for path in folder.iterdir() if path.is_file())


def mails_in(file: Path) -> Iterator[tuple[bytes, int]]:
    """Each mail, and how many bytes of the file it took."""
    with file.open("rb") as source:
        if source.read(5) == b"From ":
            source.seek(0)
            yield from _in_mbox(source)
        else:
            source.seek(0)
            raw = source.read(_KEPT_BYTES)
            yield raw, file.stat().st_size


def _in_mbox(source: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """A line `From ` after an empty one begins the next mail (RFC 4155; `>From ` stands for it inside of one)."""
    lines: list[bytes] = []
    kept = size = 0
    after_empty = True
    for line in source:
        if after_empty and line.startswith(b"From ") and size:
            yield b"".join(lines), size
            lines, kept, size = [], 0, 0
        size += len(line)
        if kept < _KEPT_BYTES:
            plain = line[1:] if line.lstrip(b">").startswith(b"From ") and line.startswith(b">") else line
            lines.append(plain)
            kept += len(plain)
        after_empty = line in (b"\n", b"\r\n")
    if size:
        yield b"".join(lines), size
