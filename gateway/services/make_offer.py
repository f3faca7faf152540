"""An offer is made once, and frozen, because codes in people's hands rest on it."""

from gateway.domain.offer import Offer
from gateway.services.problems import Conflict
from gateway.storage import audit, clock, offers
from gateway.storage.database import Transaction


def make_offer(tx: Transaction, offer: Offer, actor: str) -> bool:
    """Whether the offer is new. The same again changes nothing; raises Conflict for another one under its key."""
    if offers.add(tx, offer, clock.now(tx).business):
        audit.add(tx, actor, "offer.made", f"offer:{offer.key}")
        return True
    if offers.by_keys(tx, [offer.key])[offer.key].offer != offer:
        raise Conflict(f"there is another offer {offer.key}, and offers are frozen: take a new key")
    return False
