"""The messages of a claim: who, where, what, in which language, with which links."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from gateway.contract import Address, CouponView, Outbound
from gateway.domain.job import Step
from gateway.domain.policy import TRACKING
from gateway.domain.templates import (
    ChannelContent,
    CouponNames,
    JobNames,
    RecipientNames,
    RenderContext,
)
from gateway.domain.tokens import MessageRef
from gateway.domain.words import SendKey
from gateway.services import short_links
from gateway.services.coupon_links import coupon_url
from gateway.services.installation import Installation
from gateway.services.rules import purpose_of, zone_of
from gateway.storage import consents, contents, entries, jobs, recipients, sends
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job
from gateway.storage.types import Record


class Draft(Struct, frozen=True, kw_only=True):
    """One send, ready to be rendered once and addressed to each of its `addresses`."""

    key: SendKey
    content_hash: str
    """Names a content as this job uses it: two jobs with one content may fall back to different languages."""
    context: RenderContext
    addresses: tuple[tuple[int, Address], ...]
    """Internal id and address; empty where all have gone since the decision."""
    job_public_id: str
    purpose: str
    brand: str | None
    urgent: bool
    expires_at: datetime | None
    coupon: CouponView | None
    unsubscribe_url: str | None
    open_url: str | None


class Drafts(Struct, frozen=True, kw_only=True):
    """The drafts of a claim, and each content in them once, by the drafts' `content_hash`."""

    drafts: tuple[Draft, ...]
    contents: Mapping[str, ChannelContent]


def drafts_of(tx: Transaction, installation: Installation, channel: str, keys: Sequence[SendKey]) -> Drafts:
    """Everything the messages of these sends are made of. Reads only."""
    capabilities = installation.channels[channel]
    ids = list({key.recipient_id for key in keys})
    people = recipients.profiles(tx, ids)
    places = _places(tx, ids, capabilities.address_kind, people)
    entry_of = entries.get(tx, [key.entry for key in keys])
    expiries = {key: row.expires_at for key, row in sends.get(tx, keys).items()}
    job_of = jobs.by_ids(tx, {key.job_id for key in keys})
    hashes = {key: job_of[key.job_id].spec.steps[key.step].content[channel] for key in keys}
    locales = {key: job_of[key.job_id].spec.default_locale_on(key.step, channel) for key in keys}
    stored = contents.get(tx, hashes.values())
    agreed = _agreed(tx, installation, channel, keys, job_of)
    short_urls = short_links.urls(tx, installation, channel, keys)
    channel_contents = {
        f"{digest}:{locale}": ChannelContent(variants=stored[digest], parts=capabilities.parts, default_locale=locale)
        for digest, locale in {(hashes[key], locales[key]) for key in keys}
    }
    drafts = tuple(
        _draft(
            installation,
            key,
            job_of[key.job_id],
            people[key.recipient_id],
            entry_of[key.entry],
            places.get(key.recipient_id, ())[: None if capabilities.per_address else 1],
            f"{hashes[key]}:{locales[key]}",
            expiries[key],
            short_urls.get(key, {}),
            agreed=key.recipient_id in agreed,
        )
        for key in keys
    )
    return Drafts(drafts=drafts, contents=channel_contents)


def _agreed(
    tx: Transaction, installation: Installation, channel: str, keys: Sequence[SendKey], job_of: Mapping[int, Job]
) -> set[int]:
    """Those who have agreed that what they open and follow is noticed, where a purpose asks for it."""
    asked = {key.recipient_id for key in keys if purpose_of(installation, job_of[key.job_id].spec).tracking.asks}
    return consents.granted_by(tx, asked, channel, TRACKING) if asked else set()


def _places(
    tx: Transaction, ids: Sequence[int], kind: str, people: Mapping[int, Record]
) -> Mapping[int, tuple[tuple[int, Address], ...]]:
    if kind == "external_id":
        return {id: ((0, Address(kind=kind, value=row.external_id)),) for id, row in people.items()}
    return {
        id: tuple((row.id, Address(kind=row.kind, value=row.value, data=row.data)) for row in rows)
        for id, rows in recipients.live_addresses(tx, ids, kind).items()
    }


