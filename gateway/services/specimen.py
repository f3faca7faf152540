"""A message outside of every job, for previews and tests.

Its coupon is a specimen, its links are as they were written, and its ways out lead to a page that changes nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from msgspec import Struct, structs

from gateway.contract import Address, CouponView, Outbound
from gateway.domain.address import BadAddress, normalise
from gateway.domain.coupon import specimen
from gateway.domain.offer import Offer
from gateway.domain.recipient import Profile
from gateway.domain.specimen import SpecimenInput
from gateway.domain.templates import CheckedContent, JobNames, RecipientNames, RenderContext
from gateway.rendering import RenderBatch, Rendered, RenderFailure, RenderPool
from gateway.services.compose import coupon_names
from gateway.services.installation import Installation
from gateway.services.problems import Invalid, Problem
from gateway.services.rules import zone_of
from gateway.storage import offers, recipients
from gateway.storage.database import Transaction

TEST: Final = "test"
"""Stands where a job or a purpose would be named."""
_MOST_MISSING: Final = 20
_OF_RECIPIENT: Final = ("name", "external_id", "locale", "country")


class Person(Struct, frozen=True, kw_only=True):
    """Whose values a specimen shows, and the addresses of the channel's kind that may be used."""

    names: RecipientNames
    zone: str
    addresses: tuple[Address, ...]


class Filled(NamedTuple):
    """A rendered specimen. Each of the values in `missing` was stood in for by its name: the message itself would fail
    as `refusal` says."""

    result: Rendered | RenderFailure
    missing: tuple[str, ...]
    refusal: RenderFailure | None


def nobody(installation: Installation) -> Person:
    """Somebody of whom nothing is known."""
    return _made_up(installation, Profile(), "")


def person_of(tx: Transaction, installation: Installation, kind: str, recipient: str | Profile | None) -> Person:
    """The person to write as if to. Raises Invalid where there is no such recipient."""
    match recipient:
        case None:
            return nobody(installation)
        case str():
            found = known(tx, installation, kind, [recipient]).get(recipient)
            if found is None:
                raise Invalid([Problem(pointer="/recipient", detail=f"there is no recipient {recipient}")])
            return found
        case profile:
            return _made_up(installation, profile, kind)


def known(tx: Transaction, installation: Installation, kind: str, external_ids: Sequence[str]) -> Mapping[str, Person]:
    """By external id, those of the recipients who exist."""
    ids = recipients.ids_of(tx, external_ids)
    people, places = (
        recipients.profiles(tx, list(ids.values())),
        recipients.live_addresses(tx, list(ids.values()), kind),
    )
    return {
        external_id: Person(
            names=RecipientNames(
                name=row.name or None,
                external_id=row.external_id,
                locale=row.locale,
                country=row.country,
                attributes=row.attributes,
            ),
            zone=zone_of(installation, row.time_zone).key,
            addresses=_addresses(kind, row.external_id, places.get(id, ())),
        )
        for external_id, id in ids.items()
        for row in [people[id]]
    }


def _addresses(kind: str, external_id: str, rows: Sequence[Any]) -> tuple[Address, ...]:
    if kind == "external_id":
        return (Address(kind=kind, value=external_id),)
    return tuple(Address(kind=row.kind, value=row.value, data=row.data) for row in rows)


def _made_up(installation: Installation, profile: Profile, kind: str) -> Person:
    names = RecipientNames(
        name=profile.name or None, locale=profile.locale, country=profile.country, attributes=profile.attributes
    )
    places = []
    for index, given in enumerate(profile.addresses):
        try:
            place = normalise(given)
        except BadAddress as error:
            raise Invalid([Problem(pointer=f"/recipient/addresses/{index}", detail=str(error))]) from None
        places += [Address(kind=place.kind, value=place.value, data=place.data)] if place.kind == kind else []
    return Person(names=names, zone=zone_of(installation, profile.time_zone).key, addresses=tuple(places))


