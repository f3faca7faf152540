"""A version of a template as somebody would get it. Nothing is sent, and nothing is written down."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, structs

from gateway.contract import Address, CouponView, PermanentFailure, Weight
from gateway.domain.library import VersionInput
from gateway.domain.specimen import SpecimenInput
from gateway.domain.templates import ChannelContent, RenderContext
from gateway.registry import Guarded
from gateway.rendering import RenderBatch, Rendered, RenderFailure, RenderPool
from gateway.services import likeness, specimen, templates
from gateway.services.installation import Installation
from gateway.services.specimen import Person
from gateway.services.templates import WholeVersion
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


class Unsendable(Struct, frozen=True, kw_only=True):
    """Why a message would fail, and where in the template that is."""

    code: str
    detail: str
    part: str | None = None
    line: int | None = None


class TemplatePreview(Struct, frozen=True, kw_only=True):
    """A rendered version. Where values are `missing`, their names stand in the `parts`, so that the rest can be seen.

    With an `error` the message would not be sent. `weight` is what it comes to, as far as the channel can tell.
    """

    template: str
    version: int
    channel: str
    locale: str | None = None
    parts: Mapping[str, str] | None = None
    missing: tuple[str, ...] = ()
    error: Unsendable | None = None
    weight: Weight | None = None


class Laid(Struct, frozen=True, kw_only=True):
    """All that a preview is made of."""

    version: WholeVersion
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
    draft = VersionInput(content=version.sources, default_locale=version.default_locale)
    checked = templates.examine(installation, version.channel, draft)
    capabilities = installation.channels[version.channel]
    person = specimen.person_of(tx, installation, capabilities.address_kind, wanted.recipient)
    coupon = specimen.coupon_of(tx, wanted, checked, clock.now(tx).business)
    return Laid(
        version=version,
        wanted=wanted,
        person=person,
        coupon=coupon,
        content=ChannelContent(
            variants=version.sources, parts=capabilities.parts, default_locale=version.default_locale
        ),
        context=specimen.context_of(installation, wanted, person, coupon, version.default_locale),
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
        template=laid.version.template,
        version=laid.version.number,
        channel=laid.version.channel,
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
    brand, id = laid.version.brand, likeness.TOKEN
    message = specimen.outbound(
        installation, laid.wanted, laid.person, laid.address, rendered, id=id, coupon=laid.coupon, brand=brand
    )
    try:
        return channel.weigh(message), None
    except PermanentFailure as failure:
        return None, Unsendable(code=failure.code, detail=failure.detail)


def _with_long_links(installation: Installation, laid: Laid) -> RenderContext:
    purpose = installation.policies.purpose(laid.wanted.purpose or "")
    return structs.replace(
        laid.context,
        unsubscribe_url=laid.context.unsubscribe_url and likeness.url(installation, "u"),
        preferences_url=likeness.url(installation, "p"),
        links=likeness.links(installation, purpose, laid.version.channel, laid.links),
    )
