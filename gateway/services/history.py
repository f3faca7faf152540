"""The audit log, as somebody asks for it."""

from collections.abc import Sequence

from gateway.services.problems import NotFound
from gateway.storage import audit, merges, recipients
from gateway.storage.database import Transaction
from gateway.storage.types import Record


def page(
    tx: Transaction, before: int | None, limit: int, subject: str | None = None, recipient: str | None = None
) -> Sequence[Record]:
    """The newest rows first, about a subject or a person where one is named. Raises NotFound for nobody.

    Of a person also what was done to records that were merged into theirs.
    """
    subjects = [] if subject is None else [subject]
    if recipient is not None:
        person = recipients.get(tx, recipient)
        if person is None:
            raise NotFound(f"there is no recipient {recipient}")
        subjects += [audit.person(id) for id in (person.id, *(row.old_id for row in merges.into(tx, person.id)))]
    return audit.page(tx, before, limit, *subjects)
