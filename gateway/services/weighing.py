"""What contents come to before anybody gets them: whether a provider could take them at all.

Made with values that stand in for a recipient's. What cannot be made without the real ones says nothing; the preview
and the send will.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

from msgspec import structs

from gateway.contract import CouponView, Outbound, PermanentFailure
from gateway.domain.coupon import SPECIMEN
from gateway.domain.job import JobInput
from gateway.domain.templates import (
    ChannelContent,
    CheckedContent,
    CouponNames,
    JobNames,
    RecipientNames,
    RenderContext,
)
from gateway.registry import Guarded, Registry
from gateway.rendering import RenderBatch, Rendered, RenderingUnavailable, RenderPool
from gateway.services import likeness
from gateway.services.accept import Examined
from gateway.services.installation import Installation
from gateway.services.problems import Problem
from gateway.services.resolve import Wording
from gateway.services.template_preview import nowhere

_PATIENCE_S: Final = 5.0
"""A job is not kept waiting for longer: what was not weighed until then is taken as it is."""
_STAND_IN: Final = "example"


async def problems_of(
    registry: Registry, pool: RenderPool, installation: Installation, examined: Examined
) -> list[Problem]:
    """Every content that its channel could never hand over, with its pointer; as many as are found in a few seconds."""
    problems: list[Problem] = []
    try:
        async with asyncio.timeout(_PATIENCE_S):
            async for problem in _problems(registry, pool, installation, examined):
                problems.append(problem)
    except (TimeoutError, RenderingUnavailable):
        # A job is no worse for it that nobody could look.
        pass
    return problems


async def _problems(
    registry: Registry, pool: RenderPool, installation: Installation, examined: Examined
) -> AsyncIterator[Problem]:
    for number, wordings in enumerate(examined.wordings):
        for channel, wording in wordings.items():
            installed = registry.ready.get(channel)
            if installed is None or not installed.channel.weighs:
                continue
            here = f"/steps/{number}/content/{channel}"
            checked = examined.checked[number][channel]
            for locale, parts in await _made(pool, installation, examined.request, channel, wording, checked):
                message = _message(installation, examined.request, channel, wording, locale, parts)
                if failure := _refusal(installed.channel, message):
                    pointer = here if wording.template else f"{here}/{locale}"
                    yield Problem(pointer=pointer, detail=f"could not be sent: {failure.detail or failure.code}")


def _refusal(channel: Guarded, message: Outbound) -> PermanentFailure | None:
    """Why the channel could never hand over these words. What it says of a single letter too is not about them."""
    failure = _weighed(channel, message)
    if failure is None:
        return None
    required = [name for name, part in channel.capabilities.parts.items() if part.required]
    least = structs.replace(message, parts=dict.fromkeys(required, "x"))
    return None if _weighed(channel, least) else failure


def _weighed(channel: Guarded, message: Outbound) -> PermanentFailure | None:
    try:
        channel.weigh(message)
    except PermanentFailure as failure:
        return failure
    return None


async def _made(
    pool: RenderPool,
    installation: Installation,
    request: JobInput,
    channel: str,
    wording: Wording,
    checked: CheckedContent,
) -> list[tuple[str, Mapping[str, str]]]:
    """The parts of each of its languages that can be made without a recipient."""
    content = ChannelContent(
        variants=wording.variants,
        parts=installation.channels[channel].parts,
        default_locale=wording.default_locale,
    )
    contexts = [_context(installation, request, channel, locale, checked) for locale in wording.variants]
    results = await pool.render(RenderBatch(content=content, contexts=contexts))
    return [(result.locale, result.parts) for result in results if isinstance(result, Rendered)]


def _context(
    installation: Installation, request: JobInput, channel: str, locale: str, checked: CheckedContent
) -> RenderContext:
    purpose = installation.policies.purpose(request.purpose)
    return RenderContext(
        recipient=RecipientNames(
            name=_STAND_IN,
            external_id=_STAND_IN,
            locale=locale,
            attributes=dict.fromkeys(checked.attributes, _STAND_IN),
        ),
        job=JobNames(name=request.name),
        locale=locale,
        zone=installation.policies.default_time_zone,
        vars=dict.fromkeys(checked.variables, _STAND_IN),
        coupon=_specimen(installation) if checked.uses_coupon else None,
        unsubscribe_url=likeness.url(installation, "u") if purpose.unsubscribe else None,
        preferences_url=likeness.url(installation, "p"),
        links=likeness.links(installation, purpose, channel, len(checked.links)),
    )


def _specimen(installation: Installation) -> CouponNames:
    return CouponNames(code=SPECIMEN, title=_STAND_IN, url=likeness.url(installation, "r"))


def _message(
    installation: Installation,
    request: JobInput,
    channel: str,
    wording: Wording,
    locale: str,
    parts: Mapping[str, str],
) -> Outbound:
    purpose = installation.policies.purpose(request.purpose)
    coupon = CouponView(code=SPECIMEN, offer=request.offer, title=_STAND_IN) if request.offer else None
    return Outbound(
        id=likeness.TOKEN,
        send_id=likeness.TOKEN,
        job_id=_STAND_IN,
        recipient_id=_STAND_IN,
        name=_STAND_IN,
        address=nowhere(installation.channels[channel].address_kind),
        parts=parts,
        locale=locale,
        purpose=request.purpose,
        urgent=purpose.urgent,
        unsubscribe_url=likeness.url(installation, "u") if purpose.unsubscribe else None,
        status_url=likeness.url(installation, f"hooks/{channel}"),
        coupon=coupon,
        brand=request.brand or (wording.template.brand if wording.template else None),
    )
