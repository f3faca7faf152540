"""One run: a gateway of real processes is set up, driven through its plan, waited for and questioned."""

import asyncio
import contextlib
import socket
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final, NamedTuple

import msgspec

from gateway.app.opening import key_ring
from gateway.demo.receivers.journal import RECEIVED, read
from gateway.settings import load as settings_in
from gateway.storage.database import Database, Unavailable
from tests.acceptance.chaos import load
from tests.acceptance.chaos.clients import Clients
from tests.acceptance.chaos.evidence import Damage, Evidence, Person, Send, Told
from tests.acceptance.chaos.ledger import Names, arrival, pending, read_ledger, told_of
from tests.acceptance.chaos.plan import API, CLOCKS, WELL, WORKERS, Change, Event, Kill, Plan, Restart, Urgent, Wave
from tests.acceptance.chaos.postgres import Postgres, postgres
from tests.acceptance.chaos.receiver import Mail, receiving, set_mood
from tests.acceptance.chaos.supervisor import Supervisor
from tests.acceptance.processes import Installation

EVIDENCE: Final = "evidence.json"

_TICK_S: Final = 0.1
_LOOK_S: Final = 0.5
_TELL_S: Final = 5.0
_STANDSTILL_S: Final = 90.0
"""When nothing has changed for so long, it will not come to its end."""
_LONGEST_S: Final = 1200.0
"""Nor when it goes round in circles."""

_CHANNELS: Final = """
[channels.email]
host = "127.0.0.1"
port = {port}
tls = "none"
from_address = "shop@example.com"
timeout_s = 8.0
connections = 2
"""
_WORKER: Final = "[worker]\npoll_s = 0.1\nlease_s = 10\ndrain_s = 6\npage_size = 500"
_POLICIES: Final = """
[retry]
attempts = 20
first = "PT1S"
longest = "PT4S"

[breaker]
rest = "PT1S"
longest = "PT2S"
"""

Tell = Callable[[str], None]


class Unfinished(Exception):
    """The run does not come to its end; the text says what is still pending."""


class Stage(NamedTuple):
    """All that a run plays on. `server` is None where the database is a file."""

    plan: Plan
    people: list[Person]
    journal: Path
    place: Installation
    database: Database
    server: Postgres | None
    supervisor: Supervisor
    clients: Clients
    tell: Tell


async def run(plan: Plan, folder: Path, tell: Tell) -> Evidence:
    """Everything of the run is in `folder`; what the checks need, in `evidence.json` there."""
    async with _stage(plan, folder, tell) as stage:
        stage.supervisor.keep(API)
        await stage.place.wait_for_api()
        await stage.clients.fill(stage.people)
        stage.supervisor.keep(*CLOCKS, *WORKERS)
        tell(f"{len(stage.people)} people are there; {plan.kills} kills are to come")
        async with _reacting(stage):
            await _play(stage)
            tell("the last blow has fallen; waiting for what is pending")
            await _until_the_end(stage)
        # What the last mails brought about is over soon: a redemption or a farewell only cancels.
        await _until_the_end(stage)
        doubts = await _settle(stage)
        await _until_the_end(stage)
        evidence = await _evidence(stage, doubts, await stage.supervisor.stop())
    (folder / EVIDENCE).write_bytes(msgspec.json.encode(evidence))
    return evidence


@contextlib.asynccontextmanager
async def _stage(plan: Plan, folder: Path, tell: Tell) -> AsyncIterator[Stage]:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(postgres()) if plan.database == "postgres" else None
        url = server.url if server else f"sqlite:///{folder / 'risveglio.db'}"
        journal = folder / "receiver"
        place = _installation(folder, url, await stack.enter_async_context(receiving(journal)))
        await place.run("migrate")
        token = (await place.run("key", "create", "shop", "--scope", "admin")).strip()
        clients = Clients(place.url, token, plan.seed)
        stack.push_async_callback(clients.close)
        database = Database(url, connections=2)
        stack.callback(database.close)

        async def start(slot: str, log: IO[bytes]) -> Process:
            return await place.spawn(slot.partition("-")[0], log=log)

        supervisor = await stack.enter_async_context(Supervisor(folder / "logs", start))
        people = load.people(plan.waves, plan.people)
        yield Stage(plan, people, journal, place, database, server, supervisor, clients, tell)


def _installation(folder: Path, url: str, smtp_port: int) -> Installation:
    place = Installation(folder, url, _free_port())
    settings = (place.config / "gateway.toml").read_text()
    place.write("gateway.toml", settings.replace("[worker]", _WORKER).replace("# pool_size = 10 ", "pool_size = 5 "))
    place.write("channels.toml", _CHANNELS.format(port=smtp_port))
    caps = "".join(
        f'[[caps]]\nname = "{cap.name}"\nmax = {cap.max}\nwindow = "PT{cap.window.total_seconds():.0f}S"\n'
        for cap in load.CAPS
    )
    place.write("policies.toml", caps + _POLICIES)
    return place


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def _reacting(stage: Stage) -> AsyncIterator[None]:
    """People read their mail; whoever of them has asked for something is heard before the block ends."""
    enough = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(stage.clients.react(stage.journal, enough))
        try:
            yield
        finally:
            enough.set()


