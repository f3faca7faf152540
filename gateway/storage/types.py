"""Column types that mean the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Dialect, Integer, Row
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

BigId: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite counts up only a column that is spelled INTEGER PRIMARY KEY; it is 64 bits wide all the same."""

Record = Row[*tuple[Any, ...]]
"""A row of an answer; its columns are the names in the function's SELECT."""

Json: TypeEngine[Any] = JSON().with_variant(JSONB(), "postgresql")


def to_us(at: datetime) -> int:
    """Microseconds since 1970 of an aware instant."""
    return (at - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)


class Instant(TypeDecorator[datetime]):
    """An aware instant, stored as microseconds since 1970 (UTC) in a bigint.

    So that one SQL text adds durations and compares instants on both databases, exactly.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_us(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_us(value)
