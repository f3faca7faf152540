"""Two tills at a market, without a network: they take a signed list along, and tell in the evening what they sold."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from gateway.demo.customers import Customers, Use, order_of
from gateway.demo.postbag import Message
from gateway.demo.shop import Shop, TillReport, Unexpected
from gateway.domain.coupon import normalised
from gateway.domain.till_list import PublicKeys, look_up

_COLUMNS: Final = ("till", "line", "code", "at", "order_minor", "currency", "place")
_PLACE: Final = "market"
_TILLS: Final = ("stall-1", "stall-2")


class Market(Struct, frozen=True, kw_only=True):
    """A day at the market: what was sold on paper, and what the gateway said of it, twice."""

    listed_bytes: int
    uses: Sequence[Use]
    report: TillReport
    again: TillReport


async def hold_market(shop: Shop, customers: Customers, messages: Sequence[Message], now: datetime) -> Market:
    """Everybody comes to the first stall, and one of them to the second one, too, which cannot know.

    `now` is business time: the hour at which the coupons are used. Raises Unexpected where a till would have refused a
    good code, or an answer says something else the second time.
    """
    keys, codes = await shop.till_keys(), await shop.till_list()
    lines = codes.splitlines(keepends=True)
    for message in messages:
        _expect_listed(lines, keys, message, now)
    sold = [(_TILLS[0], message) for message in messages] + [(_TILLS[1], message) for message in messages[:1]]
    table = _table(sold, now)
    report, again = await shop.tell_sales(table), await shop.tell_sales(table)
    if again.redeemed != report.redeemed or again.replayed != report.received:
        raise Unexpected(f"the same {report.received} lines were answered differently the second time")
    uses = [_use(message) for message in messages]
    customers.uses += uses
    return Market(listed_bytes=len(codes), uses=uses, report=report, again=again)


def _expect_listed(lines: Sequence[bytes], keys: PublicKeys, message: Message, now: datetime) -> None:
    """What the till does by itself: the list's seal, then the coupon and its end."""
    _, coupon = look_up(lines, keys, normalised(message.code or ""))
    if coupon is None or (coupon.valid_until is not None and coupon.valid_until <= now):
        raise Unexpected(f"{message.person.id}: a good code is not on the list for tills")


def _table(sold: Sequence[tuple[str, Message]], now: datetime) -> bytes:
    rows = io.StringIO()
    writer = csv.writer(rows)
    writer.writerow(_COLUMNS)
    for number, (till, message) in enumerate(sold, start=1):
        sale = (message.code, now.isoformat(), order_of(message.person), "USD", _PLACE)
        writer.writerow((till, f"{till}-{number}", *sale))
    return rows.getvalue().encode()


def _use(message: Message) -> Use:
    return Use(
        person=message.person,
        channel=message.channel,
        code=message.code or "",
        order_minor=order_of(message.person),
        cancelled_sends=0,
        at=datetime.now(UTC),
    )
