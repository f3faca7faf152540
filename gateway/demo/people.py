"""Made-up people for the customers of the sample: the same ones on every machine.

Each trait is drawn from a hash of the customer's id and the trait's name, so that a new trait
changes none of the others. Nobody here exists: the addresses are in domains reserved for
examples, the telephone numbers in ranges that regulators keep free for films and books.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from hashlib import sha256
from typing import Final, Literal, TypeVar

from msgspec import Struct

from gateway.demo.cdnow.purchases import Purchase
from gateway.demo.lands import GERMANY, ROUND, Land, Town

Standing = Literal["granted", "none", "withdrawn", "suppressed"]
"""What marketing is allowed: consent, no consent ever, consent taken back, consent but dead addresses."""

_Reach = Literal["email", "sms", "push", "post", "paper and phone", "nowhere"]
_T = TypeVar("_T")

_REACHES: Final[Sequence[tuple[float, _Reach]]] = (
    (0.62, "email"),
    (0.12, "sms"),
    (0.10, "push"),
    (0.08, "post"),
    (0.04, "paper and phone"),
    (0.04, "nowhere"),
)
_STANDINGS: Final[Sequence[tuple[float, Standing]]] = (
    (0.80, "granted"),
    (0.15, "none"),
    (0.03, "withdrawn"),
    (0.02, "suppressed"),
)
_GENRES: Final = ("rock", "jazz", "classical", "hip-hop", "opera", "country", "soundtracks", "rebetiko")

_AREA_CODES: Final = (
    *(202, 206, 212, 213, 214, 215, 303, 305, 310, 312, 313, 314, 404, 410, 412, 415),
    *(503, 504, 512, 602, 612, 617, 619, 702, 713, 718, 720, 773),
)
"""NANPA keeps 555-0100 to 555-0199 of every area code for fiction: 100 numbers each."""

_GERMAN_BLOCKS: Final = ("+49171 39200", "+49176 040690")
"""Mobile blocks of 100 for media productions: Bundesnetzagentur, Mitteilung 148/2021."""

_POSTCODE_LETTERS: Final = "ABDEFGHJLNPQRSTUWXYZ"


class PostalAddress(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """As the gateway takes it in `data`; `country` is ISO 3166 alpha-2."""

    street: str
    postcode: str
    city: str
    country: str
    region: str | None = None


class Person(Struct, frozen=True, kw_only=True):
    """A customer with a name, a home and the addresses we know.

    `devices` are ids of push subscriptions. `left_on` is when consent was taken back or the
    addresses died, for those standings only.
    """

    customer: str
    name: str
    locale: str
    time_zone: str
    country: str
    joined_on: date
    genre: str
    email: str | None
    phone: str | None
    devices: tuple[str, ...]
    postal: PostalAddress | None
    standing: Standing
    left_on: date | None

    @property
    def id(self) -> str:
        """The external id under which the gateway knows the person."""
        return f"cd-{self.customer}"


def people(purchases: Iterable[Purchase]) -> list[Person]:
    """One person for each customer, by id, who joined on the day of the first purchase."""
    joined: dict[str, date] = {}
    for purchase in purchases:
        earliest = joined.get(purchase.customer, purchase.bought_on)
        joined[purchase.customer] = min(earliest, purchase.bought_on)
    return [person(customer, joined_on) for customer, joined_on in sorted(joined.items())]


def person(customer: str, joined_on: date) -> Person:
    """The person for a customer `0001` to `2799`; there are no numbers reserved for more."""
    number = int(customer)
    if not 0 < number < len(_AREA_CODES) * 100:
        raise ValueError(f"customer {customer}: people can be made up for 0001 to {len(_AREA_CODES) * 100 - 1}")
    land = ROUND[number % len(ROUND)]
    town = _pick(customer, "town", land.towns)
    name, latin = _name(customer, land)
    reach = _share(customer, "reach", _REACHES)
    standing = _share(customer, "standing", _STANDINGS)
    return Person(
        customer=customer,
        name=name,
        locale=land.locale,
        time_zone=town.time_zone,
        country=land.country,
        joined_on=joined_on,
        genre=_pick(customer, "genre", _GENRES),
        email=_email(customer, land, latin) if reach == "email" else None,
        phone=_phone(number, land) if _has_phone(customer, reach) else None,
        devices=_devices(customer) if _has_push(customer, reach) else (),
        postal=_postal(customer, land, town) if _has_post(customer, reach) else None,
        standing=standing,
        left_on=_left_on(customer, joined_on) if standing in {"withdrawn", "suppressed"} else None,
    )


def _name(customer: str, land: Land) -> tuple[str, str]:
    """The full name, and the given name in Latin letters."""
    female = chance(customer, "female", 0.5)
    given, _, latin = _pick(customer, "given", land.women if female else land.men).partition("=")
    masculine, _, feminine = _pick(customer, "family", land.families).partition("/")
    family = feminine if female and feminine else masculine
    return f"{given} {family}", latin or given.lower()


def _has_phone(customer: str, reach: _Reach) -> bool:
    return reach in {"sms", "paper and phone"} or (reach == "email" and chance(customer, "phone too", 0.30))


def _has_push(customer: str, reach: _Reach) -> bool:
    return reach in {"push", "paper and phone"} or (reach == "email" and chance(customer, "push too", 0.20))


def _has_post(customer: str, reach: _Reach) -> bool:
    return reach in {"post", "paper and phone"} or (reach == "email" and chance(customer, "post too", 0.25))


def _email(customer: str, land: Land, latin: str) -> str:
    """Some bounce and some are busy at first: the SMTP receiver goes by the first word."""
    luck = draw(customer, "mailbox")
    fate = "bounce." if luck < 0.015 else "busy." if luck < 0.025 else ""
    return f"{fate}{latin}.{customer}@{_pick(customer, 'domain', land.domains)}"


def _phone(number: int, land: Land) -> str:
    """Of the lands here only Germany and North America keep mobile numbers for fiction that also pass
    for valid ones (Britain's +44 7700 900xxx do not), so everybody else has one from across the ocean."""
    seat = _seat(number) if land is GERMANY else None
    if seat is not None and seat < 100 * len(_GERMAN_BLOCKS):
        return f"{_GERMAN_BLOCKS[seat // 100]}{seat % 100:02}".replace(" ", "")
    return f"+1{_AREA_CODES[number // 100]}55501{number % 100:02}"


def _seat(number: int) -> int:
    """The German's place among the Germans, from 0, so that no two get one number."""
    rounds, place = divmod(number, len(ROUND))
    return rounds * ROUND.count(GERMANY) + ROUND[:place].count(GERMANY)


def _devices(customer: str) -> tuple[str, ...]:
    """Mostly one, sometimes two. Ids that begin with `gone` are answered 410 by the push receiver."""
    count = 2 if chance(customer, "second device", 0.15) else 1
    names = [f"{customer}-{n}" for n in range(1, count + 1)]
    return tuple(f"gone-{name}" if chance(name, "gone", 0.03) else f"device-{name}" for name in names)


def _postal(customer: str, land: Land, town: Town) -> PostalAddress:
    number = 1 + int(draw(customer, "house") * 180)
    return PostalAddress(
        street=land.street.format(street=_pick(customer, "street", land.streets), number=number),
        postcode=_postcode(customer, town.postcode),
        city=town.name,
        country=land.country,
        region=town.region,
    )


def _postcode(customer: str, pattern: str) -> str:
    made = pattern
    for place, sign in enumerate(pattern):
        if sign in "#@":
            alphabet = "123456789" if sign == "#" else _POSTCODE_LETTERS
            made = made.replace(sign, _pick(customer, f"postcode {place}", alphabet), 1)
    return made


def _left_on(customer: str, joined_on: date) -> date:
    return joined_on + timedelta(days=60 + int(draw(customer, "left") * 340))


def _share(customer: str, trait: str, shares: Sequence[tuple[float, _T]]) -> _T:
    luck = draw(customer, trait)
    for share, choice in shares:
        if luck < share:
            return choice
        luck -= share
    return shares[-1][1]


def _pick(customer: str, trait: str, choices: Sequence[_T]) -> _T:
    return choices[int(draw(customer, trait) * len(choices))]


def chance(customer: str, trait: str, probability: float) -> bool:
    """Whether the trait applies to this customer; always the same answer."""
    return draw(customer, trait) < probability


def draw(customer: str, trait: str) -> float:
    """A number in [0, 1), always the same for this customer and trait."""
    digest = sha256(f"{trait} of {customer}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53
