"""What a job leaves in the database."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from gateway.demo.bench.figures import Figure
from gateway.storage.database import Database
from gateway.storage.sizes import EVERYTHING, table_bytes

LEDGER: Final = ("entries", "sends", "attempts", "claims", "coupons", EVERYTHING)


class Growth(Struct, frozen=True, kw_only=True):
    """Bytes of each table before the job, after its expansion and after its delivery."""

    before: Mapping[str, int]
    planned: Mapping[str, int]
    sent: Mapping[str, int]
    entered: int
    mails: int


def sizes(db: Database) -> Mapping[str, int]:
    with db.snapshot() as tx:
        return table_bytes(tx)


def growth_figures(engine: str, growth: Growth) -> list[Figure]:
    """Bytes for each recipient that was planned, and in addition for each mail that was sent; indexes included."""
    planning = {name: _grown(growth.before, growth.planned, name) / max(growth.entered, 1) for name in LEDGER}
    sending = {name: _grown(growth.planned, growth.sent, name) / max(growth.mails, 1) for name in LEDGER}
    return [
        *_figures(engine, "bytes per recipient planned", planning),
        *_figures(engine, "more bytes per mail sent", sending),
    ]


def _grown(earlier: Mapping[str, int], later: Mapping[str, int], name: str) -> int:
    return later.get(name, 0) - earlier.get(name, 0)


def _figures(engine: str, name: str, each: Mapping[str, float]) -> list[Figure]:
    whole = Figure(engine=engine, name=name, value=sum(each.values()), unit="bytes")
    parts = [
        Figure(engine=engine, name=f"  {table}", value=value, unit="bytes")
        for table, value in each.items()
        if value > 0
    ]
    return [whole, *parts]
