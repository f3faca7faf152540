"""Samples of what a job would send, rendered as for sending, with a code that nobody can redeem."""

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from msgspec import Struct, structs

from gateway.api.problems import RETRY_AWAY_S, Refusal
from gateway.api.rooms import Rooms
from gateway.contract import Address, CouponView, Outbound, PermanentFailure, Weight
from gateway.domain.audience import Inline
from gateway.domain.coupon import specimen
from gateway.domain.job import JobInput
from gateway.domain.states import State
from gateway.domain.templates import ChannelContent, JobNames, RecipientNames, RenderContext
from gateway.rendering import RenderBatch, Rendered, RenderFailure
from gateway.services import compose, likeness
from gateway.services.accept import Examined
from gateway.services.installation import Installation
from gateway.services.preview import Count, Forecast, Sample, SegmentCount
from gateway.services.rules import purpose_of, zone_of
from gateway.storage import recipients
from gateway.storage.database import Transaction
from gateway.storage.types import Record

_PATIENCE_S: Final = 30
_CENT: Final = Decimal("0.01")


class SampleError(Struct, frozen=True, kw_only=True):
    """Why this message could not be made: the send would fail for the same reason."""

    code: str
    detail: str
    part: str | None = None
    line: int | None = None


class SampleView(Struct, frozen=True, kw_only=True):
    """One message as this recipient would get it; `parts` or `error`."""

    recipient: str
    channel: str
    due_at: datetime
    locale: str | None = None
    parts: Mapping[str, str] | None = None
    weight: Weight | None = None
    """What the message comes to, as far as the channel can tell."""
    error: SampleError | None = None


class Estimate(Struct, frozen=True, kw_only=True):
    """What the messages on a channel may come to: the mean of the samples, times `recipients`. An estimate, no bill."""

    channel: str
    recipients: int
    samples: int
    unit: str
    units: int
    cost: Decimal | None
    currency: str | None


class Preview(Struct, frozen=True, kw_only=True):
    """The plan of the first step as of `at`, on business time: a count, and no promise."""

    at: datetime
    audience: int
    counts: tuple[Count, ...]
    segments: tuple[SegmentCount, ...]
    """Who would enter, by segment of the job and offer."""
    not_entering: Mapping[str, int]
    samples: tuple[SampleView, ...]
    estimates: tuple[Estimate, ...]
    """By channel, of those that samples were weighed of."""


