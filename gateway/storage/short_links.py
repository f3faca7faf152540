"""Codes in place of tracked links: one for each link of a send, however often the send is tried."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Final, NamedTuple

from sqlalchemy import Executable, delete, select

from gateway.domain.words import SendKey
from gateway.storage import keys as keys_of
from gateway.storage.database import Transaction
from gateway.storage.rows import Values, insert_rows
from gateway.storage.tables import short_links

_KEYS: Final = Values("keys", keys_of.SEND)


class Link(NamedTuple):
    """A link of a send, by its number in the content."""

    key: SendKey
    number: int


def add(tx: Transaction, codes: Mapping[Link, str], now: datetime) -> None:
    """Keep a code for each of these links; one that has a code keeps it.

    A code that is somebody else's already, which is next to impossible, is left out: its link stays long.
    """
    names = (*keys_of.SEND, "link", "code", "made_at")
    rows = [(*link.key, link.number, code, now) for link, code in codes.items()]
    insert_rows(tx, short_links, names, rows, ignore=True)


def of_sends(tx: Transaction, keys: Sequence[SendKey]) -> dict[SendKey, dict[int, str]]:
    """The codes of each send by the number of the link, of those sends that have any."""
    found: dict[SendKey, dict[int, str]] = {}
    for row in tx.execute(_of_sends(tx.dialect.name), _KEYS.given(tx, keys)) if keys else ():
        found.setdefault(SendKey(*row[:5]), {})[row.link] = row.code
    return found


@cache
def _of_sends(dialect: str) -> Executable:
    keys = _KEYS.table(dialect)
    query = select(*(short_links.c[name] for name in keys_of.SEND), short_links.c.link, short_links.c.code)
    return query.join(keys, keys_of.same(short_links, keys, keys_of.SEND))


def find(tx: Transaction, code: str) -> Link | None:
    """The link that a code stands for."""
    columns = [*(short_links.c[name] for name in keys_of.SEND), short_links.c.link]
    row = tx.execute(select(*columns).where(short_links.c.code == code)).one_or_none()
    return None if row is None else Link(SendKey(*row[:5]), row.link)


def forget(tx: Transaction, before: datetime) -> int:
    """Drop codes that were made before then. Returns how many."""
    return tx.execute(delete(short_links).where(short_links.c.made_at < before)).rowcount
