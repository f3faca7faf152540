"""What follows where somebody wants no more messages of a purpose on a channel."""

from collections.abc import Collection
from datetime import datetime

from gateway.domain.consent import ConsentRow
from gateway.services.announce import announce_consents
from gateway.services.installation import Installation
from gateway.services.stop import withdraw
from gateway.storage import consents
from gateway.storage.database import Transaction


def opt_out(
    tx: Transaction, installation: Installation, refusals: Collection[tuple[int, str, str]], source: str, now: datetime
) -> None:
    """Withdraw consent for each (recipient, channel, purpose), and stop what is pending under it.

    Said again, it stops again; the ledger has it once until there is a new grant. A purpose that offers no way out
    is not withdrawn from: a receipt goes on by another channel. The caller holds the shards' locks.
    """
    purposes = installation.policies.purposes
    open_ones = {each for each in refusals if each[2] not in purposes or purposes[each[2]].unsubscribe}
    unsaid = sorted(open_ones - consents.refused(tx, open_ones))
    rows = [(id, _withdrawal(id, channel, purpose, source, now)) for id, channel, purpose in unsaid]
    if rows:
        announce_consents(tx, consents.add(tx, rows, actor=source, now=now))
    withdraw(tx, installation, open_ones, now)


def _withdrawal(id: int, channel: str, purpose: str, source: str, now: datetime) -> ConsentRow:
    return ConsentRow(recipient=str(id), channel=channel, purpose=purpose, action="withdrawn", at=now, source=source)
