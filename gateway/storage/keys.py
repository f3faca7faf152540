"""The columns that name an entry and a send, in every table that speaks of them."""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, SmallInteger, Text, and_

from gateway.storage.rows import Columns

ENTRY: Final[Columns] = {"job_id": BigInteger(), "recipient_id": BigInteger(), "run": SmallInteger()}
STEP: Final[Columns] = {**ENTRY, "step": SmallInteger()}
SEND: Final[Columns] = {**STEP, "channel": Text()}


def same(one: Any, other: Any, names: Iterable[str]) -> ColumnElement[bool]:
    """Whether two tables speak of the same thing: equal in the columns of these names."""
    return and_(*(one.c[name] == other.c[name] for name in names))
