"""A version of a template, or one that is still being written, as somebody would get it.

Nothing is sent, and nothing is written down.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, structs

from gateway.contract import Address, CouponView, Outbound, PermanentFailure, PiecesRefused, Weight
from gateway.domain.library import VersionInput
from gateway.domain.specimen import DraftInput, SpecimenInput
from gateway.domain.templates import ChannelContent, RenderContext
from gateway.registry import Guarded
from gateway.rendering import RenderBatch, Rendered, RenderFailure, RenderPool
from gateway.services import likeness, specimen, templates
from gateway.services.installation import Installation
from gateway.services.problems import Invalid, Problem
from gateway.services.specimen import Person
from gateway.storage import clock
from gateway.storage.database import Transaction

_NOWHERE: Final[Mapping[str, Address]] = {
    "email": Address(kind="email", value="someone@example.com"),
    "phone": Address(kind="phone", value="+447700900123"),
    "webpush": Address(kind="webpush", value="https://push.example.com/someone"),
    "postal": Address(
        kind="postal",
        value="Via Roma 1, 00100, Roma, IT",
        data={"street": "Via Roma 1", "postcode": "00100", "city": "Roma", "country": "IT"},
    ),
}
"""Where somebody without an address is taken to be, for a channel to weigh a message by."""
_NOBODY: Final = "N. N."
"""Stands on paper for whoever has no name."""


class Unsendable(Struct, frozen=True, kw_only=True):
    """Why a message would fail, and where in the template that is."""

    code: str
    detail: str
    part: str | None = None
    line: int | None = None


class TemplatePreview(Struct, frozen=True, kw_only=True):
    """A rendered version. Where values are `missing`, their names stand in the `parts`, so that the rest can be seen.

    With an `error` the message would not be sent. `weight` is what it comes to, as far as the channel can tell.
    `template` and `version` are absent of a content that is kept nowhere yet.
    """

    template: str | None = None
    version: int | None = None
    channel: str
    locale: str | None = None
    parts: Mapping[str, str] | None = None
    missing: tuple[str, ...] = ()
    error: Unsendable | None = None
    weight: Weight | None = None


class Laid(Struct, frozen=True, kw_only=True):
    """All that a preview is made of. `template` is its key and version where it is one."""

    template: tuple[str, int] | None
    channel: str
    brand: str | None
    wanted: SpecimenInput
    person: Person
    coupon: CouponView | None
    content: ChannelContent
    context: RenderContext
    address: Address
    links: int
    """How many links of it would be tracked."""


def lay_out(tx: Transaction, installation: Installation, key: str, number: int, wanted: SpecimenInput) -> Laid:
    """What the preview of a version is made of. Raises NotFound, and Invalid where what is asked for is not there, or
    where the channel would not take the version any more."""
    version = templates.version(tx, key, number)
    said = VersionInput(content=version.sources, default_locale=version.default_locale, brand=version.brand)
    return _laid(tx, installation, version.channel, said, wanted, (version.template, version.number))


def lay_out_draft(tx: Transaction, installation: Installation, wanted: DraftInput) -> Laid:
    """The same of a content that is still being written. Raises Invalid with everything that is wrong with it."""
    said = VersionInput(content=wanted.content, default_locale=wanted.default_locale, brand=wanted.brand)
    return _laid(tx, installation, wanted.channel, said, wanted, None)


def _laid(
    tx: Transaction,
    installation: Installation,
    channel: str,
    said: VersionInput,
    wanted: SpecimenInput,
    template: tuple[str, int] | None,
) -> Laid:
    checked = templates.examine(installation, channel, structs.replace(said, brand=None) if template else said)
    capabilities = installation.channels[channel]
    person = specimen.person_of(tx, installation, capabilities.address_kind, wanted.recipient)
    coupon = specimen.coupon_of(tx, installation, channel, wanted, checked, clock.now(tx).business)
    return Laid(
        template=template,
        channel=channel,
        brand=said.brand,
        wanted=wanted,
        person=person,
        coupon=coupon,
        content=ChannelContent(variants=said.content, parts=capabilities.parts, default_locale=said.default_locale),
        context=specimen.context_of(installation, wanted, person, coupon, said.default_locale),
        address=(*person.addresses, nowhere(capabilities.address_kind))[0],
        links=len(checked.links),
    )


def nowhere(kind: str) -> Address:
    """An address of a kind that is nobody's, to weigh a message by."""
    return _NOWHERE.get(kind, Address(kind=kind, value="someone"))


