"""What is known of people, gathered for the one decision in a handful of queries."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from msgspec import Struct

from gateway.domain.caps import Rival, longest_reach
from gateway.domain.holdout import Held, drawn, held_out
from gateway.domain.plan import Facts
from gateway.services.installation import Installation
from gateway.services.rules import caps_of, mailing_of, purpose_of, zones_of
from gateway.storage import facts, jobs
from gateway.storage.database import Transaction
from gateway.storage.facts import Known, Wanted
from gateway.storage.jobs import Job

EVERYBODY_HAS = frozenset({"external_id"})


class Gathered(Struct, frozen=True, kw_only=True):
    """What is known of people at an instant, by their internal ids."""

    at: datetime
    known: Mapping[int, Known]
    more_important: Mapping[int, Job]
    """The jobs whose sends wait for some of these people."""


class Past(Struct, frozen=True, kw_only=True):
    """What an entry brought so far, and how long its message is worth sending."""

    holdout: Held | None = None
    redeemed: bool = False
    clicked: bool = False
    offer_id: int | None = None
    coupon_until: datetime | None = None
    """The end of the coupon that the message shows: it is not worth sending after that."""
    expires_at: datetime | None = None


def gather(
    tx: Transaction,
    installation: Installation,
    asking: Collection[Job],
    ids: Collection[int],
    at: datetime,
    strangers: Mapping[int, Known] | None = None,
) -> Gathered:
    """What the decisions of these jobs need to know of these people. `strangers` are known already."""
    known = facts.known(tx, list(ids), _wanted(installation, asking, at))
    rivals = {queued.job_id for person in known.values() for queued in person.queued}
    return Gathered(
        at=at, known={**known, **(strangers or {})}, more_important=jobs.by_ids(tx, rivals) if rivals else {}
    )


def _wanted(installation: Installation, asking: Collection[Job], at: datetime) -> Wanted:
    obeying = [job.spec for job in asking if job.spec.obeys_caps]
    caps = [cap for spec in obeying for cap in caps_of(installation.policies, spec)]
    return Wanted(
        at=at,
        spends_after=at - longest_reach(caps) if caps else None,
        outranking=min((spec.priority for spec in obeying), default=None),
        clearances=bool(installation.policies.registers),
    )


def facts_of(
    installation: Installation, gathered: Gathered, recipient_id: int, job: Job, past: Past, at: datetime
) -> Facts:
    """One person's facts for a decision as of `at`."""
    known = gathered.known[recipient_id]
    offer = job.offers.get(past.offer_id or 0)
    return Facts(
        zones=zones_of(installation, known.zones),
        country=known.country,
        address_kinds=EVERYBODY_HAS.union(known.address_kinds),
        suppressed_kinds=known.suppressed_kinds,
        suppressed_until=known.suppressed_until,
        consents=known.consents.get(job.spec.purpose, {}),
        paused_until=known.paused_until,
        cleared=known.cleared,
        spends=known.spends,
        rivals=tuple(_rivals(installation, gathered, known, job)) if known.queued else (),
        own_caps=known.own_caps,
        erased=known.erased,
        holdout=past.holdout,
        redeemed=past.redeemed,
        clicked=past.clicked,
        offer_over=(offer is not None and offer.over(at)) or _is_reached(past.coupon_until, at),
        offer_used_up=past.offer_id in job.used_up,
        expires_at=past.expires_at,
        # By its name, so that a preview tells what the job will do.
        chance=drawn(f"spread:{job.spec.name}", known.external_id),
    )


def _is_reached(end: datetime | None, at: datetime) -> bool:
    return end is not None and at >= end


def _rivals(installation: Installation, gathered: Gathered, known: Known, job: Job) -> Iterator[Rival]:
    """Sends of more important jobs that will take a slot. One that is late takes it at any moment."""
    for queued in known.queued:
        other = gathered.more_important[queued.job_id]
        if other.spec.priority > job.spec.priority and other.spec.counts_towards_caps:
            due_at = max(queued.due_at, gathered.at)
            slot = mailing_of(installation, queued.channel).planned_for(due_at)
            yield Rival(due_at, slot, queued.channel, queued.purpose, other.public_id)


def holdout_of(installation: Installation, job: Job, external_id: str) -> Held | None:
    """Whether a person who enters is left out by this job. After that their entry knows.

    Jobs of one name leave out the same people, so that a preview tells what the job will do.
    """
    if not purpose_of(installation, job.spec).holdout:
        return None
    everybody = installation.policies.holdout
    return held_out(
        external_id,
        job_share=job.spec.holdout,
        job_salt=job.spec.name,
        global_share=everybody.share,
        global_salt=everybody.salt,
    )
