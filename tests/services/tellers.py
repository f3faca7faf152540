"""Tills in processes of their own: for races that the threads of one process would not show.

    python -m tests.services.tellers

reads orders, a line of JSON each, and answers each with the outcomes of its uses: an id, or the reasons why not.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Self

import msgspec
from msgspec import Struct

from gateway.domain.redemption import Use
from gateway.services.problems import Conflict
from gateway.services.redeem import redeem
from gateway.services.roll_back import roll_back
from gateway.services.validate import Refused
from gateway.storage.database import Database

PROCESSES = 2


class Deed(Struct, frozen=True, kw_only=True):
    """A use of a code, or with `redemption` the taking back of one."""

    code: str = ""
    use: dict[str, Any] = {}
    at: datetime | None = None
    redemption: str | None = None


class Rush(Struct, frozen=True, kw_only=True):
    url: str
    deeds: tuple[Deed, ...]


Outcome = str | tuple[str, ...]


class Tellers:
    """The processes, each with as many tills as it is given deeds."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.services.tellers"]
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(PROCESSES)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._processes:
            each.stdin.close()
            each.wait(timeout=30)
            each.stdout.close()

    def rush(self, url: str, deeds: list[Deed]) -> list[Outcome]:
        """Do all of these at once, dealt out to the processes. The outcomes, in no order."""
        for number, each in enumerate(self._processes):
            rush = Rush(url=url, deeds=tuple(deeds[number::PROCESSES]))
            each.stdin.write(msgspec.json.encode(rush) + b"\n")
            each.stdin.flush()
        return [
            outcome
            for each in self._processes
            for outcome in msgspec.json.decode(each.stdout.readline(), type=list[Outcome])
        ]


def _rush(rush: Rush) -> list[Outcome]:
    database = Database(rush.url, connections=8)
    try:
        with ThreadPoolExecutor(len(rush.deeds)) as tills:
            return list(tills.map(lambda deed: _do(database, deed), rush.deeds))
    finally:
        database.close()


def _do(database: Database, deed: Deed) -> Outcome:
    try:
        with database.transaction() as tx:
            if deed.redemption is not None:
                return roll_back(tx, deed.redemption, "corsa", "till").id
            return redeem(tx, deed.code, msgspec.convert(deed.use, Use), "till", at=deed.at).id
    except Refused as refused:
        return refused.validity.reasons
    except Conflict:
        return ("conflict",)


def main() -> None:
    for line in sys.stdin.buffer:
        outcomes = _rush(msgspec.json.decode(line, type=Rush))
        sys.stdout.buffer.write(msgspec.json.encode(outcomes) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
