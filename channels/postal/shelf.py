"""A folder into which finished files are put all at once."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from gateway.contract import ChannelMisconfigured, PrintFile


class Shelf:
    """Until `publish` the files have hidden names, so that a crash leaves no half file under a final name; leaving
    the `with` without it removes them.

    Raises ChannelMisconfigured where the disk does not take them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[PrintFile] = []

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _not_written(error) from None
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            _hidden(file.path).unlink(missing_ok=True)

    @property
    def files(self) -> list[PrintFile]:
        return list(self._files)

    def add(self, name: str, media_type: str, write: Callable[[Path], None], *, records: int = 0) -> PrintFile:
        """Have `write` fill a file; it gets its name at `publish`."""
        path = self._folder / name
        hidden = _hidden(path)
        try:
            write(hidden)
            file = _measured(path, hidden, media_type, records)
        except BaseException as error:
            hidden.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise _not_written(error) from None
            raise
        self._files.append(file)
        return file

    def publish(self) -> list[PrintFile]:
        """Give all files their names, in the order in which they were added: the last one stands for the whole."""
        try:
            for file in self._files:
                _hidden(file.path).replace(file.path)
        except OSError as error:
            raise _not_written(error) from None
        with suppress(OSError):  # Windows does not open folders
            _sync(self._folder)
        return self.files


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name}.unfinished")


def _measured(path: Path, hidden: Path, media_type: str, records: int) -> PrintFile:
    _sync(hidden)
    return PrintFile(
        path=path, media_type=media_type, records=records, sha256=digest(hidden), bytes=hidden.stat().st_size
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_written(error: OSError) -> ChannelMisconfigured:
    return ChannelMisconfigured("not-written", f"the print files cannot be written: {error.strerror}")
