"""What a receiver has seen, one JSON line each, on file before the sender gets its answer."""

from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

RECEIVED: Final = "received.ndjson"
REFUSED: Final = "refused.ndjson"

_S = TypeVar("_S", bound=Struct)


class Journal:
    """A file that only grows. Lines survive the death of the receiver's process, not of the machine."""

    def __init__(self, path: Path) -> None:
        """Continues the file where there is one; `lines` counts from its beginning."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.lines = path.read_bytes().count(b"\n") if path.exists() else 0
        self._file = path.open("ab", buffering=0)

    def append(self, line: Struct) -> None:
        """Hand the line over to the operating system, in one write."""
        self._file.write(msgspec.json.encode(line) + b"\n")
        self.lines += 1

    def close(self) -> None:
        self._file.close()


def read(path: Path, line_type: type[_S]) -> list[_S]:
    """All lines of a journal; none where the file is not there yet.

    Safe while the receiver is still writing: a line without its end is left out.
    """
    if not path.exists():
        return []
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    decoder = msgspec.json.Decoder(line_type)
    return [decoder.decode(line) for line in whole.splitlines()]