def coupon_of(
    tx: Transaction,
    installation: Installation,
    channel: str,
    wanted: SpecimenInput,
    checked: CheckedContent,
    now: datetime,
) -> CouponView | None:
    """A coupon that is nobody's, where the content or the channel by itself shows one.

    Raises Invalid where no offer says what it would give.
    """
    found = offers.get(tx, wanted.offer) if wanted.offer else None
    if wanted.offer and found is None:
        raise Invalid([Problem(pointer="/offer", detail=f"there is no offer {wanted.offer}")])
    draws_one = found is not None and installation.channels[channel].draws_coupon
    if not checked.uses_coupon and not draws_one:
        return None
    if found is None:
        raise Invalid([Problem(pointer="/offer", detail="the content shows a coupon: name the offer that it is of")])
    return _specimen(installation, found[1], now)


def _specimen(installation: Installation, offer: Offer, now: datetime) -> CouponView:
    return CouponView(
        code=specimen(offer.codes),
        offer=offer.key,
        title=offer.title,
        valid_until=offer.ends_for(now),
        url=f"{installation.public_url}/t/coupon",
    )


def context_of(
    installation: Installation, wanted: SpecimenInput, person: Person, coupon: CouponView | None, default_locale: str
) -> RenderContext:
    return RenderContext(
        recipient=person.names,
        job=JobNames(name=TEST),
        locale=wanted.locale or person.names.locale or default_locale,
        zone=person.zone,
        vars=wanted.variables,
        coupon=coupon_names(coupon),
        unsubscribe_url=unsubscribe_url(installation, wanted),
        preferences_url=f"{installation.public_url}/t/preferences",
    )


def unsubscribe_url(installation: Installation, wanted: SpecimenInput) -> str | None:
    """Leads to a page that says that this was a test."""
    has_one = wanted.purpose is None or installation.policies.purpose(wanted.purpose).unsubscribe
    return f"{installation.public_url}/t/unsubscribe" if has_one else None


def outbound(
    installation: Installation,
    wanted: SpecimenInput,
    person: Person,
    address: Address,
    rendered: Rendered,
    *,
    id: str,
    coupon: CouponView | None,
    brand: str | None,
) -> Outbound:
    """The message for a channel. Its id is no token: no report on it finds anything."""
    return Outbound(
        id=id,
        send_id=id,
        job_id=TEST,
        recipient_id=person.names.external_id or TEST,
        name=person.names.name or "",
        address=address,
        parts=rendered.parts,
        locale=rendered.locale,
        purpose=wanted.purpose or TEST,
        unsubscribe_url=unsubscribe_url(installation, wanted),
        coupon=coupon,
        brand=brand,
        is_test=True,
    )


async def fill(pool: RenderPool, batch: RenderBatch) -> Filled:
    """The one message of the batch, with names in place of values that are missing, so that the rest can be seen."""
    missing: list[str] = []
    context, refusal = batch.contexts[0], None
    while True:
        [result] = await pool.render(RenderBatch(content=batch.content, contexts=[context]))
        if isinstance(result, Rendered) or result.name is None or len(missing) == _MOST_MISSING:
            return Filled(result, tuple(missing), refusal)
        refusal = refusal or result
        stood_in = _standing_in(context, result.name)
        if stood_in is None or result.name in missing:
            return Filled(result, (*missing, result.name), refusal)
        missing.append(result.name)
        context = stood_in


def _standing_in(context: RenderContext, name: str) -> RenderContext | None:
    """The context with a value of this name; None where only the gateway could give one."""
    told = f"⟨{name}⟩"
    match name.split("."):
        case ["vars", *path] if path:
            return structs.replace(context, vars=_with(context.vars, path, told))
        case ["recipient", "attributes", *path] if path:
            attributes = _with(context.recipient.attributes, path, told)
            return structs.replace(context, recipient=structs.replace(context.recipient, attributes=attributes))
        case ["recipient", field] if field in _OF_RECIPIENT:
            return structs.replace(context, recipient=structs.replace(context.recipient, **{field: told}))
        case _:
            return None


def _with(values: Any, path: Sequence[str], told: str) -> Any:
    if not path:
        return told
    inner = values if isinstance(values, Mapping) else {}
    return {**inner, path[0]: _with(inner.get(path[0]), path[1:], told)}
