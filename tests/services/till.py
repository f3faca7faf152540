"""A till, for tests: what it does with a coupon, each in a transaction of its own."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from gateway.contract import Outbound
from gateway.domain.redemption import Order, Use
from gateway.services.hold import Held, hold, release
from gateway.services.redeem import Redeemed, redeem
from gateway.services.roll_back import Reversed, roll_back
from gateway.services.validate import Refused, Validity, validate
from gateway.storage import coupons, offers, redemptions
from gateway.storage.types import Record
from tests.builders import World, step

SHOWS = {"text": "{{ coupon.code }}"}
STEPS = (step("one", **SHOWS), step("two", after="P1D", **SHOWS))


class Till:
    """Everything that a till asks of a world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def use(self, code: str, *, at: datetime | None = None, **fields: Any) -> Redeemed:
        with self.world.db.transaction() as tx:
            return redeem(tx, code, msgspec.convert(fields, Use), "till", at=at)

    def refusals(self, code: str, *, at: datetime | None = None, **fields: Any) -> tuple[str, ...]:
        with pytest.raises(Refused) as refused:
            self.use(code, at=at, **fields)
        return refused.value.validity.reasons

    def look(self, code: str, **fields: Any) -> Validity:
        with self.world.db.snapshot() as tx:
            return validate(tx, code, msgspec.convert(fields, Order))

    def hold(self, code: str, minutes: int = 10, **fields: Any) -> Held:
        with self.world.db.transaction() as tx:
            return hold(tx, code, msgspec.convert(fields, Order), timedelta(minutes=minutes))

    def release(self, code: str, name: str) -> bool:
        with self.world.db.transaction() as tx:
            return release(tx, code, name)

    def roll_back(self, redemption: str, reason: str = "ordine annullato") -> Reversed:
        with self.world.db.transaction() as tx:
            return roll_back(tx, redemption, reason, "till")

    def coupon(self, code: str) -> Record:
        return self.world.coupon(code)

    def uses(self, code: str) -> list[Record]:
        with self.world.db.snapshot() as tx:
            return list(redemptions.of_code(tx, code.replace("-", "")))

    def spent(self, offer: str = "w15") -> tuple[int, int]:
        """How often the offer was used, and what it took off."""
        with self.world.db.snapshot() as tx:
            row = offers.counters(tx, offer)
        return row.used, row.spent_minor

    def void(self, job_id: int, id: str) -> None:
        with self.world.db.transaction() as tx:
            assert coupons.void(tx, [self.world.key(job_id, id).entry], self.world.now()) == 1


def codes(messages: list[Outbound]) -> dict[str, str]:
    return {message.recipient_id: message.coupon.code for message in messages if message.coupon}


def published(world: World, *ids: str, **offer: Any) -> dict[str, str]:
    """Codes in the hands of these people, by e-mail."""
    world.people(*ids)
    world.offer("w15", **offer)
    world.run(*STEPS, offer="w15")
    return codes(world.pump())
