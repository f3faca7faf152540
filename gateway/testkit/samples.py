"""Messages to try a channel with, made from what its capabilities ask for."""

import html
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from gateway.contract import Address, Capabilities, CouponView, Outbound, Part

CANARY: Final = "Kanarek7319"
"""A word in every part of a sample. Where it shows up in a failure or a log, a body has leaked."""

NAMES: Final = ("Lucia Provà", "Żaneta Próbna", "Мила Тестова", "Δήμητρα Δοκιμή", "ליאת דוגמה", "Test 🎟 Person")
"""Made-up people in several scripts, one of them written from right to left."""

NOW: Final = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def outbounds(capabilities: Capabilities, addresses: Sequence[Address], names: Sequence[str] = NAMES) -> list[Outbound]:
    """One message per address, with names in turn."""
    return [
        outbound(capabilities, address, number=number, name=names[(number - 1) % len(names)])
        for number, address in enumerate(addresses, start=1)
    ]


def outbound(
    capabilities: Capabilities, address: Address, *, number: int = 1, name: str = NAMES[0], **changes: Any
) -> Outbound:
    """A message with all parts that the channel can take, none of them too long."""
    message = Outbound(
        id=f"send-{number}-1",
        send_id=f"send-{number}",
        job_id="job-1",
        recipient_id=f"customer-{number}",
        name=name,
        address=address,
        parts={key: _content(part, name) for key, part in capabilities.parts.items()},
        locale="it-IT",
        purpose="marketing",
        unsubscribe_url=f"https://gateway.example/u/token-{number}",
        status_url=f"https://gateway.example/hooks/sample/send-{number}-1",
        coupon=CouponView(
            code=f"2345-6789-BCD{number % 10}",
            offer="spring",
            title="15 %",
            valid_until=datetime(2026, 4, 1, tzinfo=UTC),
            url=f"https://gateway.example/r/23456789BCD{number % 10}/k1/AAAABBBBCCCCDDDD",
        ),
    )
    return msgspec.structs.replace(message, **changes)


def _content(part: Part, name: str) -> str:
    match part.kind:
        case "line":
            return f"{name}: {CANARY}"[: part.max_chars]
        case "text":
            return f"{name}\n\n{CANARY}"[: part.max_chars]
        case "html":
            return f"<p>{html.escape(name)}: {CANARY}</p>"
        case "url":
            return f"https://shop.example/{CANARY}"