async def preview_of(rooms: Rooms, examined: Examined, forecast: Forecast) -> Preview:
    """The forecast with its samples rendered. Raises Refusal where the workers' own messages leave no room for it."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await _preview_of(rooms, examined, forecast)
    except TimeoutError:
        headers = {"Retry-After": str(RETRY_AWAY_S)}
        raise Refusal("unavailable", "rendering the samples took too long", headers=headers) from None


async def _preview_of(rooms: Rooms, examined: Examined, forecast: Forecast) -> Preview:
    known = await rooms.db.read(_known, rooms.installation, forecast.samples)
    views = tuple([await _sample(rooms, examined, forecast, each, known) for each in forecast.samples])
    return Preview(
        at=forecast.at,
        audience=forecast.audience,
        counts=forecast.counts,
        segments=forecast.segments,
        not_entering=forecast.not_entering,
        samples=views,
        estimates=tuple(_estimates(forecast.counts, views)),
    )


class _Known(NamedTuple):
    """The people of the samples, and where each sample would go."""

    people: Mapping[int, Record]
    addresses: Mapping[Sample, Address]


def _known(tx: Transaction, installation: Installation, samples: Sequence[Sample]) -> _Known:
    people = recipients.profiles(tx, [sample.recipient_id for sample in samples])
    kinds = {sample.channel: installation.channels[sample.channel].address_kind for sample in samples}
    ids = list(people)
    places = {kind: recipients.live_addresses(tx, ids, kind) for kind in set(kinds.values())}
    addresses: dict[Sample, Address] = {}
    for sample in samples:
        kind, id = kinds[sample.channel], sample.recipient_id
        found = places[kind].get(id)
        own = Address(kind=kind, value=people[id].external_id)
        addresses[sample] = Address(kind=kind, value=found[0].value, data=found[0].data) if found else own
    return _Known(people, addresses)


async def _sample(rooms: Rooms, examined: Examined, forecast: Forecast, sample: Sample, known: _Known) -> SampleView:
    person, channel = known.people[sample.recipient_id], sample.channel
    wording = examined.wordings[0][channel]
    content = ChannelContent(
        variants=wording.variants,
        parts=rooms.installation.channels[channel].parts,
        default_locale=wording.default_locale,
    )
    context = _context(rooms, examined.request, forecast, sample, person)
    [result] = await rooms.pool.render(RenderBatch(content=content, contexts=[context]))
    view = SampleView(recipient=person.external_id, channel=channel, due_at=sample.due_at)
    if isinstance(result, RenderFailure):
        error = SampleError(code=result.code, detail=result.detail, part=result.part, line=result.line)
        return structs.replace(view, error=error)
    view = structs.replace(view, locale=result.locale, parts=result.parts)
    message = _message(rooms.installation, forecast, sample, known.addresses[sample], context, result)
    try:
        return structs.replace(view, weight=rooms.registry.ready[channel].channel.weigh(message))
    except PermanentFailure as failure:
        return structs.replace(view, error=SampleError(code=failure.code, detail=failure.detail))


def _message(
    installation: Installation,
    forecast: Forecast,
    sample: Sample,
    address: Address,
    context: RenderContext,
    result: Rendered,
) -> Outbound:
    spec = forecast.job.spec
    return Outbound(
        id=likeness.TOKEN,
        send_id=likeness.TOKEN,
        job_id=forecast.job.public_id,
        recipient_id=context.recipient.external_id or "",
        name=context.recipient.name or "",
        address=address,
        parts=result.parts,
        locale=result.locale,
        purpose=spec.purpose,
        urgent=purpose_of(installation, spec).urgent,
        unsubscribe_url=context.unsubscribe_url,
        status_url=likeness.url(installation, f"hooks/{sample.channel}"),
        coupon=_coupon(installation, forecast, sample),
        brand=spec.brand_on(0, sample.channel),
    )


def _estimates(counts: Sequence[Count], samples: Sequence[SampleView]) -> Iterator[Estimate]:
    for channel in dict.fromkeys(sample.channel for sample in samples):
        weights = [sample.weight for sample in samples if sample.channel == channel and sample.weight is not None]
        people = sum(each.recipients for each in counts if each.channel == channel and each.state == State.QUEUED)
        # Of messages that are counted or paid for in different ways nobody can give one sum.
        if weights and len({(weight.unit, weight.currency) for weight in weights}) == 1:
            yield Estimate(
                channel=channel,
                recipients=people,
                samples=len(weights),
                unit=weights[0].unit,
                units=math.ceil(sum(weight.units for weight in weights) * people / len(weights)),
                cost=_cost(weights, people),
                currency=weights[0].currency,
            )


def _cost(weights: Sequence[Weight], people: int) -> Decimal | None:
    costs = [weight.cost for weight in weights if weight.cost is not None]
    if len(costs) < len(weights):
        return None
    return (sum(costs, start=Decimal(0)) * people / len(costs)).quantize(_CENT)


def _context(rooms: Rooms, request: JobInput, forecast: Forecast, sample: Sample, person: Record) -> RenderContext:
    installation, spec = rooms.installation, forecast.job.spec
    links: Sequence[str] = spec.steps[0].links.get(sample.channel, ())
    purpose = purpose_of(installation, spec)
    return RenderContext(
        recipient=RecipientNames(
            name=person.name or None,
            external_id=person.external_id,
            locale=person.locale,
            country=person.country,
            attributes=person.attributes,
        ),
        job=JobNames(name=spec.name),
        locale=person.locale or spec.default_locale_on(0, sample.channel),
        zone=zone_of(installation, person.time_zone).key,
        vars=_variables(request, person.external_id),
        coupon=compose.coupon_names(_coupon(rooms.installation, forecast, sample)),
        unsubscribe_url=likeness.url(installation, "u") if purpose.unsubscribe else None,
        preferences_url=likeness.url(installation, "p"),
        links=likeness.links(installation, purpose, sample.channel, len(links)),
    )


def _variables(request: JobInput, external_id: str) -> Mapping[str, Any]:
    match request.audience:
        case Inline(recipients=named):
            return next((person.variables for person in named if person.id == external_id), {})
        case _:
            return {}


def _coupon(installation: Installation, forecast: Forecast, sample: Sample) -> CouponView | None:
    """A coupon of the person's offer that is nobody's, where the message shows one."""
    offer, step = forecast.job.offers.get(sample.offer_id or 0), forecast.job.spec.steps[0]
    if offer is None or sample.channel not in step.uses_coupon:
        return None
    return CouponView(
        code=specimen(offer.codes),
        offer=offer.key,
        title=offer.title,
        valid_until=offer.ends_for(sample.due_at),
        url=likeness.url(installation, "r"),
    )
