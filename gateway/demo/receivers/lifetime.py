"""How every receiver starts and ends."""

import asyncio
import json
import os
import signal
import sys
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"


def arguments(description: str) -> ArgumentParser:
    """The options that all receivers share."""
    parser = ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one (default)")
    parser.add_argument("--folder", type=Path, required=True, help="where received.ndjson is written")
    return parser


async def until_told(port: int) -> None:
    """Print `{"port": N}` on stdout and return at SIGTERM, SIGINT or the end of stdin.

    The end of stdin is how a receiver notices that the process that started it is gone:
    start it with a pipe there, not with /dev/null.
    """
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    threading.Thread(target=_wait_for_end_of_stdin, args=(loop, told), daemon=True).start()
    print(json.dumps({"port": port}), flush=True)
    await told.wait()


def _wait_for_end_of_stdin(loop: asyncio.AbstractEventLoop, told: asyncio.Event) -> None:
    # os.read, not sys.stdin: a buffered reader blocked in a thread is fatal when the interpreter ends.
    try:
        while os.read(sys.stdin.fileno(), 4096):
            pass
    except (OSError, ValueError, AttributeError):  # no stdin at all: only a signal ends us
        return
    if not loop.is_closed():
        loop.call_soon_threadsafe(told.set)
