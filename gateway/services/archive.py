"""The file of a backup: a zip with a manifest and, for each table, its rows as JSON arrays, a line each.

It is independent of the database that it came from, and can be read with nothing but a zip program. The
manifest is written last: a file without it was never finished.
"""

import contextlib
import hashlib
import io
import itertools
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import msgspec
from msgspec import Struct

from gateway.storage import backup
from gateway.storage.backup import Values

FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"
_README: Final = "README.txt"
_TOLD: Final = """A backup of a Risveglio gateway: names, addresses, consents and messages of people.

Keep it as secret as the database itself. It belongs to the keys of its installation (the folder keys/ beside
gateway.toml), which are not in it: without them nobody who was suppressed is recognised any more.

Put it back with: risveglio restore FILE
"""
_PAGE: Final = 1000
_FAST: Final = 3
"""Of the levels of compression: more costs much time, and saves little room."""

Progress = Callable[[str, int], None]
"""Called with a table and how many of its rows were just done."""


class BadArchive(Exception):
    """The file is no backup, or not a whole one; the text says what is wrong with it."""


class TableSum(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table as it is in the archive. `last_id` is the highest id it ever gave out, where it gives out ids."""

    columns: tuple[str, ...]
    rows: int
    sha256: str
    last_id: int | None


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the archive holds, and of when."""

    format: int
    program: str
    schema: str
    """The revision of the tables."""
    database: str
    machine_at: datetime
    business_at: datetime
    keys: Mapping[str, str]
    """Fingerprints of the keys that its hashes, tokens and sealed secrets were made with."""
    tables: Mapping[str, TableSum]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())


class Writer:
    """Writes an archive, which is there under its name once it is whole, for its owner's eyes only. Enter it.

    Raises FileExistsError where a file has the name already.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")

    def __enter__(self) -> Self:
        if self._path.exists():
            raise FileExistsError(17, "exists already", str(self._path))
        self._part.unlink(missing_ok=True)
        self._file = os.fdopen(os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, compresslevel=_FAST)
        self._zip.writestr(_README, _TOLD)
        return self

    def table(self, name: str, pages: Iterable[Sequence[Values]], progress: Progress) -> tuple[int, str]:
        """Write a table. Returns how many rows it has, and the checksum of their lines."""
        rows, digest, encoder = 0, hashlib.sha256(), msgspec.json.Encoder()
        with self._zip.open(_member(name), "w", force_zip64=True) as member:
            for page in pages:
                lines = encoder.encode_lines(page)
                digest.update(lines)
                member.write(lines)
                rows += len(page)
                progress(name, len(page))
        return rows, digest.hexdigest()

    def finish(self, manifest: Manifest) -> None:
        self._zip.writestr(_MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.rename(self._path)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._file.closed:
            # Both write what they still hold, which may be what failed: a full disk must still be freed.
            for open_one in (self._zip, self._file):
                with contextlib.suppress(OSError):
                    open_one.close()
            self._part.unlink()


class Archive:
    """An archive that is read. Raises BadArchive for a file that is none; close it at the end."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise BadArchive(f"{path} is no backup: {error}") from None
        try:
            self.manifest = _manifest(self._zip, path)
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def pages(self, name: str) -> Iterator[list[Values]]:
        """The rows of a table, some at a time. Raises BadArchive where they are not what the manifest says."""
        told = self.manifest.tables[name]
        kind: Any = tuple[backup.types(name)]  # type: ignore[misc]
        decoder: msgspec.json.Decoder[Values] = msgspec.json.Decoder(kind)
        rows, digest = 0, hashlib.sha256()
        try:
            with io.BufferedReader(_raw(self._zip.open(_member(name))), 1 << 20) as lines:
                while page := list(itertools.islice(lines, _PAGE)):
                    for line in page:
                        digest.update(line)
                    rows += len(page)
                    yield [decoder.decode(line) for line in page]
        except (zipfile.BadZipFile, EOFError, KeyError, OSError, msgspec.DecodeError) as error:
            raise BadArchive(f"the table {name} is damaged near row {rows}: {error}") from None
        if (rows, digest.hexdigest()) != (told.rows, told.sha256):
            raise BadArchive(f"the table {name} is damaged: its {rows} rows are not the {told.rows} that were written")

    def verify(self, progress: Progress) -> None:
        """Read all of it. Raises BadArchive where anything is missing, altered or of another shape."""
        for name in backup.NAMES:
            if name not in self.manifest.tables:
                raise BadArchive(f"the table {name} is missing")
            if self.manifest.tables[name].columns != backup.columns(name):
                raise BadArchive(f"the table {name} has other columns than this release knows")
            for page in self.pages(name):
                progress(name, len(page))


def _manifest(archive: zipfile.ZipFile, path: Path) -> Manifest:
    try:
        raw = archive.read(_MANIFEST)
        if msgspec.json.decode(raw, type=_Versioned).format != FORMAT:
            raise BadArchive(f"{path} is a backup of another format: restore it with the release that wrote it")
        return msgspec.json.decode(raw, type=Manifest)
    except KeyError:
        raise BadArchive(f"{path} is no backup, or was never finished: it has no {_MANIFEST}") from None
    except (msgspec.DecodeError, zipfile.BadZipFile) as error:
        raise BadArchive(f"{path} is damaged: {_MANIFEST}: {error}") from None


class _Versioned(Struct):
    format: int


def _member(name: str) -> str:
    return f"tables/{name}.ndjson"


def _raw(member: IO[bytes]) -> Any:
    # It reads as a raw stream does; its type says only that it is a file.
    return member
