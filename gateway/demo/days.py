"""Business time in the hands of the demonstration: three days pass in seconds, through the same code."""

import asyncio
import time
from asyncio.subprocess import Process
from bisect import bisect_right
from datetime import datetime, timedelta
from typing import Final

from rich.console import Console
from rich.status import Status

from gateway.demo.house import House
from gateway.demo.serving import GatewayFailed, last_words, refuse_dead
from gateway.storage import agenda, clock
from gateway.storage.agenda import UnderWay
from gateway.storage.database import Database, Transaction

_QUARTER: Final = timedelta(minutes=15)
_PATIENCE_S: Final = 30.0
_SHORTEST_S: Final = 0.03
_LONGEST_S: Final = 0.25


class Days:
    """Moves the clock that all processes of the gateway share, waits for them in between, and shows it."""

    def __init__(self, db: Database, house: House, gateway: Process, console: Console) -> None:
        self._db = db
        self._house = house
        self._gateway = gateway
        self._console = console
        self._moved_at: list[datetime] = []
        self._offsets: list[timedelta] = []

    async def begin(self, at: datetime) -> None:
        """Let it be `at` from now on."""
        machine = await self._db.write(_move, at)
        self._moved_at.append(machine)
        self._offsets.append(at - machine)

    async def until(self, at: datetime) -> None:
        """Let time pass until `at`, with a halt in the quarter of an hour in which something falls due."""
        with self._console.status("") as status:
            while (due := await self._db.read(agenda.next_due)) is not None and due <= at:
                await self.begin(min(at, max(_end_of_quarter(due), await self.now())))
                await self._settle(status)
            await self.begin(at)
            await self._settle(status)

    async def settle(self) -> None:
        """Wait until nothing is due and nothing is under way. Raises GatewayFailed where nothing moves any more."""
        with self._console.status("") as status:
            await self._settle(status)

    async def _settle(self, status: Status) -> None:
        before, since_s, pause_s = None, time.monotonic(), _SHORTEST_S
        while True:
            now, left = await self._db.read(_left)
            status.update(_told(now, left))
            if left.done:
                return
            refuse_dead(self._house, self._gateway)
            if left != before:
                before, since_s = left, time.monotonic()
            elif time.monotonic() - since_s > _PATIENCE_S:
                raise GatewayFailed(f"nothing has moved for {_PATIENCE_S:.0f} s: {left}\n{last_words(self._house)}")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _LONGEST_S)

    async def now(self) -> datetime:
        now, _ = await self._db.read(_left)
        return now

    def at(self, machine: datetime) -> datetime:
        """The business time at an instant of machine time since the beginning."""
        place = bisect_right(self._moved_at, machine) - 1
        return machine + self._offsets[max(place, 0)]


def _move(tx: Transaction, to: datetime) -> datetime:
    # Before the move: whatever a receiver sees later than this happened on the moved clock.
    machine = clock.now(tx).machine
    clock.move(tx, to)
    return machine


def _left(tx: Transaction) -> tuple[datetime, UnderWay]:
    now = clock.now(tx).business
    return now, agenda.under_way(tx, now)


def _told(now: datetime, left: UnderWay) -> str:
    work = [
        f"{count:,} {what}"
        for count, what in (
            (left.jobs, "audience to enter"),
            (left.entries, "steps to plan"),
            (left.sends, "messages due"),
            (left.in_flight, "on their way"),
            (left.batches, "batch to print"),
        )
        if count
    ]
    return f"[cyan]{now:%a} {now.day} {now:%b %H:%M} UTC[/]  {', '.join(work) or 'all quiet'}"


def _end_of_quarter(at: datetime) -> datetime:
    """The first full quarter of an hour not before `at`."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    return hour - (-(at - hour) // _QUARTER) * _QUARTER
