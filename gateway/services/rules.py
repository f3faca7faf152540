"""From policy and job to the rules of the one decision."""

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from gateway.domain.cut_off import Mailing
from gateway.domain.job import JobSpec, Step
from gateway.domain.plan import Route, Rules
from gateway.domain.policy import CapRule, Policies, Purpose
from gateway.domain.wall_time import next_wall_time
from gateway.services.installation import Installation
from gateway.storage.jobs import Job


class Rulebook:
    """The rules of steps, each compiled once: compiling costs many times what asking them does."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self._compiled: dict[tuple[int, int, tuple[str, ...], bool, bool], Rules] = {}

    def planning(self, job: Job, step: int, route: int = 0, *, unanswered: bool = False) -> Rules:
        """The rules under which a step is planned, on its channels from `route` on, and for its hour of the day.

        `unanswered`: an earlier message of the step went out, and another one is worth it only if nobody clicked.
        """
        return self._rules(job, step, job.spec.steps[step].channels[route:], unanswered, True)

    def claiming(self, job: Job, step: int, channel: str, *, unanswered: bool = False) -> Rules:
        """The rules at the instant of sending: this channel, now."""
        return self._rules(job, step, (channel,), unanswered, False)

    def _rules(self, job: Job, step: int, channels: tuple[str, ...], unanswered: bool, planning: bool) -> Rules:
        key = (job.id, step, channels, unanswered, planning)
        if key not in self._compiled:
            self._compiled[key] = _rules(self.installation, job.spec, step, channels, unanswered, planning)
        return self._compiled[key]


def _rules(
    installation: Installation, spec: JobSpec, step: int, channels: tuple[str, ...], unanswered: bool, planning: bool
) -> Rules:
    purpose, policies, this = purpose_of(installation, spec), installation.policies, spec.steps[step]
    return Rules(
        purpose=spec.purpose,
        routes=tuple(_route(installation, spec.purpose, channel) for channel in channels),
        only_if="not_clicked" if unanswered else this.only_if,
        caps=caps_of(policies, spec),
        obeys_caps=spec.obeys_caps,
        over_cap=spec.over_cap,
        quiet=policies.quiet_hours if purpose.quiet_hours else (),
        spread=policies.spread,
        local_time=this.local_time if planning else None,
    )


def purpose_of(installation: Installation, spec: JobSpec) -> Purpose:
    return installation.policies.purpose(spec.purpose)


def caps_of(policies: Policies, spec: JobSpec) -> tuple[CapRule, ...]:
    return policies.caps + spec.caps if spec.obeys_caps else ()


def _route(installation: Installation, purpose: str, channel: str) -> Route:
    capabilities = installation.channels.get(channel)
    basis, basis_in = installation.policies.basis_on(purpose, channel)
    return Route(
        channel=channel,
        # A channel that a broken deployment took away is planned as if everybody had an address:
        # its sends wait for it, and their claim asks again.
        address_kind=capabilities.address_kind if capabilities else "external_id",
        basis=basis,
        basis_in=basis_in,
        registers_in=_registers_in(installation.policies, purpose, channel) if basis != "none" else {},
        mailing=mailing_of(installation, channel),
    )


def _registers_in(policies: Policies, purpose: str, channel: str) -> dict[str, tuple[str, ...]]:
    """By country, the registers that must have cleared whoever did not agree."""
    covering = [register for register in policies.registers if register.covers(channel, purpose)]
    countries = {country for register in covering for country in register.countries}
    return {
        country: tuple(register.name for register in covering if country in register.countries) for country in countries
    }


def mailing_of(installation: Installation, channel: str) -> Mailing:
    """From the decision to the mailing, for paper: its slot is dated at the mailing."""
    capabilities, post = installation.channels.get(channel), installation.policies.post
    if capabilities is None or not capabilities.batched:
        return Mailing()
    return Mailing(lead=post.lead, cut_off=post.cut_off, zone=installation.policies.default_zone)


def zones_of(installation: Installation, names: str | None) -> tuple[ZoneInfo, ...]:
    """The zones of these IANA names, with commas between them; the installation's own where nothing is known."""
    return _zones(names) if names else (installation.policies.default_zone,)


def zone_of(installation: Installation, name: str | None) -> ZoneInfo:
    """The zone in which a person reads dates."""
    return zones_of(installation, name)[0]


@lru_cache(maxsize=1024)
def _zones(names: str) -> tuple[ZoneInfo, ...]:
    return tuple(ZoneInfo(name) for name in names.split(","))


def expiry(spec: JobSpec, step: Step, due_at: datetime, zone: ZoneInfo) -> datetime | None:
    """From when on a step that fell due at `due_at`, or at its hour of the day after it, is not worth sending."""
    if step.ttl is None:
        return spec.expires_at
    due_at = due_at if step.local_time is None else next_wall_time(due_at, step.local_time, zone)
    end = due_at + step.ttl
    return end if spec.expires_at is None else min(end, spec.expires_at)
