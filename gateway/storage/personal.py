"""Everything that is kept about one person, table by table, for the person to have.

`PARTS` and `LEFT_OUT` together name every table, and every column is in the export unless `LEFT_OUT` says why
not; a test holds them against the schema.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Table, Text, and_, cast, literal, or_, select

from gateway.storage import audit as log
from gateway.storage.database import Transaction
from gateway.storage.tables import (
    activities,
    addresses,
    attempts,
    audit,
    batch_items,
    batches,
    consent_states,
    consents,
    coupons,
    doubts,
    entries,
    events,
    job_rejects,
    jobs,
    offers,
    opt_ins,
    preferences,
    recipient_aliases,
    recipient_merges,
    recipients,
    redemptions,
    replies,
    screenings,
    sends,
    short_links,
    soft_bounces,
    suppressions,
)

Owned = Callable[[Table, int], ColumnElement[bool]]
"""Which rows of a table are about the person of an internal id."""

PersonalRow = dict[str, Any]
"""A row as it is shown: its columns by their names, and for the numbers of jobs, offers and batches their names."""


def _own(table: Table, id: int) -> ColumnElement[bool]:
    return table.c.recipient_id == id


def _of_entries(table: Table, id: int) -> ColumnElement[bool]:
    entered = select(entries.c.job_id).where(entries.c.recipient_id == id)
    return and_(table.c.job_id.in_(entered), table.c.recipient_id == id)


def _in_batches(table: Table, id: int) -> ColumnElement[bool]:
    entered = select(entries.c.job_id).where(entries.c.recipient_id == id)
    gathered = select(batches.c.id).where(batches.c.job_id.in_(entered))
    return and_(table.c.batch_id.in_(gathered), table.c.recipient_id == id)


def _by_address(table: Table, id: int) -> ColumnElement[bool]:
    same = and_(addresses.c.kind == table.c.kind, addresses.c.hash == table.c.hash)
    return select(addresses.c.id).where(addresses.c.recipient_id == id, same).exists()


def _by_name(table: Table, id: int) -> ColumnElement[bool]:
    own = select(recipients.c.external_id).where(recipients.c.id == id)
    merged = select(recipient_aliases.c.external_id).where(recipient_aliases.c.recipient_id == id)
    return table.c.external_id.in_(own.union_all(merged))


def _written_by(table: Table, id: int) -> ColumnElement[bool]:
    """Also what came from an address before it was known whose it is."""
    own = select(addresses.c.hash).where(addresses.c.recipient_id == id)
    return or_(table.c.recipient_id == id, and_(table.c.recipient_id.is_(None), table.c.address_hash.in_(own)))


def _done_to(table: Table, id: int) -> ColumnElement[bool]:
    merged = select(literal(log.PERSON) + cast(recipient_merges.c.old_id, Text())).where(
        recipient_merges.c.recipient_id == id
    )
    return or_(table.c.subject == log.person(id), table.c.subject.in_(merged))


PARTS: Final[Mapping[str, tuple[Table, Owned]]] = {
    "profile": (recipients, lambda table, id: table.c.id == id),
    "merged_ids": (recipient_aliases, _own),
    "addresses": (addresses, _own),
    "suppressions": (suppressions, _by_address),
    "soft_bounces": (soft_bounces, _by_address),
    "screenings": (screenings, _by_address),
    "preferences": (preferences, _own),
    "consents": (consents, _own),
    "consent_states": (consent_states, _own),
    "opt_ins": (opt_ins, _own),
    "activities": (activities, _own),
    "entries": (entries, _own),
    "not_entered": (job_rejects, _by_name),
    "sends": (sends, _of_entries),
    "attempts": (attempts, _of_entries),
    "doubts": (doubts, _of_entries),
    "events": (events, _own),
    "replies": (replies, _written_by),
    "short_links": (short_links, _of_entries),
    "coupons": (coupons, _of_entries),
    "redemptions": (redemptions, _of_entries),
    "letters": (batch_items, _in_batches),
    "audit": (audit, _done_to),
}
"""The parts of an export, each with its table and how its rows are found."""

_OURS = "a number of our own tables, which means nothing elsewhere"
_LOAD = "how the work is shared out among workers"
_TRANSIENT = "holds what is under way, for minutes"
_NOBODY = "says nothing about a recipient"

LEFT_OUT: Final[Mapping[str, str]] = {
    "recipients.id": _OURS,
    "addresses.id": _OURS,
    "batch_items.address_id": _OURS,
    "batch_items.household": "a keyed hash of the address",
    "addresses.match_key": "the value once more, spelled for comparison",
    "addresses.hash": "the value once more, keyed: only we can make it",
    "suppressions.hash": "the address once more, keyed",
    "soft_bounces.hash": "the address once more, keyed",
    "screenings.hash": "the address once more, keyed",
    "consents.id": _OURS,
    "opt_ins.id": _OURS,
    "opt_ins.address_hash": "the address once more, keyed",
    "activities.id": _OURS,
    "entries.shard": _LOAD,
    "sends.shard": _LOAD,
    "sends.lane": _LOAD,
    "sends.claim_id": _LOAD,
    "attempts.claim_id": _LOAD,
    "attempts.address_id": _OURS,
    "events.id": _OURS,
    "replies.id": _OURS,
    "replies.address_hash": "the address once more, keyed",
    "redemptions.id": _OURS,
    "coupons.hold": "what a checkout shows that has begun with the coupon; it lasts an hour at most",
    "audit.id": _OURS,
    "audit.subject": "the person",
    "recipient_merges": "the internal ids behind `merged_ids`",
    "claims": _TRANSIENT,
    "job_audiences": "a request of a client, dropped when its people have entered",
    "idempotency": "answers to clients, dropped after two days",
    "parked_events": "reports on messages that are not known; dropped after a week",
    "notices": "what clients were told of the same events, by internal id; dropped after a while",
    "till_lines": "what tills told of the uses in `redemptions`, once more",
    "api_keys": _NOBODY,
    "batch_parts": _NOBODY,
    "batches": _NOBODY,
    "business_clock": _NOBODY,
    "channel_states": _NOBODY,
    "contents": _NOBODY,
    "endpoints": _NOBODY,
    "jobs": _NOBODY,
    "leases": _NOBODY,
    "offers": _NOBODY,
    "paces": _NOBODY,
    "policy_versions": _NOBODY,
    "pool_codes": "which of them a person has, the coupons say",
    "pools": _NOBODY,
    "processes": _NOBODY,
    "sender_hours": _NOBODY,
    "senders": _NOBODY,
    "template_versions": _NOBODY,
    "templates": _NOBODY,
}
"""Tables (`claims`) and columns (`sends.lane`) that are not in an export, and why."""

NAMED: Final[Mapping[str, tuple[str, ColumnElement[Any], ColumnElement[Any]]]] = {
    "job_id": ("job", jobs.c.public_id, jobs.c.id),
    "offer_id": ("offer", offers.c.key, offers.c.id),
    "batch_id": ("batch", batches.c.public_id, batches.c.id),
}
"""Columns shown as the public name of what they point to."""


def rows_of(tx: Transaction, part: str, recipient_id: int) -> list[PersonalRow]:
    """The rows of a part of the export."""
    table, owned = PARTS[part]
    query = select(*(_shown(table, column) for column in shown_columns(table)))
    query = query.where(owned(table, recipient_id)).order_by(*table.primary_key.columns)
    return [dict(row) for row in tx.execute(query).mappings()]


def shown_columns(table: Table) -> list[Column[Any]]:
    return [
        column
        for column in table.columns
        if column.name != "recipient_id" and f"{table.name}.{column.name}" not in LEFT_OUT
    ]


def _shown(table: Table, column: Column[Any]) -> ColumnElement[Any]:
    if column.name not in NAMED:
        return column
    label, name, id = NAMED[column.name]
    return select(name).where(id == column).scalar_subquery().label(label)
