"""Recipients, written whole or not at all."""

from collections.abc import Sequence

import msgspec

from gateway.domain.address import BadAddress, PlaceToReach, normalise
from gateway.domain.recipient import MAX_ATTRIBUTES_CHARS, Profile, RecipientInput
from gateway.domain.zones import candidate_zones, jurisdiction
from gateway.services.installation import Installation
from gateway.storage import clock, locks, recipients
from gateway.storage.database import Transaction
from gateway.storage.recipients import Prepared


class BadRecipient(ValueError):
    """A recipient that cannot be written; the text says which field and why."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"{pointer}: {detail}")
        self.pointer = pointer
        self.detail = detail


def normalised(installation: Installation, external_id: str, profile: Profile) -> Prepared:
    """A profile made ready to be written. Raises BadRecipient."""
    if len(msgspec.json.encode(profile.attributes)) > MAX_ATTRIBUTES_CHARS:
        raise BadRecipient("/attributes", f"together they are longer than {MAX_ATTRIBUTES_CHARS} characters")
    places = []
    for index, given in enumerate(profile.addresses):
        try:
            place = normalise(given)
        except BadAddress as error:
            raise BadRecipient(f"/addresses/{index}", str(error)) from None
        places.append((place, installation.keys.hash_address(place.kind, place.match_key)))
    known = [place for place, _ in places]
    return Prepared(
        external_id=external_id,
        profile=profile,
        places=tuple(_distinct(places)),
        zones=candidate_zones(profile.time_zone, profile.country, known),
        jurisdiction=jurisdiction(profile.country, known),
    )


def _distinct(places: list[tuple[PlaceToReach, str]]) -> list[tuple[PlaceToReach, str]]:
    return list({(place.kind, place.match_key): (place, digest) for place, digest in reversed(places)}.values())[::-1]


def prepare(tx: Transaction, installation: Installation, external_id: str, profile: Profile) -> Prepared:
    """As `normalised`, and every address is free or this recipient's own."""
    [prepared] = recipients.under_own_ids(tx, [normalised(installation, external_id, profile)])
    refusal = refused(tx, [prepared])[0]
    if refusal is not None:
        raise refusal
    return prepared


def prepare_page(
    tx: Transaction, installation: Installation, page: Sequence[tuple[str, Profile]]
) -> list[Prepared | BadRecipient]:
    """As `prepare` for each (external id, profile); in its place the reason where one cannot be written."""
    answers: list[Prepared | BadRecipient] = []
    for external_id, profile in page:
        try:
            answers.append(normalised(installation, external_id, profile))
        except BadRecipient as refusal:
            answers.append(refusal)
    ready = [each for each in answers if isinstance(each, Prepared)]
    refusals = iter(refused(tx, ready))
    return [(next(refusals) or each) if isinstance(each, Prepared) else each for each in answers]


def put(tx: Transaction, installation: Installation, each: RecipientInput) -> None:
    """Write one recipient, replacing what was known. Raises BadRecipient."""
    locks.lock_addresses(tx)
    recipients.put(tx, [prepare(tx, installation, each.id, each)], clock.now(tx).business)


def put_page(tx: Transaction, page: Sequence[Prepared]) -> list[BadRecipient | None]:
    """Write those of a page that can be written; a reason for each of the others, in their places."""
    locks.lock_addresses(tx)
    page = recipients.under_own_ids(tx, page)
    answers = refused(tx, page)
    recipients.put(tx, list(_last_of_each(page, answers)), clock.now(tx).business)
    return answers


def _last_of_each(page: Sequence[Prepared], answers: Sequence[BadRecipient | None]) -> Sequence[Prepared]:
    """Of lines for the same recipient the last one holds, as if they had come one by one."""
    good = [each for each, refusal in zip(page, answers, strict=True) if refusal is None]
    return list({each.external_id: each for each in good}.values())


def refused(tx: Transaction, page: Sequence[Prepared]) -> list[BadRecipient | None]:
    """Why each cannot be written: an address that is somebody else's, already or earlier in the page."""
    owners = dict(recipients.owners(tx, [place for each in page for place, _ in each.places]))
    answers: list[BadRecipient | None] = []
    for each in page:
        clash = next(
            (
                index
                for index, (place, _) in enumerate(each.places)
                if owners.get((place.kind, place.match_key), each.external_id) != each.external_id
            ),
            None,
        )
        if clash is None:
            owners |= {
                (place.kind, place.match_key): each.external_id for place, _ in each.places if place.kind != "postal"
            }
            answers.append(None)
        else:
            detail = "this address belongs to another recipient; merge the two, or leave it out"
            answers.append(BadRecipient(f"/addresses/{clash}", detail))
    return answers
