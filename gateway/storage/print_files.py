"""How long the files of print batches stay: they hold names and addresses."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, exists, func, or_, select, update

from gateway.storage.database import Transaction
from gateway.storage.tables import batch_items, batches, entries, recipients
from gateway.storage.types import Record

_HAS_FILES = (batches.c.exported_at.is_not(None), batches.c.files_removed_at.is_(None))


def expire(tx: Transaction, before: datetime, now: datetime) -> int:
    """The files of batches that were done with before an instant are to go. Returns of how many."""
    done_at = func.coalesce(batches.c.mailed_at, batches.c.handed_over_at, batches.c.exported_at)
    change = update(batches).where(*_HAS_FILES, done_at < before)
    return tx.execute(change.values(files_removed_at=now, files_removed_why="kept long enough")).rowcount


def expire_of_erased(tx: Transaction, now: datetime) -> int:
    """The files of mailed batches in which somebody is who was erased since are to go. Returns of how many."""
    erased = exists().where(
        batch_items.c.batch_id == batches.c.id,
        batch_items.c.sequence.is_not(None),
        recipients.c.id == batch_items.c.recipient_id,
        # Who has a number was erased after it was given, be it while other parts were still being written.
        recipients.c.erased_at.is_not(None),
    )
    change = update(batches).where(*_HAS_FILES, batches.c.state == "mailed", erased)
    return tx.execute(change.values(files_removed_at=now, files_removed_why="somebody in them was erased")).rowcount


def remove_with(tx: Transaction, recipient_id: int, now: datetime) -> None:
    """Somebody is being erased: the files of mailed batches with a letter to them are to go at once."""
    entered = select(entries.c.job_id).where(entries.c.recipient_id == recipient_id)
    holds = exists().where(
        batch_items.c.batch_id == batches.c.id,
        batch_items.c.recipient_id == recipient_id,
        batch_items.c.sequence.is_not(None),
    )
    mine = (*_HAS_FILES, batches.c.state == "mailed", batches.c.job_id.in_(entered), holds)
    why = "somebody in them was erased"
    tx.execute(update(batches).where(*mine).values(files_removed_at=now, files_removed_why=why))


def to_remove(tx: Transaction) -> Sequence[Record]:
    """(public_id, folder) of batches whose files are to go and have not gone yet."""
    over = or_(
        batches.c.files_removed_at.is_not(None), and_(batches.c.state == "cancelled", batches.c.folder.is_not(None))
    )
    return tx.execute(select(batches.c.public_id, batches.c.folder).where(over, batches.c.folder.is_not(None))).all()


def removed(tx: Transaction, public_id: str) -> None:
    tx.execute(update(batches).where(batches.c.public_id == public_id).values(folder=None))
