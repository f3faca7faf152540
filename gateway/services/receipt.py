"""The receipt of a consent, under the field names of ISO/IEC TS 27560:2023.

It says what our ledger knows and leaves out what it does not: the registered name of the controller,
regions and retention are the operator's to add.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from gateway.domain.consent import latest, said
from gateway.domain.languages import language_of
from gateway.domain.policy import Basis, Purpose
from gateway.domain.preferences import basis_of
from gateway.domain.tokens import BadToken
from gateway.services.installation import Installation
from gateway.services.problems import NotFound
from gateway.storage import consents, recipients
from gateway.storage.database import Transaction
from gateway.storage.types import Record

SCHEMA: Final = "ISO/IEC TS 27560:2023"

_STATES: Final = {
    "requested": "consent requested",
    "granted": "consent given",
    "withdrawn": "consent withdrawn",
    "objected": "consent refused",
}
_LAWFUL: Final[Mapping[Basis, str]] = {
    "opt_in": "consent",
    "opt_out": "legitimate interest, until an objection",
    "none": "contract or legal obligation",
}


class Header(Struct, frozen=True, kw_only=True):
    """`record_id` names one row of the ledger, `pii_principal_id` is the customer's own id of the person."""

    schema_version: str
    record_id: str
    pii_principal_id: str


class PiiInformation(Struct, frozen=True, kw_only=True):
    pii_type: str
    """The kind of address that is used; never the address."""


class ReceiptPurpose(Struct, frozen=True, kw_only=True):
    purpose: str
    lawful_basis: str
    pii_information: tuple[PiiInformation, ...]
    pii_controllers: tuple[str, ...]
    collection_method: str
    processing_method: str
    withdrawal_method: str


class Processing(Struct, frozen=True, kw_only=True):
    """`privacy_notice` is the version of the text that was shown."""

    privacy_notice: str | None
    language: str | None
    purposes: tuple[ReceiptPurpose, ...]


class Party(Struct, frozen=True, kw_only=True):
    party_id: str
    party_role: str
    party_url: str


class Event(Struct, frozen=True, kw_only=True):
    """One row of the ledger. `validity_duration` is null: a consent holds until it is taken back."""

    record_id: str
    event_time: datetime
    recorded_time: datetime
    validity_duration: str | None
    entity_id: str
    event_type: str
    event_state: str
    method: str
    evidence: Mapping[str, Any]


class Receipt(Struct, frozen=True, kw_only=True):
    """What a person said on one channel and purpose, oldest first, and what holds now: `state`."""

    header: Header
    processing: Processing
    parties: tuple[Party, ...]
    events: tuple[Event, ...]
    state: str | None


def id_of(installation: Installation, consent_id: int) -> str:
    """The public id of a row of the ledger."""
    return installation.keys.sign_id("consent", consent_id)


def receipt(tx: Transaction, installation: Installation, public_id: str) -> Receipt:
    """Raises NotFound."""
    try:
        row = consents.one(tx, installation.keys.open_id("consent", public_id))
    except BadToken:
        row = None
    person = recipients.by_id(tx, row.recipient_id) if row else None
    if row is None or person is None:
        raise NotFound("there is no such consent")
    history = consents.of_pair(tx, row.recipient_id, row.channel, row.purpose)
    told = (said(each.action, each.at, each.recorded_at) for each in history)
    now = latest(state for state in told if state is not None)
    return Receipt(
        header=Header(schema_version=SCHEMA, record_id=public_id, pii_principal_id=person.external_id),
        processing=_processing(installation, person, row),
        parties=(_controller(installation),),
        events=tuple(_event(installation, each) for each in history),
        state=_STATES[now.action] if now else None,
    )


def _processing(installation: Installation, person: Record, row: Record) -> Processing:
    capabilities = installation.channels.get(row.channel)
    used = (PiiInformation(pii_type=capabilities.address_kind),) if capabilities else ()
    return Processing(
        privacy_notice=row.text_version,
        language=language_of(person.locale),
        purposes=(
            ReceiptPurpose(
                purpose=row.purpose,
                lawful_basis=_LAWFUL[_basis(installation, person, row)],
                pii_information=used,
                pii_controllers=(_controller(installation).party_id,),
                collection_method=row.source,
                processing_method=f"messages on the channel {row.channel}",
                withdrawal_method="the link in every message, or the page of one's own choices",
            ),
        ),
    )


def _basis(installation: Installation, person: Record, row: Record) -> Basis:
    """Of a purpose that policy has forgotten since, that of one it never knew."""
    if row.purpose not in installation.policies.purposes:
        return Purpose().basis_on(row.channel)
    return basis_of(installation.policies, row.purpose, row.channel, person.jurisdiction)


def _controller(installation: Installation) -> Party:
    """Who answers for it: the one organisation of this installation, known to us by its address on the web."""
    host = installation.public_url.partition("://")[2]
    return Party(party_id=host, party_role="pii controller", party_url=installation.public_url)


def _event(installation: Installation, row: Record) -> Event:
    return Event(
        record_id=id_of(installation, row.id),
        event_time=row.at,
        recorded_time=row.recorded_at,
        validity_duration=None,
        entity_id=row.actor,
        event_type=row.action,
        event_state=_STATES[row.action],
        method=row.source,
        evidence=row.evidence,
    )
