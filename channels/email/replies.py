"""A server's replies, put together from the pieces in which they come (RFC 5321, 4.2)."""

from typing import Final

_LONGEST_BYTES: Final = 32_768
"""Of one reply with all its lines. RFC 5321 allows 512 a line."""

_WHOLE: Final = {f"{code} ".encode(): code for code in range(200, 600)}
"""How a line begins that is a reply by itself, or the last of one."""

Reply = tuple[int, bytes]
"""The code, and the lines without it: their text, with the enhanced status code where there is one."""

NONSENSE: Final[Reply] = (0, b"")
"""What came is no reply. Nothing that comes after it can be trusted."""


class Replies:
    """Holds what is not complete yet."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[bytes] = []
        self._code = 0
        self._held_bytes = 0

    @property
    def is_complete(self) -> bool:
        """Whether nothing is held: no reply has begun that is not complete."""
        return not (self._rest or self._lines)

    def read(self, data: bytes) -> list[Reply]:
        """The replies that are complete with this piece; NONSENSE is the last where something came that is none."""
        *lines, self._rest = (self._rest + data).split(b"\n") if self._rest else data.split(b"\n")
        told: list[Reply] = []
        for line in lines:
            code = _WHOLE.get(line[:4])
            if code is not None and not self._lines:
                told.append((code, line[4:]))
            elif not self._continued(line.rstrip(b"\r"), told):
                return [*told, NONSENSE]
        return [*told, NONSENSE] if self._held_bytes + len(self._rest) > _LONGEST_BYTES else told

    def _continued(self, line: bytes, told: list[Reply]) -> bool:
        """Take a line of a reply that has several, or has no text. False where it is none."""
        mark = line[3:4]
        code = _WHOLE.get(line[:3] + b" ")
        if code is None or mark not in (b" ", b"-", b"") or (self._lines and code != self._code):
            return False
        self._code = code
        self._lines.append(line[4:])
        self._held_bytes += len(line)
        if mark != b"-":
            told.append((code, b"\n".join(self._lines)))
            self._lines, self._held_bytes = [], 0
        return True
