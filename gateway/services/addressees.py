"""Whom a test message goes to: addresses as they were given, and recipients at theirs."""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from gateway.contract import Address
from gateway.domain.address import BadAddress, PlaceToReach, normalise
from gateway.domain.specimen import MOST_AT_ONCE, TestSendInput
from gateway.services import specimen
from gateway.services.installation import Installation
from gateway.services.problems import Invalid, Problem
from gateway.services.specimen import Person
from gateway.storage import suppressions
from gateway.storage.database import Transaction


class Tried(Struct, frozen=True, kw_only=True):
    """What became of the message to one address, or one recipient.

    `refused` was not handed over by us, `failed` not taken by the provider; of `unknown` nobody can tell.
    """

    to: str
    outcome: Literal["accepted", "failed", "refused", "unknown"]
    provider_id: str | None = None
    code: str | None = None
    detail: str | None = None


class Letter(Struct, frozen=True, kw_only=True):
    """One message that is to be made: `to` as the request names it."""

    to: str
    person: Person
    address: Address


def letters_of(
    tx: Transaction, installation: Installation, wanted: TestSendInput, as_if: Person | None
) -> tuple[Letter | Tried, ...]:
    capabilities = installation.channels[wanted.channel]
    named = [each for each in wanted.to if isinstance(each, str)]
    people = specimen.known(tx, installation, capabilities.address_kind, named) if named else {}
    places, problems = _places(wanted, capabilities.address_kind, people)
    if problems:
        raise Invalid(problems)
    barred = _barred(tx, installation, [place for place in places.values() if place])
    letters: list[Letter | Tried] = []
    for index, each in enumerate(wanted.to):
        place = places.get(index)
        if place is not None:
            letters.append(_to_address(installation, place, as_if, barred))
        elif isinstance(each, str):
            letters += _to_person(each, people[each], as_if, per_address=capabilities.per_address)
    if len(letters) > MOST_AT_ONCE:
        raise Invalid(
            [Problem(pointer="/to", detail=f"comes to more than {MOST_AT_ONCE} messages, one for each device")]
        )
    return tuple(letters)


def _places(
    wanted: TestSendInput, kind: str, people: Mapping[str, Person]
) -> tuple[dict[int, PlaceToReach], list[Problem]]:
    """The addresses of `to` by their place in it, fit for use; and what is wrong with any of them."""
    places: dict[int, PlaceToReach] = {}
    problems: list[Problem] = []
    for index, each in enumerate(wanted.to):
        try:
            if not isinstance(each, str):
                places[index] = _place(normalise(each), wanted.channel, kind)
            elif each not in people:
                raise BadAddress('there is no such recipient; write an address as {"kind": "...", "value": "..."}')
        except BadAddress as error:
            problems.append(Problem(pointer=f"/to/{index}", detail=str(error)))
    return places, problems


def _place(place: PlaceToReach, channel: str, kind: str) -> PlaceToReach:
    if kind == "external_id":
        raise BadAddress(f"the channel {channel} writes to recipients by their ids")
    if place.kind != kind:
        raise BadAddress(f"kind: the channel {channel} takes addresses of the kind {kind}")
    return place


def _barred(tx: Transaction, installation: Installation, places: Sequence[PlaceToReach]) -> set[str]:
    """Of these places, the keyed hashes of those that must not be used."""
    return suppressions.among(tx, [(place.kind, _hash(installation, place)) for place in places])


def _hash(installation: Installation, place: PlaceToReach) -> str:
    return installation.keys.hash_address(place.kind, place.match_key)


def _to_address(
    installation: Installation, place: PlaceToReach, as_if: Person | None, barred: set[str]
) -> Letter | Tried:
    if _hash(installation, place) in barred:
        return Tried(to=place.value, outcome="refused", code="suppressed", detail="the address must not be used")
    address = Address(kind=place.kind, value=place.value, data=place.data)
    return Letter(to=place.value, person=as_if or specimen.nobody(installation), address=address)


def _to_person(id: str, person: Person, as_if: Person | None, *, per_address: bool) -> list[Letter | Tried]:
    addresses = person.addresses if per_address else person.addresses[:1]
    if not addresses:
        told = "the recipient has no address of this kind that may be used"
        return [Tried(to=id, outcome="refused", code="no_address", detail=told)]
    return [Letter(to=id, person=as_if or person, address=address) for address in addresses]
