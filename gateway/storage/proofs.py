"""Which pieces of a batch show best what it will look like."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, exists, func, select

from gateway.domain.states import REACHED, State
from gateway.storage import keys as keys_of
from gateway.storage.database import Transaction
from gateway.storage.tables import addresses, batch_items, batches, recipients, sends
from gateway.storage.types import Record


def items(tx: Transaction, batch_id: int, address_kind: str, first: int) -> Sequence[Record]:
    """The first items of a batch, those with the longest name and the longest address, and the first of each language.

    An item may come more than once. Who was left out, or is on the pull list, is shown to nobody.
    """
    order = (batch_items.c.recipient_id, batch_items.c.run, batch_items.c.step)
    mine: Any = select(batch_items).where(batch_items.c.batch_id == batch_id, _IS_MEANT)
    named = mine.join(recipients, recipients.c.id == batch_items.c.recipient_id)
    placed = mine.join(addresses, addresses.c.recipient_id == batch_items.c.recipient_id).where(
        addresses.c.kind == address_kind, addresses.c.is_primary
    )
    earliest = (
        select(func.min(batch_items.c.recipient_id))
        .join(recipients, recipients.c.id == batch_items.c.recipient_id)
        .where(batch_items.c.batch_id == batch_id, _IS_MEANT)
        .group_by(recipients.c.locale)
    )
    wanted = (
        mine.order_by(*order).limit(first),
        named.order_by(func.length(recipients.c.name).desc(), *order).limit(1),
        placed.order_by(func.length(addresses.c.value).desc(), *order).limit(1),
        mine.where(batch_items.c.recipient_id.in_(earliest)).order_by(*order).limit(_MOST_LANGUAGES),
    )
    return [row for query in wanted for row in tx.execute(query)]


_MOST_LANGUAGES = 40
_IS_MEANT = and_(
    batch_items.c.pulled_at.is_(None),
    exists().where(
        batches.c.id == batch_items.c.batch_id,
        sends.c.channel == batches.c.channel,
        *(sends.c[name] == batch_items.c[name] for name in keys_of.STEP),
        sends.c.state.in_((State.BATCHED, *REACHED)),
    ),
)
