"""Sees what a piece of code does to the network, the disk, other processes, and to the loop that it shares."""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from types import FrameType
from typing import Any, Final

_TOUCHES: Final = ("socket.", "subprocess.", "sqlite3.", "shutil.", "os.system", "os.exec", "os.posix_spawn")
_WRITES: Final = frozenset({"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "os.link", "os.symlink"})
_CODE: Final = (".py", ".pyc", ".so", ".pyd")


class LoopBlocked(OSError):
    """Raised in place of a call that would hold up the loop for as long as somebody else takes to answer."""


_seen: ContextVar[list[str] | None] = ContextVar("seen", default=None)
_held_up: ContextVar[tuple[int, set[str]] | None] = ContextVar("held_up", default=None)
"""The thread of the loop, and what in it has held up everything else."""


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


@contextmanager
def attended() -> Iterator[set[str]]:
    """What inside the block holds up the loop of this thread: sleeping, looking up names, sockets that block.

    Threads that the code hands such work to may do as they like. A connection that would block is refused, since who
    is to answer it may be waiting for the loop. A block within a block adds to what the outer one has seen.
    """
    _install()
    outer = _held_up.get()
    held_up = set() if outer is None else outer[1]
    token = _held_up.set((threading.get_ident(), held_up))
    try:
        yield held_up
    finally:
        _held_up.reset(token)


@contextmanager
def profiled() -> Iterator[None]:
    """Lets `attended` see sleeping too, which Python announces from 3.13 on only: every call costs a little more."""
    before = sys.getprofile()
    sys.setprofile(_note_call)
    try:
        yield
    finally:
        sys.setprofile(before)


def _note_call(frame: FrameType, event: str, called: Any) -> None:
    held_up = _held_up.get() if event == "c_call" and called is time.sleep else None
    if held_up is not None:
        held_up[1].add("time.sleep")


@cache
def _install() -> None:
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    seen = _seen.get()
    if seen is not None:
        _note_touch(seen, event, arguments)
    held_up = _held_up.get()
    if held_up is not None and held_up[0] == threading.get_ident():
        _note_block(held_up[1], event, arguments)


def _note_touch(seen: list[str], event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        path = arguments[0]
        if not isinstance(path, int) and not str(path).endswith(_CODE):
            seen.append("open of a file")
    elif event in _WRITES or event.startswith(_TOUCHES):
        seen.append(event)


def _note_block(held_up: set[str], event: str, arguments: tuple[Any, ...]) -> None:
    match event, arguments:
        case "socket.getaddrinfo", _:
            held_up.add("socket.getaddrinfo")
        case "socket.connect", (socket.socket() as using, *_) if using.gettimeout() != 0:
            held_up.add("socket.connect")
            raise LoopBlocked("a socket that blocks, in the loop that others wait for")
