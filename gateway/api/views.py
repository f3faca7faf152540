"""What callers are shown of jobs, sends and people."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from msgspec import Struct

from gateway.domain.address import warnings
from gateway.domain.job import Anchor, Condition, Goal, SegmentOffer, TemplateUse
from gateway.domain.policy import Throttle
from gateway.services import receipt
from gateway.services.installation import Installation
from gateway.storage.jobs import Job, State
from gateway.storage.types import Record


class StepView(Struct, frozen=True, kw_only=True):
    """A step of an accepted job. By channel, `content` names what was frozen, by its hash, and `templates` the versions
    that it was taken from."""

    name: str
    channels: tuple[str, ...]
    content: Mapping[str, str]
    templates: Mapping[str, TemplateUse]
    after: timedelta
    anchor: Anchor
    only_if: Condition
    local_time: time | None
    ttl: timedelta | None
    fallback_after: timedelta | None


class JobView(Struct, frozen=True, kw_only=True):
    """An accepted job. `expanded_at` is when its whole audience had entered.

    `holdout` is the share of the audience it never writes to, `goal` what its report compares the two on.
    """

    id: str
    name: str
    client: str
    purpose: str
    state: State
    offer: str | None
    offers: tuple[SegmentOffer, ...]
    default_locale: str
    priority: int
    obeys_caps: bool
    counts_towards_caps: bool
    over_cap: str
    if_not_sent: str
    throttle: Throttle | None
    holdout: float
    goal: Goal
    steps: tuple[StepView, ...]
    start_at: datetime
    expires_at: datetime | None
    accepted_at: datetime
    expanded_at: datetime | None
    ended_at: datetime | None


class JobPage(Struct, frozen=True, kw_only=True):
    """Some jobs, the newest first. `next` is the cursor of the page that follows."""

    jobs: tuple[JobView, ...]
    next: str | None


class SendView(Struct, frozen=True, kw_only=True):
    """One message to one recipient on one channel for one step."""

    id: str
    recipient: str
    step: str
    channel: str
    state: str
    reason: str | None
    due_at: datetime | None
    changed_at: datetime


class SendPage(Struct, frozen=True, kw_only=True):
    """Some sends of a job, in an order that does not change. `next` is the cursor of the page that follows."""

    sends: tuple[SendView, ...]
    next: str | None


class RejectView(Struct, frozen=True, kw_only=True):
    """Somebody named in the audience, at `position`, who could not enter."""

    position: int
    recipient: str
    reason: str


class Rejects(Struct, frozen=True, kw_only=True):
    """The first thousand by position; `total` counts all, `reasons` too."""

    rejects: tuple[RejectView, ...]
    total: int
    reasons: Mapping[str, int]


class AddressView(Struct, frozen=True, kw_only=True):
    """A normalised address."""

    kind: str
    value: str
    data: Mapping[str, Any]
    is_primary: bool
    warnings: tuple[str, ...] = ()
    """What is odd about a postal address that a letter would reach all the same."""


class RecipientView(Struct, frozen=True, kw_only=True):
    """What is known of a recipient."""

    id: str
    name: str
    locale: str | None
    time_zone: str | None
    country: str | None
    attributes: Mapping[str, Any]
    addresses: tuple[AddressView, ...]
    created_at: datetime
    updated_at: datetime


class ConsentView(Struct, frozen=True, kw_only=True):
    """The last word on one channel and purpose."""

    channel: str
    purpose: str
    action: str
    at: datetime


class LedgerRow(Struct, frozen=True, kw_only=True):
    """One row of the ledger, as it was handed in, and by whom. `id` is what its receipt is asked for by."""

    id: str
    channel: str
    purpose: str
    action: str
    at: datetime
    recorded_at: datetime
    source: str
    text_version: str | None
    evidence: Mapping[str, Any]
    actor: str


class AskedView(Struct, frozen=True, kw_only=True):
    """A double opt-in. Until it is confirmed nothing of it holds, and after `expires_at` it cannot be."""

    channel: str
    purposes: tuple[str, ...]
    requested_at: datetime
    expires_at: datetime
    confirmed_at: datetime | None


class Consents(Struct, frozen=True, kw_only=True):
    """What a recipient allowed: what holds now, the whole ledger and what was asked, oldest first."""

    recipient: str
    states: tuple[ConsentView, ...]
    ledger: tuple[LedgerRow, ...]
    asked: tuple[AskedView, ...]


def job_view(job: Job) -> JobView:
    spec = job.spec
    return JobView(
        id=job.public_id,
        name=spec.name,
        client=job.client,
        purpose=spec.purpose,
        state=job.state,
        offer=spec.offer,
        offers=spec.offers,
        default_locale=spec.default_locale,
        priority=spec.priority,
        obeys_caps=spec.obeys_caps,
        counts_towards_caps=spec.counts_towards_caps,
        over_cap=spec.over_cap,
        if_not_sent=spec.if_not_sent,
        throttle=spec.throttle,
        holdout=spec.holdout,
        goal=spec.goal,
        steps=tuple(
            StepView(
                name=step.name,
                channels=step.channels,
                content=step.content,
                templates=step.templates,
                after=step.after,
                anchor=step.anchor,
                only_if=step.only_if,
                local_time=step.local_time,
                ttl=step.ttl,
                fallback_after=step.fallback_after,
            )
            for step in spec.steps
        ),
        start_at=spec.start_at,
        expires_at=spec.expires_at,
        accepted_at=job.accepted_at,
        expanded_at=job.expanded_at,
        ended_at=job.ended_at,
    )


def recipient_view(row: Record, addresses: list[Record]) -> RecipientView:
    return RecipientView(
        id=row.external_id,
        name=row.name,
        locale=row.locale,
        time_zone=row.time_zone,
        country=row.country,
        attributes=row.attributes,
        addresses=tuple(
            AddressView(
                kind=each.kind,
                value=each.value,
                data=each.data,
                is_primary=each.is_primary,
                warnings=warnings(each.kind, each.data),
            )
            for each in addresses
        ),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def consent_view(row: Record) -> ConsentView:
    return ConsentView(channel=row.channel, purpose=row.purpose, action=row.action, at=row.at)


def asked_view(row: Record) -> AskedView:
    return AskedView(
        channel=row.channel,
        purposes=tuple(row.purposes),
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        confirmed_at=row.confirmed_at,
    )


def ledger_row(installation: Installation, row: Record) -> LedgerRow:
    return LedgerRow(
        id=receipt.id_of(installation, row.id),
        channel=row.channel,
        purpose=row.purpose,
        action=row.action,
        at=row.at,
        recorded_at=row.recorded_at,
        source=row.source,
        text_version=row.text_version,
        evidence=row.evidence,
        actor=row.actor,
    )
