"""The consent ledger, which only grows, and the state that follows from it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select

from gateway.domain.consent import ConsentRow
from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into, insert_rows
from gateway.storage.tables import consent_states, consents
from gateway.storage.types import Record

_LEDGER = (
    "recipient_id",
    "channel",
    "purpose",
    "action",
    "at",
    "recorded_at",
    "source",
    "text_version",
    "evidence",
    "actor",
)


def add(tx: Transaction, rows: Sequence[tuple[int, ConsentRow]], actor: str, now: datetime) -> None:
    """Append to the ledger, and let each state be its newest row; of equals the withdrawal wins."""
    insert_rows(
        tx,
        consents,
        _LEDGER,
        [
            (id, row.channel, row.purpose, row.action, row.at, now, row.source, row.text_version, row.evidence, actor)
            for id, row in rows
        ],
    )
    newest: dict[tuple[int, str, str], ConsentRow] = {}
    for id, row in rows:
        key = (id, row.channel, row.purpose)
        if key not in newest or _later(row, newest[key]):
            newest[key] = row
    if newest:
        _merge(tx, newest)


def _later(row: ConsentRow, other: ConsentRow) -> bool:
    return (row.at, row.action != "granted") > (other.at, other.action != "granted")


def _merge(tx: Transaction, newest: dict[tuple[int, str, str], ConsentRow]) -> None:
    statement = insert_into(tx, consent_states)
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=["recipient_id", "channel", "purpose"],
        set_={"action": new.action, "at": new.at},
        where=or_(new.at > consent_states.c.at, (new.at == consent_states.c.at) & (new.action != "granted")),
    )
    tx.execute(
        statement,
        [
            {"recipient_id": id, "channel": channel, "purpose": purpose, "action": row.action, "at": row.at}
            for (id, channel, purpose), row in newest.items()
        ],
    )


def of_recipient(tx: Transaction, recipient_id: int) -> Sequence[Record]:
    """The whole ledger of a person, oldest first."""
    query = select(consents).where(consents.c.recipient_id == recipient_id).order_by(consents.c.at, consents.c.id)
    return tx.execute(query).all()


def states_of(tx: Transaction, recipient_id: int) -> Sequence[Record]:
    query = (
        select(consent_states)
        .where(consent_states.c.recipient_id == recipient_id)
        .order_by(consent_states.c.channel, consent_states.c.purpose)
    )
    return tx.execute(query).all()