def _draft(
    installation: Installation,
    key: SendKey,
    job: Job,
    person: Record,
    entry: Record,
    addresses: tuple[tuple[int, Address], ...],
    content_hash: str,
    expires_at: datetime | None,
    short_urls: Mapping[int, str],
    *,
    agreed: bool,
) -> Draft:
    purpose, step = purpose_of(installation, job.spec), job.spec.steps[key.step]
    unsubscribe_url = _unsubscribe_url(installation, key) if purpose.unsubscribe else None
    coupon = coupon_view(installation, job, entry)
    context = RenderContext(
        recipient=RecipientNames(
            name=person.name or None,
            external_id=person.external_id,
            locale=person.locale,
            country=person.country,
            attributes=person.attributes,
        ),
        job=JobNames(name=job.spec.name),
        locale=person.locale or job.spec.default_locale_on(key.step, key.channel),
        zone=zone_of(installation, person.time_zone).key,
        vars=entry.variables or {},
        coupon=coupon_names(coupon),
        unsubscribe_url=unsubscribe_url,
        preferences_url=preferences_url(installation, key),
        links=_links(installation, key, step, short_urls) if purpose.tracking.clicks_of(agreed=agreed) else None,
    )
    return Draft(
        key=key,
        content_hash=content_hash,
        context=context,
        addresses=addresses,
        job_public_id=job.public_id,
        purpose=job.spec.purpose,
        brand=job.spec.brand_on(key.step, key.channel),
        urgent=purpose.urgent,
        expires_at=expires_at,
        coupon=coupon,
        unsubscribe_url=unsubscribe_url,
        open_url=_open_url(installation, key) if purpose.tracking.opens_of(agreed=agreed) else None,
    )


def _links(installation: Installation, key: SendKey, step: Step, short_urls: Mapping[int, str]) -> dict[int, str]:
    """Short where there is a code; the others work all the same."""
    numbers = range(len(step.links.get(key.channel, ())))
    return {number: short_urls.get(number) or click_url(installation, key, number) for number in numbers}


def coupon_view(installation: Installation, job: Job, entry: Record) -> CouponView | None:
    """The coupon that the entry holds, as messages show it."""
    offer = job.offers.get(entry.offer_id or 0)
    if entry.code is None or offer is None:
        return None
    return CouponView(
        code=entry.code_shown,
        offer=offer.key,
        title=offer.title,
        valid_until=entry.coupon_until,
        url=coupon_url(installation, entry.code, offer.key),
    )


def coupon_names(coupon: CouponView | None) -> CouponNames | None:
    """What templates may show of a coupon."""
    if coupon is None:
        return None
    return CouponNames(code=coupon.code, title=coupon.title, valid_until=coupon.valid_until, url=coupon.url)


def outbounds(
    installation: Installation, channel: str, draft: Draft, locale: str, parts: Mapping[str, str]
) -> list[Outbound]:
    """The rendered draft, addressed: one message per address."""
    return [
        Outbound(
            id=message_id,
            send_id=send_id(installation, draft.key),
            job_id=draft.job_public_id,
            recipient_id=draft.context.recipient.external_id or "",
            name=draft.context.recipient.name or "",
            address=address,
            parts=parts,
            locale=locale,
            purpose=draft.purpose,
            urgent=draft.urgent,
            expires_at=draft.expires_at,
            unsubscribe_url=draft.unsubscribe_url,
            status_url=f"{installation.public_url}/hooks/{channel}/{message_id}",
            coupon=draft.coupon,
            brand=draft.brand,
            open_url=draft.open_url,
        )
        for address_id, address in draft.addresses
        for message_id in [message_token(installation, draft.key, address_id)]
    ]


def message_token(installation: Installation, key: SendKey, address_id: int) -> str:
    return installation.keys.sign_ref("message", MessageRef(*key, address_id))


def send_id(installation: Installation, key: SendKey) -> str:
    """The public id of a send."""
    return installation.keys.sign_ref("send", MessageRef(*key))


def click_url(installation: Installation, key: SendKey, link: int) -> str:
    return f"{installation.public_url}/c/{installation.keys.sign_ref('click', MessageRef(*key, 0, link))}"


def _open_url(installation: Installation, key: SendKey) -> str:
    return f"{installation.public_url}/i/{installation.keys.sign_ref('open', MessageRef(*key))}"


def _unsubscribe_url(installation: Installation, key: SendKey) -> str:
    return f"{installation.public_url}/u/{installation.keys.sign_ref('unsubscribe', MessageRef(*key))}"


def preferences_url(installation: Installation, key: SendKey) -> str:
    """The page where the recipient of a send chooses what they get."""
    return f"{installation.public_url}/p/{installation.keys.sign_ref('preferences', MessageRef(*key))}"


def link(tx: Transaction, ref: MessageRef) -> str | None:
    """The address that a tracked link leads to; None where the job never had it."""
    job = jobs.by_ids(tx, [ref.job_id]).get(ref.job_id)
    if job is None or ref.step >= len(job.spec.steps):
        return None
    known = job.spec.steps[ref.step].links.get(ref.channel, ())
    return known[ref.link] if ref.link < len(known) else None