async def _play(stage: Stage) -> None:
    """The events of the plan, each at its time: none waits for another to be over.

    Its time goes on only while some worker is at work: a slow machine is not beaten to a standstill.
    """
    now_s = 0.0
    async with asyncio.TaskGroup() as group:
        for event in stage.plan.events:
            while now_s < event.at_s:
                await asyncio.sleep(min(_TICK_S, event.at_s - now_s))
                if stage.supervisor.is_at_work("worker"):
                    now_s += min(_TICK_S, event.at_s - now_s)
            group.create_task(_bring_about(stage, event))
            if isinstance(event, Kill | Restart):
                stage.tell(_word(event))
    set_mood(stage.journal, WELL)


def _word(event: Kill | Restart) -> str:
    return f"kill {event.slot}" if isinstance(event, Kill) else f"restart the database: {event.mode}"


async def _bring_about(stage: Stage, event: Event) -> None:
    match event:
        case Kill(slot=slot):
            await stage.supervisor.kill(slot)
        case Restart(mode=mode) if stage.server is not None:
            await stage.server.restart(mode)
        case Change(mood=mood):
            set_mood(stage.journal, mood)
        case Wave(number=number):
            jobs = load.wave_of_jobs(number, stage.people)
            await asyncio.gather(*(stage.clients.hand_in(job, audience) for job, audience in jobs))
        case Urgent(number=number):
            whole = [person for person in stage.people[:500] if not person.bounces]
            person = whole[number % len(whole)]
            await stage.clients.hand_in(load.urgent_job(number, person), frozenset({person.id}))


async def _until_the_end(stage: Stage) -> None:
    """Wait until nothing is due, claimed or to be planned. Raises Unfinished when nothing moves any more."""
    before: dict[str, int] = {}
    began_s = moved_s = told_s = time.monotonic()
    while left := await _pending(stage):
        now_s = time.monotonic()
        if left != before:
            before, moved_s = left, now_s
        if now_s - moved_s > _STANDSTILL_S:
            raise Unfinished(f"nothing has moved for {_STANDSTILL_S:.0f} s; still pending: {_listed(left)}")
        if now_s - began_s > _LONGEST_S * stage.plan.waves:
            raise Unfinished(f"{now_s - began_s:.0f} s after the last blow still pending: {_listed(left)}")
        if now_s - told_s > _TELL_S:
            told_s = now_s
            stage.tell(f"pending: {_listed(left)}")
        await asyncio.sleep(_LOOK_S)


async def _pending(stage: Stage) -> dict[str, int]:
    try:
        return await stage.database.read(pending)
    except Unavailable as error:
        return {f"the database: {type(error).__name__}": 1}


def _listed(left: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in left.items())


async def _settle(stage: Stage) -> tuple[Send, ...]:
    """What is in doubt, which somebody then settles: only now is nobody left who might still deliver it."""
    names = await stage.database.read(Names)
    ledger = await stage.database.read(read_ledger, names, datetime.now(UTC))
    doubts = tuple(send for send in ledger.sends if send.state == "in_doubt")
    stage.tell(f"{len(doubts)} are in doubt; somebody settles them")
    mails = read(stage.journal / RECEIVED, Mail)
    await stage.clients.settle({told_of(mail) for mail in mails})
    return doubts


async def _evidence(stage: Stage, doubts: tuple[Send, ...], stopped: dict[str, int]) -> Evidence:
    clients, supervisor = stage.clients, stage.supervisor
    keys = key_ring(settings_in(stage.place.config, stage.place.environ).keys)
    names = await stage.database.read(Names)
    ledger = await stage.database.read(read_ledger, names, datetime.now(UTC))
    mails = read(stage.journal / RECEIVED, Mail)
    return Evidence(
        caps=load.CAPS,
        told=Told(
            people=tuple(stage.people),
            jobs=tuple(clients.jobs),
            redeemings=tuple(clients.redeemings),
            leavings=tuple(clients.leavings),
            retried=clients.retried,
            settled=clients.settled,
            faults=clients.faults,
            repeats=clients.repeats,
        ),
        doubts=doubts,
        ledger=ledger,
        arrivals=tuple(arrival(mail, keys, names) for mail in mails),
        damage=Damage(
            kills=Counter(supervisor.kills),
            restarts=stage.server.restarts if stage.server else 0,
            ended=Counter(supervisor.ended),
            stopped=stopped,
            left_behind=await supervisor.left_behind(),
        ),
    )
