"""How fast mails that are ready go out: the relays and connections of the e-mail channel, and nothing else of it."""

import asyncio
import time
from contextlib import aclosing
from typing import Final

import msgspec
import structlog

from channels.email.address import mailbox
from channels.email.domains import Domains
from channels.email.mail import Mail
from channels.email.relays import Relays, relays_of
from channels.email.routing import RelayConfig
from channels.email.window import Window
from gateway.contract import Address, Outbound
from gateway.demo.bench.figures import ROUNDS, Figure, middle
from gateway.demo.bench.sink import running_sink, source_rate
from gateway.demo.receivers.lifetime import HOST

WANTED: Final = 1.2
MAILS: Final = 20_000
MAIL_BYTES: Final = 5000
CONNECTIONS: Final = 10
"""As many as `smtp-source -s 10` keeps open."""
_LIMIT_S: Final = 300.0


async def measure_transport(mails: int = MAILS) -> list[Figure]:
    """Mails a second with grouped commands and one command at a time, in turn with the unit."""
    async with running_sink() as sink:
        rates: dict[bool, list[float]] = {True: [], False: []}
        units = [await source_rate(sink.port, mails, MAIL_BYTES)]
        for _ in range(ROUNDS):
            for pipelining, told in rates.items():
                told.append(await _rate(sink.port, mails, pipelining=pipelining))
            units.append(await source_rate(sink.port, mails, MAIL_BYTES))
    unit = [each for each in units if each is not None]
    return [
        _figure("SMTP transport, pipelined", rates[True], unit, sink.name, WANTED),
        _figure("SMTP transport, one command at a time", rates[False], unit, sink.name, None),
    ]


def _figure(name: str, rates: list[float], unit: list[float], sink: str, wanted: float | None) -> Figure:
    return Figure(
        engine="E-mail",
        name=name,
        value=middle(rates),
        unit="mails/s",
        ratio=middle(rates) / middle(unit) if unit else None,
        wanted=wanted if unit else None,
        against=f"smtp-source to {sink}" if unit else f"to {sink}; install postfix for the ratio",
    )


async def _rate(port: int, mails: int, *, pipelining: bool) -> float:
    config = RelayConfig(
        host=HOST,
        port=port,
        tls="none",
        connections=CONNECTIONS,
        mails_per_connection=100_000,
        pipelining=pipelining,
    )
    batch = [_outbound(number) for number in range(mails)]
    ready = {message.id: _mail(message) for message in batch}
    relays = Relays(relays_of([config], "bench.example.com"), "bench@example.com", structlog.get_logger())
    try:
        limit_s = asyncio.get_running_loop().time() + _LIMIT_S
        window = Window(
            batch, lambda message: ready[message.id], relays, Domains(()), begin_by_s=limit_s, end_by_s=limit_s
        )
        began_s = time.perf_counter()
        taken = 0
        async with aclosing(window.outcomes()) as outcomes:
            async for outcome in outcomes:
                taken += outcome.failure is None
        return taken / (time.perf_counter() - began_s)
    finally:
        await relays.close()


def _outbound(number: int) -> Outbound:
    return msgspec.structs.replace(_PATTERN, id=f"bench-{number}")


_PATTERN: Final = Outbound(
    id="bench",
    send_id="bench",
    job_id="bench",
    recipient_id="bench",
    name="Giulia Ferrari",
    address=Address(kind="email", value="a@example.com"),
    parts={},
    locale="it-IT",
    purpose="marketing",
)


def _mail(message: Outbound) -> Mail:
    """As `smtp-source` writes them: a few headers, and lines of text up to the size."""
    headers = f"From: <bench@example.com>\r\nTo: <a@example.com>\r\nMessage-ID: <{message.id}@example.com>\r\n\r\n"
    line = b"X" * 78 + b"\r\n"
    return Mail(
        message_id=f"<{message.id}@example.com>",
        envelope_id=message.id,
        sender="bench@example.com",
        recipient=mailbox("a@example.com"),
        content=headers.encode("ascii") + line * (MAIL_BYTES // len(line)),
    )
