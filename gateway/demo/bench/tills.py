"""How fast coupons are redeemed, one transaction each."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from gateway.demo.bench.figures import Figure
from gateway.domain.redemption import Use
from gateway.services.redeem import redeem
from gateway.storage.database import Database

MOST: Final = 1000
"""So many are redeemed by one till, and as many again by all tills at once."""
TILLS: Final = 8


def measure_redemptions(db: Database, engine: str) -> list[Figure]:
    """Redeems coupons that are in people's hands: one after the other, and on PostgreSQL at several tills too."""
    codes = _codes(db)
    half = codes[: len(codes) // 2]
    figures = [_figure(engine, "redemptions, one till", len(half), _one_by_one(db, half))]
    if not db.is_sqlite:
        # SQLite has one writer: more tills would wait in line.
        rest = codes[len(half) :]
        figures.append(_figure(engine, f"redemptions, {TILLS} tills", len(rest), _side_by_side(db, rest)))
    return figures


def _codes(db: Database) -> list[str]:
    with db.snapshot() as tx:
        rows = tx.exec_driver_sql(f"SELECT code FROM coupons WHERE redeemed_at IS NULL LIMIT {2 * MOST}")  # noqa: S608
        return [row.code for row in rows]


def _one_by_one(db: Database, codes: Sequence[str]) -> float:
    began_s = time.perf_counter()
    for number, code in enumerate(codes):
        with db.transaction() as tx:
            redeem(tx, code, Use(order_id=f"o-{number}", order_minor=4200, currency="EUR", place="till 1"), "bench")
    return time.perf_counter() - began_s


def _side_by_side(db: Database, codes: Sequence[str]) -> float:
    began_s = time.perf_counter()
    with ThreadPoolExecutor(TILLS) as tills:
        list(tills.map(lambda part: _one_by_one(db, part), [codes[n::TILLS] for n in range(TILLS)]))
    return time.perf_counter() - began_s


def _figure(engine: str, name: str, count: int, seconds: float) -> Figure:
    return Figure(engine=engine, name=name, value=count / seconds, unit="redemptions/s")
