"""Pieces to the sender's own letter boxes: the real content of a step as a specimen, on no ledger."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final

from msgspec import Struct, structs

from gateway.contract import Address, CouponView, Outbound
from gateway.domain.coupon import SPECIMEN
from gateway.domain.offer import Offer
from gateway.domain.post import Seed
from gateway.domain.specimen import SpecimenInput
from gateway.domain.templates import ChannelContent, RecipientNames, RenderContext
from gateway.rendering import RenderBatch, RenderFailure, RenderPool
from gateway.services import specimen
from gateway.services.installation import Installation
from gateway.services.problems import Conflict
from gateway.services.specimen import Person
from gateway.storage import batches, contents, jobs
from gateway.storage.database import Transaction

_FEWEST: Final = 4
"""Of each part the first piece, the last, and two in between."""
_MARKS: Final = str.maketrans({"⟨": "‹", "⟩": "›"})
"""Brackets that typefaces have, round the names of values that nobody gave."""


class Sown(Struct, frozen=True, kw_only=True):
    """All that the seeds of a batch are made of, each by its name."""

    content: ChannelContent
    wanted: SpecimenInput
    brand: str | None
    coupon: CouponView | None
    contexts: Mapping[str, RenderContext]
    people: Mapping[str, Person]


def sow(tx: Transaction, installation: Installation, public_id: str) -> Sown | None:
    """What is needed to make the seeds of a batch; None where there are none."""
    row, seeds = batches.get(tx, public_id), installation.policies.post.seeds
    if row is None or not seeds:
        return None
    job = jobs.by_ids(tx, [row.job_id])[row.job_id]
    step, channel = job.spec.steps[row.step], row.channel
    offer = next(iter(job.offers.values()), None) if channel in step.uses_coupon else None
    coupon = None if offer is None else _specimen(offer, row.planned_at or row.mailing_at)
    locale, digest = job.spec.default_locale_on(row.step, channel), step.content[channel]
    wanted = SpecimenInput(purpose=job.spec.purpose)
    people = {seed.name: _person(installation, seed) for seed in seeds}
    return Sown(
        content=ChannelContent(
            variants=contents.get(tx, [digest])[digest],
            parts=installation.channels[channel].parts,
            default_locale=locale,
        ),
        wanted=wanted,
        brand=job.spec.brand_on(row.step, channel),
        coupon=coupon,
        contexts={
            name: specimen.context_of(installation, wanted, person, coupon, locale) for name, person in people.items()
        },
        people=people,
    )


def _specimen(offer: Offer, mailing_at: datetime) -> CouponView:
    return CouponView(code=SPECIMEN, offer=offer.key, title=offer.title, valid_until=offer.ends_for(mailing_at))


def _person(installation: Installation, seed: Seed) -> Person:
    lines = {"street": seed.street, "street2": seed.street2, "postcode": seed.postcode, "city": seed.city}
    data = {name: line for name, line in (lines | {"region": seed.region, "country": seed.country}).items() if line}
    place = Address(kind="postal", value=", ".join(line for line in lines.values() if line), data=data)
    names = RecipientNames(name=seed.name, locale=seed.locale, country=seed.country, external_id="seed")
    return structs.replace(specimen.nobody(installation), names=names, addresses=(place,))


async def messages(pool: RenderPool, installation: Installation, sown: Sown | None) -> dict[str, Outbound]:
    """The seeds' messages by name, each to be given the id of its place. Raises Conflict where one cannot be made."""
    made: dict[str, Outbound] = {}
    for name, person in (sown.people if sown else {}).items():
        if sown is None:
            break
        batch = RenderBatch(content=sown.content, contexts=[sown.contexts[name]])
        result = (await specimen.fill(pool, batch)).result
        if isinstance(result, RenderFailure):
            raise Conflict(f"[[post.seeds]] {name}: the piece cannot be made: {result.detail}")
        rendered = structs.replace(result, parts={part: text.translate(_MARKS) for part, text in result.parts.items()})
        made[name] = specimen.outbound(
            installation,
            sown.wanted,
            person,
            person.addresses[0],
            rendered,
            id="seed",
            coupon=sown.coupon,
            brand=sown.brand,
        )
    return made


def room(part_size: int, names: Sequence[str]) -> int:
    """How many pieces of a part are left for people."""
    return max(part_size - _count(names), 1)


def _count(names: Sequence[str]) -> int:
    return max(_FEWEST, len(names)) if names else 0


def places(batch_id: str, number: int, pieces: int, part_size: int, names: Sequence[str]) -> dict[int, str]:
    """Where in a part of so many pieces the seeds stand (counted from 0, seeds included), and which.

    The first piece, the last, and others as the batch's name gives them: the same whenever it is asked.
    """
    count = min(_count(names), part_size - pieces)
    if count <= 0:
        return {}
    total = pieces + count
    inner = sorted(range(1, total - 1), key=lambda place: _drawn(batch_id, number, place))
    chosen = sorted({0, total - 1, *inner[: max(count - 2, 0)]})[:count]
    return {place: names[(number - 1 + index) % len(names)] for index, place in enumerate(chosen)}


def _drawn(batch_id: str, number: int, place: int) -> bytes:
    return blake2b(f"{batch_id}:{number}:{place}".encode(), digest_size=8).digest()
