"""The demonstration: three receivers and a gateway as processes of their own, and one win-back job from end to end."""

import asyncio
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import aiohttp

from gateway.demo.cdnow.purchases import load
from gateway.demo.customers import Customers
from gateway.demo.days import Days
from gateway.demo.house import House, NotOurs, furnish, make_house, write_secret
from gateway.demo.people import people
from gateway.demo.postbag import Postbag
from gateway.demo.receivers.processes import Receiver, ReceiverFailed, running
from gateway.demo.receivers.twilio import ACCOUNT_SID, AUTH_TOKEN
from gateway.demo.scenes import Stage, play
from gateway.demo.serving import GatewayFailed, serving
from gateway.demo.shop import Shop, Unexpected
from gateway.demo.story import line, terminal
from gateway.services import keys
from gateway.storage.database import Database

SCOPES: Final = (
    *("jobs:write", "jobs:read", "recipients:write", "recipients:read", "offers:write"),
    *("coupons:read", "coupons:redeem", "tills:read", "tills:write", "templates:read"),
    *("channels:read", "batches:read", "batches:write"),
)
_ANSWER_WITHIN_S: Final = 60.0


class DemoFailed(Exception):
    """The demonstration could not go on to its end; the text says why, and where to look."""


def run_demo(folder: Path) -> None:
    """Play the whole story in `folder`, which is emptied first. Takes about half a minute.

    Raises DemoFailed, and SystemExit(1) where what was received and the ledger disagree.
    """
    try:
        agree = asyncio.run(_until_terminated(folder))
    except (NotOurs, GatewayFailed, ReceiverFailed, Unexpected) as fault:
        raise DemoFailed(str(fault)) from fault
    except asyncio.CancelledError:
        raise SystemExit(128 + signal.SIGTERM) from None
    if not agree:
        raise SystemExit(1)


async def _until_terminated(folder: Path) -> bool:
    """SIGTERM ends it as Ctrl-C does: with all its children."""
    story = asyncio.create_task(_demo(folder))
    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, story.cancel)
    return await story


async def _demo(folder: Path) -> bool:
    """Whether everything that was received agrees with the ledger."""
    began_s = time.monotonic()
    house, console = make_house(folder), terminal()
    console.rule("[bold]Risveglio wakes sleeping customers", align="left")
    async with AsyncExitStack() as stack:
        smtp, twilio, push = await _receivers(stack, house)
        for receiver, protocol in (
            (smtp, "SMTP"),
            (twilio, "Twilio's HTTP API"),
            (push, "Web Push, which it decrypts"),
        ):
            line(console, receiver.name, f"port {receiver.port}, process {receiver.process.pid}: {protocol}")
        furnish(house, smtp_port=smtp.port, twilio_url=twilio.url, account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN)
        timeout = aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S)
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        gateway = await stack.enter_async_context(serving(house, http))
        line(console, "gateway", f"{house.url}, process {gateway.pid}: API, workers, clock and SQLite in one")
        db = Database(f"sqlite:///{house.database}", connections=2)
        stack.callback(db.close)
        shop = Shop(http, house.url, await _token(house, db))
        crowd = people(load())
        stage = Stage(
            house=house,
            console=console,
            people=crowd,
            push_url=push.url,
            db=db,
            shop=shop,
            customers=Customers(http, shop),
            postbag=Postbag(house.received, crowd),
            days=Days(db, house, gateway, console),
        )
        agree = await play(stage)
    line(console, "took", f"{time.monotonic() - began_s:.0f} s")
    return agree


async def _receivers(stack: AsyncExitStack, house: House) -> list[Receiver]:
    """All at once: what takes time is Python's own start, once for each."""
    calls = (
        running("smtp", house.received / "smtp"),
        running("twilio", house.received / "twilio"),
        running("push", house.received / "push", f"--vapid-key={house.vapid.public_key}"),
    )
    started = await asyncio.gather(*map(stack.enter_async_context, calls), return_exceptions=True)
    for fault in started:
        if isinstance(fault, BaseException):
            raise fault
    return [receiver for receiver in started if isinstance(receiver, Receiver)]


async def _token(house: House, db: Database) -> str:
    """An API key for the shop, kept beside the other keys for whoever wants to look around afterwards."""
    issued = await db.write(keys.create, "shop", SCOPES)
    write_secret(house.token, issued.token)
    return issued.token
