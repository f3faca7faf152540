"""Checks of `weigh` and `examine`: what a channel says of a message or an address before anything is sent."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from gateway.contract import Address, Outbound, PermanentFailure, Weight
from gateway.registry import reports
from gateway.testkit.case import Bench, Defect, NotApplicable, NotTried
from gateway.testkit.watch import watched

_ODD: Final = ("", " ", "\n\r\n", "🎟" * 500, "ж\u0301" * 300, "שלום\u202e", "\u0000", "x" * 70_000)


async def weighing_a_message_does_nothing_else(bench: Bench) -> None:
    channel = bench.build()
    if not hasattr(channel, "weigh"):
        raise NotApplicable("the channel weighs nothing")
    if not bench.case.messages:
        raise NotTried("the case names no `messages`")
    for message in _messages(bench):
        _expect_pure("weigh", lambda message=message: _weighed(channel, message))  # type: ignore[misc]
    for message in bench.case.messages:
        if isinstance(_weighed(channel, message), PermanentFailure):
            raise Defect(f"{message.id}: `weigh` refuses a message that the channel takes")
        if hasattr(channel, "examine") and isinstance(_examined(channel, message.address), PermanentFailure):
            raise Defect(f"{message.id}: `examine` refuses an address that the channel writes to")


def _messages(bench: Bench) -> Iterator[Outbound]:
    """Those of the case, and the same with odd contents."""
    yield from bench.case.messages[:3]
    first = bench.case.messages[0]
    for odd in _ODD:
        yield msgspec.structs.replace(first, parts=dict.fromkeys(first.parts, odd), name=odd, coupon=None)
    yield msgspec.structs.replace(first, address=Address(kind=first.address.kind, value="nowhere"), expires_at=None)


def _weighed(channel: Any, message: Outbound) -> Weight | PermanentFailure:
    try:
        told = channel.weigh(message)
    except PermanentFailure as failure:
        return failure
    except Exception as error:
        raise Defect(f"`weigh` met a message with {type(error).__name__}, not PermanentFailure") from error
    try:
        return reports.weight(told)
    except (TypeError, ValueError) as unfit:
        raise Defect(f"`weigh` gave what cannot be shown: {unfit}") from None


def _examined(channel: Any, address: Address) -> PermanentFailure | None:
    try:
        channel.examine(address)
    except PermanentFailure as failure:
        return failure
    except Exception as error:
        raise Defect(f"`examine` met an address with {type(error).__name__}, not PermanentFailure") from error
    return None


def _expect_pure(name: str, call: Callable[[], Any]) -> None:
    with watched() as seen:
        first = call()
    if touched := sorted(set(seen)):
        raise Defect(f"`{name}` touches the outside ({', '.join(touched)}): it is asked for every preview")
    again = call()
    if repr(first) != repr(again):
        raise Defect(f"`{name}` is not pure: the same message twice gave {first!r} and {again!r}")
