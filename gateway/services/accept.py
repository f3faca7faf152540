"""A request becomes a job: examined whole, then frozen."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct, structs

from gateway.domain.audience import MAX_DEPTH, Ids, Inline, Matching, depth
from gateway.domain.job import JobInput, JobSpec, Step, StepInput
from gateway.domain.lanes import BULK, URGENT
from gateway.domain.notices import JobNews
from gateway.domain.templates import CheckedContent, check_content
from gateway.services import resolve
from gateway.services.announce import announce
from gateway.services.installation import Installation
from gateway.services.problems import Invalid, Problem
from gateway.services.resolve import Resolved, Wording
from gateway.storage import audit, clock, contents, jobs, offers
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job
from gateway.storage.offers import Kept


class Examined(Struct, frozen=True, kw_only=True):
    """A sound request. By step and channel, `wordings` hold what is said, and `checked` what that uses."""

    request: JobInput
    wordings: tuple[dict[str, Wording], ...]
    checked: tuple[dict[str, CheckedContent], ...]


def examine(installation: Installation, request: JobInput, resolved: Resolved | None = None) -> Examined:
    """Everything that can be said of a request without the database. Raises Invalid with every problem at once.

    `resolved` is what `resolve.in_job` found. Without it the request is of the gateway's own, and names no template.
    """
    resolved = resolved or resolve.own(request)
    problems = [*_job_problems(installation, request), *_audience_problems(request), *_segment_problems(request)]
    problems += resolved.problems
    checked: list[dict[str, CheckedContent]] = []
    for number, (step, wordings) in enumerate(zip(request.steps, resolved.wordings, strict=True)):
        problems += _step_problems(installation, request, number, step, wordings)
        of_step, found = _check_contents(installation, request, number, wordings)
        checked.append(of_step)
        problems += found
    if problems:
        raise Invalid(problems)
    return Examined(request=request, wordings=resolved.wordings, checked=tuple(checked))


def _job_problems(installation: Installation, request: JobInput) -> Iterator[Problem]:
    purposes = installation.policies.purposes
    if request.purpose not in purposes:
        known = ", ".join(sorted(purposes))
        yield Problem(pointer="/purpose", detail=f"no purpose {request.purpose} in the policies; there is {known}")
    for name in ("start_at", "expires_at"):
        at: datetime | None = getattr(request, name)
        if at is not None and at.tzinfo is None:
            yield Problem(pointer=f"/{name}", detail="needs a time zone, such as 2026-05-01T10:00:00Z")
    if request.holdout and request.purpose in purposes and not purposes[request.purpose].holdout:
        yield Problem(pointer="/holdout", detail=f"nobody is left out of what is {request.purpose}; see the policies")
    caps = [rule.name for rule in (*installation.policies.caps, *request.caps)]
    for place, rule in enumerate(request.caps):
        if caps.count(rule.name) > 1:
            detail = f"there is another cap {rule.name}, here or in the policies; decisions name the rule"
            yield Problem(pointer=f"/caps/{place}/name", detail=detail)
    doubles = [name for name, count in Counter(step.name for step in request.steps).items() if count > 1]
    if doubles:
        yield Problem(pointer="/steps", detail=f"two steps have the name {', '.join(doubles)}")


def _audience_problems(request: JobInput) -> Iterator[Problem]:
    match request.audience:
        case Matching(where=where) if depth(where) > MAX_DEPTH:
            yield Problem(pointer="/audience/where", detail=f"is nested more than {MAX_DEPTH} levels deep")
        case Ids(ids=ids):
            yield from _doubled("/audience/ids", list(ids))
        case Inline(recipients=people):
            yield from _doubled("/audience/recipients", [person.id for person in people])


def _segment_problems(request: JobInput) -> Iterator[Problem]:
    names = [each.segment for each in request.offers]
    for place, each in enumerate(request.offers):
        if names.index(each.segment) < place:
            detail = f"there is another segment {each.segment}; reports name the segment"
            yield Problem(pointer=f"/offers/{place}/segment", detail=detail)
        if depth(each.where) > MAX_DEPTH:
            yield Problem(pointer=f"/offers/{place}/where", detail=f"is nested more than {MAX_DEPTH} levels deep")


def _doubled(pointer: str, ids: list[str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for position, id in enumerate(ids):
        if id in seen:
            yield Problem(pointer=f"{pointer}/{position}", detail="this recipient is named twice")
        seen.add(id)


def _step_problems(
    installation: Installation, request: JobInput, number: int, step: StepInput, wordings: Mapping[str, Wording]
) -> Iterator[Problem]:
    here = f"/steps/{number}"
    for place, channel in enumerate(step.channels):
        if channel not in installation.channels:
            known = ", ".join(sorted(installation.channels)) or "none"
            yield Problem(pointer=f"{here}/channels/{place}", detail=f"no channel {channel} is ready; there is {known}")
        elif request.brand is not None and request.brand not in installation.brands.get(channel, ()):
            known = ", ".join(sorted(installation.brands.get(channel, ()))) or "none"
            yield Problem(pointer="/brand", detail=f"channel {channel} has no brand {request.brand}; it has {known}")
        if channel not in step.content:
            yield Problem(pointer=f"{here}/content", detail=f"has nothing for the channel {channel}")
    if len(set(step.channels)) < len(step.channels):
        yield Problem(pointer=f"{here}/channels", detail="names a channel twice")
    for channel in step.content.keys() - set(step.channels):
        yield Problem(pointer=f"{here}/content/{channel}", detail="the step does not use this channel")
    if step.anchor == "coupon_end" and (number == 0 or not _offer_keys(request)):
        yield Problem(
            pointer=f"{here}/anchor", detail="there is no coupon to count from: name an offer, in a later step"
        )
    if step.anchor != "coupon_end" and step.after < timedelta(0):
        yield Problem(pointer=f"{here}/after", detail="only a delay from the coupon's end can be negative")
    if step.only_if == "not_clicked" or step.fallback_after is not None:
        yield from _click_problems(installation, request, here, step)
    if step.fallback_after is not None:
        yield from _fallback_problems(f"{here}/fallback_after", step, wordings, step.fallback_after)
    if step.ttl is not None and step.ttl <= timedelta(0):
        yield Problem(pointer=f"{here}/ttl", detail="must be longer than nothing, such as PT12H")


def _click_problems(installation: Installation, request: JobInput, here: str, step: StepInput) -> Iterator[Problem]:
    purpose = installation.policies.purposes.get(request.purpose)
    if purpose is not None and purpose.tracking.clicks == "never":
        name = "only_if" if step.only_if == "not_clicked" else "fallback_after"
        detail = f"asks for clicks, and what is {request.purpose} notices none; see the policies"
        yield Problem(pointer=f"{here}/{name}", detail=detail)


def _fallback_problems(
    pointer: str, step: StepInput, wordings: Mapping[str, Wording], after: timedelta
) -> Iterator[Problem]:
    if after <= timedelta(0):
        yield Problem(pointer=pointer, detail="must be longer than nothing, such as PT48H")
    if len(step.channels) < 2:
        yield Problem(pointer=pointer, detail="needs a second channel to fall back to")
    for channel in (each for each in step.channels[:-1] if each in wordings):
        for variant, parts in wordings[channel].variants.items():
            if not any("track(" in source for source in parts.values()):
                where = f"content/{channel}/{variant}"
                yield Problem(pointer=pointer, detail=f"waits for a click, and {where} has no tracked link")


def _check_contents(
    installation: Installation, request: JobInput, number: int, wordings: Mapping[str, Wording]
) -> tuple[dict[str, CheckedContent], list[Problem]]:
    checked: dict[str, CheckedContent] = {}
    problems: list[Problem] = []
    for channel, wording in wordings.items():
        capabilities = installation.channels.get(channel)
        if capabilities is None:
            continue
        here = f"/steps/{number}/content/{channel}"
        found = check_content(wording.variants, capabilities.parts, wording.default_locale)
        if isinstance(found, list):
            problems += [Problem(pointer=here + each.pointer, detail=each.told()) for each in found]
            continue
        shows_one = found.uses_coupon or (capabilities.draws_coupon and bool(request.offer or request.offers))
        checked[channel] = structs.replace(found, uses_coupon=shows_one)
        brand = wording.template.brand if wording.template and request.brand is None else None
        if brand is not None and brand not in installation.brands.get(channel, ()):
            told = f"is written for the brand {brand}, which the channel does not have any more"
            problems.append(Problem(pointer=here, detail=told))
        if found.uses_coupon and request.offer is None:
            problems.append(Problem(pointer=here, detail=_NO_OFFER[bool(request.offers)]))
    return checked, problems


_NO_OFFER: Final = {
    False: "shows a coupon, and the job names no offer",
    True: "shows a coupon: name an `offer` too, for everybody who is in none of the segments",
}


def _offer_keys(request: JobInput) -> Mapping[str, str]:
    """The offers that a request names, and the first place where it does."""
    named = [("/offer", request.offer)]
    named += [(f"/offers/{place}/offer", each.offer) for place, each in enumerate(request.offers)]
    return {key: pointer for pointer, key in reversed(named) if key is not None}


def accept(tx: Transaction, installation: Installation, client: str, examined: Examined, public_id: str) -> Job:
    """Freeze the request as a job. Raises Invalid where what it names does not exist or is over."""
    now = clock.now(tx).business
    spec = _freeze(tx, installation, examined, now)
    jobs.add(
        tx,
        public_id=public_id,
        client=client,
        lane=_lane(installation, examined.request),
        spec=spec,
        audience=examined.request.audience,
        now=now,
    )
    for wording in (each for of_step in examined.wordings for each in of_step.values()):
        contents.put(tx, wording.variants, now)
    job = jobs.get(tx, public_id)
    if job is None:
        raise AssertionError("the job was written in this transaction")
    announce(tx, [JobNews(type="job.accepted", at=now, job_id=job.id)])
    audit.add(tx, client, "job.accepted", f"job:{public_id}", _told_of(job.spec))
    return job


def _told_of(spec: JobSpec) -> dict[str, Any]:
    """What the audit log keeps of a job: why it writes, and the hash of each content, as `contents` has it."""
    steps = {step.name: dict(step.content) for step in spec.steps}
    used = {(use.template, use.version) for step in spec.steps for use in step.templates.values()}
    offers_told = {"offer": spec.offer, "offers": {each.segment: each.offer for each in spec.offers}}
    return {"purpose": spec.purpose, **offers_told, "contents": steps, "templates": sorted(used)}


def draft(tx: Transaction, installation: Installation, client: str, examined: Examined) -> Job:
    """The job that this request would become, written nowhere: for previews. Raises Invalid as `accept` does."""
    now = clock.now(tx).business
    spec = _freeze(tx, installation, examined, now)
    named = offers.by_keys(tx, spec.offer_keys()).values()
    return Job(
        id=0,
        public_id="preview",
        client=client,
        state="running",
        lane=_lane(installation, examined.request),
        spec=spec,
        offers={each.id: each.offer for each in named},
        used_up=frozenset(each.id for each in named if each.used_up),
        cursor=0,
        accepted_at=now,
        expanded_at=None,
        ended_at=None,
    )


def _freeze(tx: Transaction, installation: Installation, examined: Examined, now: datetime) -> JobSpec:
    request = examined.request
    known = offers.by_keys(tx, _offer_keys(request))
    problems = [*_offer_problems(request, known, now), *_time_problems(request, now)]
    if problems:
        raise Invalid(problems)
    purpose = installation.policies.purposes[request.purpose]
    return JobSpec(
        name=request.name,
        where=request.audience.where if isinstance(request.audience, Matching) else None,
        purpose=request.purpose,
        steps=tuple(
            _step(step, wordings, checked)
            for step, wordings, checked in zip(request.steps, examined.wordings, examined.checked, strict=True)
        ),
        offer=request.offer,
        offers=request.offers,
        brand=request.brand,
        default_locale=request.default_locale,
        start_at=request.start_at or now,
        expires_at=request.expires_at,
        priority=request.priority,
        obeys_caps=purpose.obeys_caps if request.obeys_caps is None else request.obeys_caps,
        counts_towards_caps=(
            purpose.counts_towards_caps if request.counts_towards_caps is None else request.counts_towards_caps
        ),
        caps=request.caps,
        over_cap=request.over_cap,
        if_not_sent=request.if_not_sent,
        throttle=request.throttle,
        holdout=request.holdout,
        goal=request.goal,
    )


def _offer_problems(request: JobInput, known: Mapping[str, Kept], now: datetime) -> Iterator[Problem]:
    for key, pointer in _offer_keys(request).items():
        if key not in known:
            yield Problem(pointer=pointer, detail=f"there is no offer {key}; make it with PUT /v1/offers first")
        elif known[key].offer.over(now):
            yield Problem(pointer=pointer, detail=f"the offer {key} is over")
        elif known[key].used_up:
            yield Problem(pointer=pointer, detail=f"nothing is left of the offer {key}: its limit is reached")


def _time_problems(request: JobInput, now: datetime) -> Iterator[Problem]:
    start_at = request.start_at or now
    if request.expires_at is not None and request.expires_at <= max(start_at, now):
        yield Problem(pointer="/expires_at", detail="lies before the job can start: nothing would be sent")


def _step(step: StepInput, wordings: Mapping[str, Wording], checked: Mapping[str, CheckedContent]) -> Step:
    return Step(
        name=step.name,
        channels=step.channels,
        content={channel: contents.hash_of(wording.variants) for channel, wording in wordings.items()},
        templates={channel: wording.template for channel, wording in wordings.items() if wording.template},
        uses_coupon=frozenset(channel for channel, found in checked.items() if found.uses_coupon),
        links={channel: found.links for channel, found in checked.items()},
        after=step.after,
        anchor=step.anchor,
        only_if=step.only_if,
        local_time=step.local_time,
        ttl=step.ttl,
        fallback_after=step.fallback_after,
    )


def _lane(installation: Installation, request: JobInput) -> int:
    """Urgent purposes and small jobs have a lane of their own: bulk never delays them."""
    purpose = installation.policies.purposes[request.purpose]
    match request.audience:
        case Inline(recipients=people):
            small = len(people) <= installation.policies.small_job
        case Ids(ids=ids):
            small = len(ids) <= installation.policies.small_job
        case Matching():
            small = False
    return URGENT if purpose.urgent or small else BULK


def bypasses_consent(installation: Installation, request: JobInput) -> bool:
    """Whether the job would write to people who never agreed: the caller needs a scope for it."""
    purpose = installation.policies.purposes.get(request.purpose)
    return purpose is not None and any(
        purpose.basis_on(channel) == "none" for step in request.steps for channel in step.channels
    )
