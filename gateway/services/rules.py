"""From policy, job and what is known of a person to the arguments of the one decision."""

from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from gateway.domain.caps import longest_window
from gateway.domain.job import JobSpec, Step
from gateway.domain.offer import Offer
from gateway.domain.plan import Facts, Route, Rules, next_wall_time
from gateway.domain.policy import CapRule, Purpose
from gateway.services.installation import Installation
from gateway.storage.facts import Known
from gateway.storage.jobs import Job

EVERYBODY_HAS = frozenset({"external_id"})


def planning_rules(installation: Installation, spec: JobSpec, step: int) -> Rules:
    """The rules under which a step is planned: every channel it names, and its hour of the day."""
    return _rules(installation, spec, step, spec.steps[step].channels, planning=True)


def claiming_rules(installation: Installation, spec: JobSpec, step: int, channel: str) -> Rules:
    """The rules at the instant of sending: this channel, now."""
    return _rules(installation, spec, step, (channel,), planning=False)


def _rules(installation: Installation, spec: JobSpec, step: int, channels: tuple[str, ...], *, planning: bool) -> Rules:
    purpose = purpose_of(installation, spec)
    return Rules(
        purpose=spec.purpose,
        routes=tuple(_route(installation, purpose, channel) for channel in channels),
        only_if=spec.steps[step].only_if,
        caps=caps_of(installation, spec),
        over_cap=spec.over_cap,
        quiet=installation.policies.quiet_hours if purpose.quiet_hours else (),
        local_time=spec.steps[step].local_time if planning else None,
    )


def purpose_of(installation: Installation, spec: JobSpec) -> Purpose:
    """The purpose's rules; one that policy has forgotten since asks for everything."""
    return installation.policies.purposes.get(spec.purpose) or Purpose()


def caps_of(installation: Installation, spec: JobSpec) -> tuple[CapRule, ...]:
    return installation.policies.caps if spec.obeys_caps else ()


def _route(installation: Installation, purpose: Purpose, channel: str) -> Route:
    capabilities = installation.channels.get(channel)
    return Route(
        channel=channel,
        # A channel that a broken deployment took away is planned as if everybody had an address:
        # its sends wait for it, and their claim asks again.
        address_kind=capabilities.address_kind if capabilities else "external_id",
        basis=purpose.basis_on(channel),
        lead=installation.policies.post.lead if capabilities and capabilities.batched else timedelta(0),
    )


def spends_after(installation: Installation, now: datetime) -> datetime | None:
    """The oldest slot that any cap may still count; None where there are no caps."""
    caps = installation.policies.caps
    return now - longest_window(caps) if caps else None


def facts_of(
    installation: Installation,
    known: Known,
    job: Job,
    *,
    at: datetime,
    expires_at: datetime | None,
    redeemed: bool = False,
    clicked: bool = False,
) -> Facts:
    return Facts(
        zone=zone_of(installation, known.time_zone),
        country=known.country,
        address_kinds=EVERYBODY_HAS.union(known.address_kinds),
        suppressed_kinds=known.suppressed_kinds,
        consents=known.consents.get(job.spec.purpose, {}),
        spends=known.spends,
        erased=known.erased,
        redeemed=redeemed,
        clicked=clicked,
        offer_over=_is_over(job.offer, at),
        expires_at=expires_at,
    )


def _is_over(offer: Offer | None, at: datetime) -> bool:
    return offer is not None and offer.over(at)


def zone_of(installation: Installation, name: str | None) -> ZoneInfo:
    return _zone(name) if name else installation.policies.default_zone


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def expiry(spec: JobSpec, step: Step, due_at: datetime, zone: ZoneInfo) -> datetime | None:
    """From when on a step that fell due at `due_at`, or at its hour of the day after it, is not worth sending."""
    if step.ttl is None:
        return spec.expires_at
    due_at = due_at if step.local_time is None else next_wall_time(due_at, step.local_time, zone)
    end = due_at + step.ttl
    return end if spec.expires_at is None else min(end, spec.expires_at)
