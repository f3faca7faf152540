"""Sees what a piece of code does to the network, the disk and other processes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Final

_TOUCHES: Final = ("socket.", "subprocess.", "sqlite3.", "shutil.", "os.system", "os.exec", "os.posix_spawn")
_WRITES: Final = frozenset({"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "os.link", "os.symlink"})
_CODE: Final = (".py", ".pyc", ".so", ".pyd")

_seen: ContextVar[list[str] | None] = ContextVar("seen", default=None)


@contextmanager
def watched() -> Iterator[list[str]]:
    """The names of the audit events of I/O inside the block, in this thread or task; imports left out.

    Rests on `sys.addaudithook`, which cannot be taken back: the hook stays, and sleeps.
    """
    _install()
    seen: list[str] = []
    token = _seen.set(seen)
    try:
        yield seen
    finally:
        _seen.reset(token)


@cache
def _install() -> None:
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    seen = _seen.get()
    if seen is None:
        return
    if event == "open":
        path = arguments[0]
        if not isinstance(path, int) and not str(path).endswith(_CODE):
            seen.append("open of a file")
    elif event in _WRITES or event.startswith(_TOUCHES):
        seen.append(event)
