"""Samples of what a job would send, rendered as for sending, with a code that nobody can redeem."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from gateway.api.problems import RETRY_AWAY_S, Refusal
from gateway.api.rooms import Rooms
from gateway.domain.audience import Inline
from gateway.domain.job import JobInput
from gateway.domain.templates import ChannelContent, CouponNames, JobNames, RecipientNames, RenderContext
from gateway.rendering import RenderBatch, Rendered, RenderFailure
from gateway.services.preview import Count, Forecast, Sample
from gateway.services.rules import purpose_of, zone_of
from gateway.storage import recipients
from gateway.storage.types import Record

_PATIENCE_S: Final = 30
SPECIMEN: Final = "XXXX-XXXX-XXXX"


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
    error: SampleError | None = None


class Preview(Struct, frozen=True, kw_only=True):
    """The plan of the first step as of `at`, on business time: a count, and no promise."""

    at: datetime
    audience: int
    counts: tuple[Count, ...]
    not_entering: Mapping[str, int]
    samples: tuple[SampleView, ...]


async def preview_of(rooms: Rooms, request: JobInput, forecast: Forecast) -> Preview:
    """The forecast with its samples rendered. Raises Refusal where the workers' own messages leave no room for it."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await _preview_of(rooms, request, forecast)
    except TimeoutError:
        headers = {"Retry-After": str(RETRY_AWAY_S)}
        raise Refusal("unavailable", "rendering the samples took too long", headers=headers) from None


async def _preview_of(rooms: Rooms, request: JobInput, forecast: Forecast) -> Preview:
    people = await rooms.db.read(recipients.profiles, [sample.recipient_id for sample in forecast.samples])
    return Preview(
        at=forecast.at,
        audience=forecast.audience,
        counts=forecast.counts,
        not_entering=forecast.not_entering,
        samples=tuple([await _sample(rooms, request, forecast, each, people) for each in forecast.samples]),
    )


async def _sample(
    rooms: Rooms, request: JobInput, forecast: Forecast, sample: Sample, people: Mapping[int, Record]
) -> SampleView:
    person, channel = people[sample.recipient_id], sample.channel
    content = ChannelContent(
        variants=request.steps[0].content[channel],
        parts=rooms.installation.channels[channel].parts,
        default_locale=request.default_locale,
    )
    context = _context(rooms, request, forecast, sample, person)
    [result] = await rooms.pool.render(RenderBatch(content=content, contexts=[context]))
    return _view(person.external_id, sample, result)


def _view(recipient: str, sample: Sample, result: Rendered | RenderFailure) -> SampleView:
    match result:
        case Rendered(locale=locale, parts=parts):
            return SampleView(
                recipient=recipient, channel=sample.channel, due_at=sample.due_at, locale=locale, parts=parts
            )
        case RenderFailure():
            error = SampleError(code=result.code, detail=result.detail, part=result.part, line=result.line)
            return SampleView(recipient=recipient, channel=sample.channel, due_at=sample.due_at, error=error)


def _context(rooms: Rooms, request: JobInput, forecast: Forecast, sample: Sample, person: Record) -> RenderContext:
    installation, spec = rooms.installation, forecast.job.spec
    example = f"{installation.public_url}/c/example"
    links: Sequence[str] = spec.steps[0].links.get(sample.channel, ())
    return RenderContext(
        recipient=RecipientNames(
            name=person.name or None,
            external_id=person.external_id,
            locale=person.locale,
            country=person.country,
            attributes=person.attributes,
        ),
        job=JobNames(name=spec.name),
        locale=person.locale or spec.default_locale,
        zone=zone_of(installation, person.time_zone).key,
        vars=_variables(request, person.external_id),
        coupon=_specimen(forecast, sample),
        unsubscribe_url=(
            f"{installation.public_url}/u/example" if purpose_of(installation, spec).unsubscribe else None
        ),
        preferences_url=f"{installation.public_url}/p/example",
        links=dict.fromkeys(range(len(links)), example),
    )


def _variables(request: JobInput, external_id: str) -> Mapping[str, Any]:
    match request.audience:
        case Inline(recipients=named):
            return next((person.variables for person in named if person.id == external_id), {})
        case _:
            return {}


def _specimen(forecast: Forecast, sample: Sample) -> CouponNames | None:
    offer, step = forecast.job.offer, forecast.job.spec.steps[0]
    if offer is None or sample.channel not in step.uses_coupon:
        return None
    return CouponNames(code=SPECIMEN, title=offer.title, valid_until=offer.ends_for(sample.due_at))
