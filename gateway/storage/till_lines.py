"""What tills without a network said of uses, line by line, and what came of each."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, Text, and_, select

from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into, table_of
from gateway.storage.tables import coupons, offers, redemptions, till_lines
from gateway.storage.types import Record

REDEEMED: Final = "redeemed"


class NewLine(NamedTuple):
    """Fields as the table's columns."""

    client: str
    till: str
    line: str
    fingerprint: bytes
    at: datetime
    received_at: datetime
    ending: str
    outcome: str
    detail: str | None
    redemption: str | None
    stands: str | None
    is_earlier: bool


def owners_of(tx: Transaction, codes: Collection[str]) -> dict[str, tuple[int, int]]:
    """By code, whose coupon it is and of which offer."""
    given = table_of(tx, "given", {"code": Text()}, [(code,) for code in codes])
    query = select(coupons.c.code, coupons.c.recipient_id, coupons.c.offer_id).join(
        given, given.c.code == coupons.c.code
    )
    return {row.code: (row.recipient_id, row.offer_id) for row in tx.execute(query)}


def lock_offers(tx: Transaction, ids: Collection[int]) -> None:
    """Waits for the rows of offers, always in one order: whoever redeems many would else meet another half-way.

    The caller holds the shards of all whose coupons it redeems.
    """
    tx.execute(select(offers.c.id).where(offers.c.id.in_(sorted(ids))).order_by(offers.c.id).with_for_update()).all()


# The use that was there before, where there is one.
_FIRST: Final = redemptions.alias("first")
_SHOWN: Final = select(
    till_lines,
    _FIRST.c.at.label("first_at"),
    _FIRST.c.place.label("first_place"),
    _FIRST.c.till.label("first_till"),
).outerjoin(_FIRST, _FIRST.c.public_id == till_lines.c.stands)


def find(tx: Transaction, client: str, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[Record]]:
    """What is on record under each (till, line) of a client: the one that counts first, then those of other content."""
    given = table_of(tx, "given", {"till": Text(), "line": Text()}, list(names))
    same = and_(given.c.till == till_lines.c.till, given.c.line == till_lines.c.line, till_lines.c.client == client)
    found: dict[tuple[str, str], list[Record]] = {}
    for row in tx.execute(_SHOWN.join(given, same).order_by(till_lines.c.id)):
        found.setdefault((row.till, row.line), []).append(row)
    return found


def standing(tx: Transaction, code: str) -> Record | None:
    """Of the uses of a coupon that stand, the one that was on record first."""
    taken_back = redemptions.alias("taken_back")
    stands = ~select(taken_back.c.id).where(taken_back.c.reverses == redemptions.c.public_id).exists()
    query = select(redemptions).where(redemptions.c.code == code, redemptions.c.reverses.is_(None), stands)
    return tx.execute(query.order_by(redemptions.c.id).limit(1)).one_or_none()


def put(tx: Transaction, rows: Sequence[NewLine]) -> None:
    """Keep what came of lines. What was left open before is settled by it."""
    if not rows:
        return
    statement = insert_into(tx, till_lines).values([row._asdict() for row in rows])
    changed = {
        name: statement.excluded[name]
        for name in ("received_at", "outcome", "detail", "redemption", "stands", "is_earlier")
    }
    keys = ("client", "till", "line", "fingerprint")
    tx.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))


class Wanted(NamedTuple):
    """Which conflicts; None: whichever."""

    client: str | None = None
    till: str | None = None
    outcome: str | None = None


def conflicts(tx: Transaction, wanted: Wanted, before_id: int | None, limit: int) -> Sequence[Record]:
    """Lines that came to nothing, the last recorded first, those with an internal id below `before_id`."""
    query: Select[Any] = _SHOWN.where(till_lines.c.outcome != REDEEMED)
    for name, value in wanted._asdict().items():
        if value is not None:
            query = query.where(till_lines.c[name] == value)
    if before_id is not None:
        query = query.where(till_lines.c.id < before_id)
    return tx.execute(query.order_by(till_lines.c.id.desc()).limit(limit)).all()
