"""The parts of the gateway at work, until the process is told to stop."""

import asyncio
import contextlib
import math
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from enum import StrEnum
from typing import Any

import structlog
import uvicorn

from gateway.api.application import build
from gateway.api.rooms import Rooms
from gateway.app.composition import Gateway
from gateway.app.metrics import shown
from gateway.app.opening import CannotRun
from gateway.settings import Metrics
from gateway.workers import batcher, checker, expander, inquirer
from gateway.workers.clock import run_clock
from gateway.workers.crew import Crew
from gateway.workers.deliverer import run_deliverer
from gateway.workers.listener import run_listener
from gateway.workers.loop import keep_working
from gateway.workers.notifier import run_notifier
from gateway.workers.presence import stay_seen

log: Any = structlog.get_logger()


class CannotListen(CannotRun):
    """The API has no address to answer at."""


class Part(StrEnum):
    """What a process of the gateway can be."""

    API = "api"
    WORKER = "worker"
    CLOCK = "clock"
    LISTENER = "listener"


async def run(gateway: Gateway, parts: Sequence[Part], channels: Sequence[str] = ()) -> None:
    """Work until SIGTERM or SIGINT, then drain: finish what is in flight, give the rest back.

    `channels` limits a worker or listener to some of the channels; empty means all that are ready.
    A part that ends by a fault ends the process: a supervisor starts it anew.
    """
    stop = asyncio.Event()
    with _signals(stop), shown(gateway.crew.meters, _listener(gateway, parts)):
        tasks = [asyncio.create_task(part, name=name) for name, part in _work(gateway, parts, channels, stop)]
        log.info("gateway.started", process=gateway.crew.name, parts=[str(part) for part in parts])
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        log.info("gateway.draining", process=gateway.crew.name)
        await waiting
        await _drain(tasks, gateway.settings.worker.drain_s)
        log.info("gateway.stopped", process=gateway.crew.name)


def _listener(gateway: Gateway, parts: Sequence[Part]) -> Metrics:
    """The API shows the counters of its process itself."""
    return Metrics() if Part.API in parts else gateway.settings.metrics


async def _drain(tasks: Sequence[asyncio.Task[None]], drain_s: float) -> None:
    _, late = await asyncio.wait(tasks, timeout=drain_s)
    for task in late:
        log.warning("drain.cut_short", part=task.get_name())
        task.cancel()
    ended = zip(tasks, await asyncio.gather(*tasks, return_exceptions=True), strict=True)
    faults = {task.get_name(): fault for task, fault in ended if isinstance(fault, Exception)}
    for part, fault in faults.items():
        log.error("part.failed", part=part, error=type(fault).__name__)
    for fault in faults.values():
        raise fault


def _work(
    gateway: Gateway, parts: Sequence[Part], channels: Sequence[str], stop: asyncio.Event
) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
    yield "presence", stay_seen(gateway.crew, [str(part) for part in parts], stop)
    if Part.API in parts:
        yield "api", serve_api(gateway, stop)
    if Part.WORKER in parts:
        yield from _worker(gateway, channels, stop)
    if Part.CLOCK in parts:
        yield "clock", run_clock(gateway.crew, stop)
    if Part.LISTENER in parts:
        for kind in _chosen(gateway, channels):
            if gateway.registry.ready[kind].capabilities.listens:
                yield f"listener:{kind}", run_listener(gateway.crew, kind, stop)


def _chosen(gateway: Gateway, channels: Sequence[str]) -> list[str]:
    return [kind for kind in gateway.registry.ready if not channels or kind in channels]


def _worker(
    gateway: Gateway, channels: Sequence[str], stop: asyncio.Event
) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
    crew, prints = gateway.crew, gateway.settings.data_dir / "prints"
    yield "expander", _keep(crew, "expander", lambda: expander.expand_jobs(crew), stop)
    yield "steps", _keep(crew, "steps", lambda: expander.plan_steps(crew), stop)
    yield "notifier", run_notifier(crew, gateway.settings.egress.networks, stop)
    kinds = _chosen(gateway, channels)
    yield "printer", _keep(crew, "printer", lambda: batcher.export_closed(crew, prints, kinds), stop)
    yield "checker", _keep(crew, "checker", lambda: checker.ask_faulty(crew, kinds), stop)
    yield "inquirer", _keep(crew, "inquirer", lambda: inquirer.ask_providers(crew, kinds), stop)
    for kind in kinds:
        if gateway.registry.ready[kind].capabilities.batched:
            yield f"batcher:{kind}", _gather(crew, kind, stop)
        else:
            yield f"deliverer:{kind}", run_deliverer(crew, kind, stop)


async def _gather(crew: Crew, kind: str, stop: asyncio.Event) -> None:
    await _keep(crew, f"batcher:{kind}", lambda: batcher.gather(crew, kind), stop)


async def _keep(crew: Crew, name: str, work: Callable[[], Awaitable[int]], stop: asyncio.Event) -> None:
    await keep_working(name, work, poll_s=crew.settings.poll_s, stop=stop, meters=crew.meters)


async def serve_api(gateway: Gateway, stop: asyncio.Event) -> None:
    """Answer HTTP until `stop`, then finish the answers under way. Raises CannotListen."""
    server_settings = gateway.settings.server
    rooms = Rooms(
        db=gateway.db,
        installation=gateway.installation,
        registry=gateway.registry,
        pool=gateway.pool,
        server=server_settings,
        allow=gateway.settings.egress.networks,
        meters=gateway.crew.meters,
    )
    config = uvicorn.Config(
        build(rooms),
        host=server_settings.host,
        port=server_settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(gateway.settings.worker.drain_s),
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stopping.cancel()
    await serving


class _Server(uvicorn.Server):
    """Leaves the signals and the end of the process to us: the whole process drains, not the server alone."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as end:
            place = f"{self.config.host}:{self.config.port}"
            raise CannotListen(f"nothing can listen at {place}: {_reason(end)}; see [server] in gateway.toml") from None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _reason(end: SystemExit) -> str:
    fault = end.__context__
    return (fault.strerror or str(fault)) if isinstance(fault, OSError) else "the server did not start"


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