async def look(pool: RenderPool, channel: Guarded, installation: Installation, laid: Laid) -> TemplatePreview:
    """The preview, rendered and weighed. Raises RenderingUnavailable."""
    filled = await specimen.fill(pool, RenderBatch(content=laid.content, contexts=[laid.context]))
    failure = filled.refusal or (filled.result if isinstance(filled.result, RenderFailure) else None)
    rendered = filled.result if isinstance(filled.result, Rendered) else None
    weight = error = None
    if failure is not None:
        error = Unsendable(code=failure.code, detail=failure.detail, part=failure.part, line=failure.line)
    elif rendered is not None:
        weight, error = await _weighed(pool, channel, installation, laid)
    return TemplatePreview(
        template=laid.template[0] if laid.template else None,
        version=laid.template[1] if laid.template else None,
        channel=laid.channel,
        locale=None if rendered is None else rendered.locale,
        parts=None if rendered is None else rendered.parts,
        missing=filled.missing,
        error=error,
        weight=weight,
    )


async def _weighed(
    pool: RenderPool, channel: Guarded, installation: Installation, laid: Laid
) -> tuple[Weight | None, Unsendable | None]:
    """What the message of a job would come to, whose links are longer than those that the preview shows."""
    [rendered] = await pool.render(RenderBatch(content=laid.content, contexts=[_with_long_links(installation, laid)]))
    if isinstance(rendered, RenderFailure):
        return None, Unsendable(code=rendered.code, detail=rendered.detail, part=rendered.part, line=rendered.line)
    try:
        return channel.weigh(_message(installation, laid, rendered)), None
    except PermanentFailure as failure:
        return None, Unsendable(code=failure.code, detail=failure.detail)


def _message(installation: Installation, laid: Laid, rendered: Rendered) -> Outbound:
    brand, id = laid.brand, likeness.TOKEN
    return specimen.outbound(
        installation, laid.wanted, laid.person, laid.address, rendered, id=id, coupon=laid.coupon, brand=brand
    )


async def picture(pool: RenderPool, channel: Guarded, installation: Installation, laid: Laid) -> bytes:
    """What comes off the press, as a PNG picture. Raises RenderingUnavailable, and Invalid where nothing would."""
    if not channel.capabilities.batched:
        raise Invalid([Problem(pointer="/channel", detail=f"{laid.channel} is not on paper: it has no picture")])
    filled = await specimen.fill(pool, RenderBatch(content=laid.content, contexts=[laid.context]))
    if isinstance(filled.result, RenderFailure):
        told = f"the piece cannot be made: {filled.result.detail}"
        raise Invalid([Problem(pointer=f"/content/{filled.result.part or ''}".rstrip("/"), detail=told)])
    message = _message(installation, laid, filled.result)
    try:
        return await channel.picture(structs.replace(message, name=message.name or _NOBODY))
    except PiecesRefused as refused:
        told = "; ".join(f"{each.code}: {each.detail}" for each in refused.refusals)
        raise Invalid([Problem(pointer="/content", detail=f"the piece cannot be printed: {told}")]) from None


def _with_long_links(installation: Installation, laid: Laid) -> RenderContext:
    purpose = installation.policies.purpose(laid.wanted.purpose or "")
    return structs.replace(
        laid.context,
        unsubscribe_url=laid.context.unsubscribe_url and likeness.url(installation, "u"),
        preferences_url=likeness.url(installation, "p"),
        links=likeness.links(installation, purpose, laid.channel, laid.links),
    )
