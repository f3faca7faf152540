"""The consent ledger, which only grows, and the state that follows from it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Text, and_, case, delete, or_, select

from gateway.domain.consent import RANK, Action, ConsentRow, ConsentState, latest, said
from gateway.storage.database import Transaction
from gateway.storage.rows import Columns, insert_into, insert_rows, table_of
from gateway.storage.tables import consent_states, consents, recipients
from gateway.storage.types import Instant, Record

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
_PLACE: Final[Columns] = {"recipient_id": BigInteger(), "at": Instant()}


def add(
    tx: Transaction, rows: Sequence[tuple[int, ConsentRow]], actor: str, now: datetime
) -> list[tuple[int, ConsentRow]]:
    """Append to the ledger, and let each state be the latest of its rows (`domain.consent.latest`).

    What the ledger has already, word for word, is not said twice: an import may be done again, and
    a row dated in the future does not become newer by it. Returns what was not there yet.
    """
    unsaid = _unsaid(tx, rows)
    insert_rows(
        tx,
        consents,
        _LEDGER,
        [
            (id, row.channel, row.purpose, row.action, row.at, now, row.source, row.text_version, row.evidence, actor)
            for id, row in unsaid
        ],
    )
    newest: dict[tuple[int, str, str], ConsentState] = {}
    for id, row in unsaid:
        key, state = (id, row.channel, row.purpose), said(row.action, row.at, now)
        if state is not None:
            newest[key] = latest([newest.get(key, state), state]) or state
    if newest:
        _merge(tx, newest)
    return unsaid


def _unsaid(tx: Transaction, rows: Sequence[tuple[int, ConsentRow]]) -> list[tuple[int, ConsentRow]]:
    """Those rows that are not in the ledger, each once."""
    asked = table_of(tx, "asked", _PLACE, list({(id, row.at) for id, row in rows}))
    same = and_(*(consents.c[name] == asked.c[name] for name in _PLACE))
    told = tx.execute(select(consents).join(asked, same)).all() if rows else []
    known = {_said(row.recipient_id, row) for row in told}
    unsaid = {_said(id, row): (id, row) for id, row in rows}
    return [each for said, each in unsaid.items() if said not in known]


def _said(recipient_id: int, row: ConsentRow | Record) -> tuple[Any, ...]:
    evidence = msgspec.json.encode(row.evidence, order="deterministic")
    return (recipient_id, row.channel, row.purpose, row.action, row.at, row.source, row.text_version, evidence)


def _merge(tx: Transaction, newest: dict[tuple[int, str, str], ConsentState]) -> None:
    """In the order of the key, so that two of these cannot wait for each other."""
    statement = insert_into(tx, consent_states)
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=["recipient_id", "channel", "purpose"],
        set_={"action": new.action, "at": new.at},
        where=or_(
            new.at > consent_states.c.at,
            (new.at == consent_states.c.at) & (_rank(new.action) > _rank(consent_states.c.action)),
        ),
    )
    tx.execute(
        statement,
        [
            {"recipient_id": id, "channel": channel, "purpose": purpose, "action": state.action, "at": state.at}
            for (id, channel, purpose), state in sorted(newest.items(), key=lambda item: item[0])
        ],
    )


def inherit(tx: Transaction, old: int, new: int) -> None:
    """The last words of a record that was merged are weighed against those of the other: the latest holds."""
    words = {(new, row.channel, row.purpose): ConsentState(row.action, row.at) for row in states_of(tx, old)}
    if words:
        _merge(tx, words)
    tx.execute(delete(consent_states).where(consent_states.c.recipient_id == old))


def _rank(action: ColumnElement[str]) -> ColumnElement[int]:
    return case(RANK, value=action)


def refused(tx: Transaction, keys: Collection[tuple[int, str, str]]) -> set[tuple[int, str, str]]:
    """Those (recipient, channel, purpose) whose last word is a withdrawal or an objection."""
    columns: Columns = {"recipient_id": BigInteger(), "channel": Text(), "purpose": Text()}
    asked = table_of(tx, "asked", columns, list(keys))
    same = and_(*(consent_states.c[name] == asked.c[name] for name in columns))
    query = select(*(consent_states.c[name] for name in columns)).join(asked, same)
    rows = tx.execute(query.where(consent_states.c.action != "granted"))
    return {(row.recipient_id, row.channel, row.purpose) for row in rows}


def granted_by(tx: Transaction, recipient_ids: Collection[int], channel: str, purpose: str) -> set[int]:
    """Those of these people whose last word on a channel and purpose is a grant."""
    asked = table_of(tx, "asked", {"recipient_id": BigInteger()}, [(id,) for id in recipient_ids])
    query = select(asked.c.recipient_id).join(consent_states, consent_states.c.recipient_id == asked.c.recipient_id)
    said = {"channel": channel, "purpose": purpose, "action": "granted"}
    return set(tx.scalars(query.where(*(consent_states.c[name] == value for name, value in said.items()))))


def of_recipient(tx: Transaction, recipient_id: int) -> Sequence[Record]:
    """The whole ledger of a person, oldest first."""
    query = select(consents).where(consents.c.recipient_id == recipient_id).order_by(consents.c.at, consents.c.id)
    return tx.execute(query).all()


def one(tx: Transaction, id: int) -> Record | None:
    """A row of the ledger, with the `external_id` it is about."""
    query = select(consents, recipients.c.external_id).join(recipients, recipients.c.id == consents.c.recipient_id)
    return tx.execute(query.where(consents.c.id == id)).one_or_none()


def of_pair(tx: Transaction, recipient_id: int, channel: str, purpose: str) -> Sequence[Record]:
    """The ledger of a person on one channel and purpose, oldest first."""
    asked = {"recipient_id": recipient_id, "channel": channel, "purpose": purpose}
    return tx.execute(select(consents).filter_by(**asked).order_by(consents.c.at, consents.c.id)).all()


def state_of(tx: Transaction, recipient_id: int, channel: str, purpose: str) -> Action | None:
    """The last word of a person on one channel and purpose."""
    asked = {"recipient_id": recipient_id, "channel": channel, "purpose": purpose}
    return tx.scalar(select(consent_states.c.action).filter_by(**asked))


def states_of(tx: Transaction, recipient_id: int) -> Sequence[Record]:
    query = (
        select(consent_states)
        .where(consent_states.c.recipient_id == recipient_id)
        .order_by(consent_states.c.channel, consent_states.c.purpose)
    )
    return tx.execute(query).all()
