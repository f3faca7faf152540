"""Browsers subscribe to push notifications, renew and end it, by tokens and with no login.

A push token, asked for by a service that knows who visits its page, says whose a browser is and what they agree
to by subscribing. With the subscription the browser gets a token of its own, to renew or end it by.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from gateway.domain.address import BadAddress, PlaceToReach, normalise
from gateway.domain.consent import ConsentRow
from gateway.domain.recipient import AddressInput
from gateway.domain.subscription import KIND, SUBSCRIBED_AT, DeviceInput, PushGrant, PushTokenInput
from gateway.domain.tokens import BadToken
from gateway.services import consent
from gateway.services.installation import Installation
from gateway.services.problems import Conflict, Invalid, NotFound, Problem
from gateway.services.whereabouts import held_person
from gateway.storage import audit, clock, consents, locks, recipients, subscriptions
from gateway.storage.database import Transaction
from gateway.storage.types import Record

BY_THEMSELVES: Final = "recipient"
MOST_DEVICES: Final = 20
"""So many browsers a person may have; of more, the one that came first goes."""

_ENDED: Final = "push-unsubscribe"


class Token(NamedTuple):
    token: str
    expires_at: datetime


class Subscribed(NamedTuple):
    """`token` names the subscription to the browser that made it. `is_new` where the endpoint was not known."""

    token: str
    is_new: bool


class Origin(NamedTuple):
    """What a browser says of itself and its page."""

    user_agent: str
    evidence: Mapping[str, Any]


def channel_of(installation: Installation) -> str:
    """The channel that writes to push subscriptions. Raises NotFound."""
    kinds = [kind for kind, capabilities in installation.channels.items() if capabilities.address_kind == KIND]
    if not kinds:
        raise NotFound("no channel that sends push notifications is ready")
    return kinds[0]


def issue(tx: Transaction, installation: Installation, external_id: str, wanted: PushTokenInput) -> Token:
    """A token with which the browsers of a recipient may subscribe. Raises NotFound and Invalid."""
    channel_of(installation)
    person = recipients.get(tx, external_id)
    if person is None or person.erased_at is not None:
        raise NotFound(f"there is no recipient {external_id}")
    known = installation.policies.purposes
    problems = [
        Problem(pointer=f"/purposes/{index}", detail=f"no purpose {purpose}; there is {', '.join(sorted(known))}")
        for index, purpose in enumerate(wanted.purposes)
        if purpose not in known
    ]
    if problems:
        raise Invalid(problems)
    expires_at = (clock.now(tx).machine + wanted.expires_in).replace(microsecond=0)
    grant = PushGrant(person.id, wanted.purposes, int(expires_at.timestamp()), wanted.source, wanted.text_version)
    return Token(installation.keys.sign("push", msgspec.msgpack.encode(grant)), expires_at)


def grant_in(installation: Installation, token: str) -> PushGrant:
    """What a push token says. Raises Invalid where it is none of ours."""
    try:
        return msgspec.msgpack.decode(installation.keys.open("push", token), type=PushGrant)
    except (BadToken, msgspec.DecodeError):
        raise Invalid([Problem(pointer="/token", detail="is no push token of this gateway")]) from None


def place_of(device: DeviceInput, origin: Origin, now: datetime) -> PlaceToReach:
    """The address that a subscription is. Raises Invalid."""
    told = {
        "p256dh": device.keys.p256dh,
        "auth": device.keys.auth,
        "key": device.application_server_key,
        "user_agent": origin.user_agent,
        SUBSCRIBED_AT: now.isoformat(timespec="seconds"),
    } | ({"locale": device.locale} if device.locale else {})
    try:
        return normalise(AddressInput(kind=KIND, value=device.endpoint, data=told))
    except BadAddress as bad:
        raise Invalid([Problem(pointer="/endpoint", detail=str(bad).partition(": ")[2])]) from None


def subscribe(
    tx: Transaction, installation: Installation, grant: PushGrant, place: PlaceToReach, origin: Origin
) -> Subscribed:
    """Keep a browser's subscription, and what its owner agreed to by it. Raises NotFound, Invalid and Conflict.

    The same endpoint again changes what is known of it. One that was somebody else's has changed hands, with its
    browser: it is this person's from now on.
    """
    if clock.now(tx).machine.timestamp() >= grant.expires_s:
        raise Invalid([Problem(pointer="/token", detail="is over; ask the page for a new one")])
    locks.lock_addresses(tx)
    person = _person(tx, grant.recipient_id)
    digest = _expect_usable(tx, installation, place)
    known = subscriptions.at(tx, place)
    if known is not None and known.recipient_id != person.id:
        _hand_over(tx, known, person.id)
        known = None
    if known is None:
        _make_room(tx, person.id)
        id = subscriptions.add(tx, person.id, place, digest, clock.now(tx).business)
        audit.add(tx, BY_THEMSELVES, "subscription.added", audit.person(person.id))
    else:
        id = known.id
        subscriptions.change(tx, id, place, digest)
    _grant(tx, installation, person, grant, origin)
    return Subscribed(installation.keys.sign_id("subscription", id), known is None)


def named(installation: Installation, token: str) -> int:
    """The internal id of the subscription that a browser's token names. Raises NotFound where it is none of ours."""
    try:
        return installation.keys.open_id("subscription", token)
    except BadToken:
        raise NotFound("there is no such subscription") from None


def renew(tx: Transaction, installation: Installation, id: int, place: PlaceToReach) -> None:
    """A browser has another endpoint now. Raises NotFound where its subscription was forgotten, and Conflict."""
    locks.lock_addresses(tx)
    if subscriptions.get(tx, id) is None:
        raise NotFound("this subscription was ended")
    digest = _expect_usable(tx, installation, place)
    other = subscriptions.at(tx, place)
    if other is not None and other.id != id:
        subscriptions.remove(tx, [other.id])
    subscriptions.change(tx, id, place, digest)


def unsubscribe(tx: Transaction, installation: Installation, id: int, origin: Origin) -> None:
    """Forget a browser. With their last one a person withdraws what they agreed to for push.

    Where it is forgotten already, nothing happens.
    """
    locks.lock_addresses(tx)
    mine = subscriptions.get(tx, id)
    if mine is None:
        return
    person = _person(tx, mine.recipient_id)
    subscriptions.remove(tx, [mine.id])
    audit.add(tx, BY_THEMSELVES, "subscription.removed", audit.person(person.id))
    if not recipients.live_addresses(tx, [person.id], KIND):
        _withdraw(tx, installation, person, origin)


def _person(tx: Transaction, recipient_id: int) -> Record:
    """Whom an internal id means now, with the lock of the shard."""
    person = recipients.by_id(tx, held_person(tx, recipient_id))
    if person is None or person.erased_at is not None:
        raise NotFound("the recipient is not known any more")
    return person


def _expect_usable(tx: Transaction, installation: Installation, place: PlaceToReach) -> str:
    """The hash of an endpoint that may be written to."""
    digest = installation.keys.hash_address(place.kind, place.match_key)
    if subscriptions.is_suppressed(tx, digest):
        raise Conflict("this endpoint must not be written to any more; let the browser subscribe anew")
    return digest


def _hand_over(tx: Transaction, known: Record, to: int) -> None:
    subscriptions.remove(tx, [known.id])
    detail = {"to": audit.person(to)}
    audit.add(tx, BY_THEMSELVES, "subscription.changed_hands", audit.person(known.recipient_id), detail)


def _make_room(tx: Transaction, recipient_id: int) -> None:
    known = subscriptions.of_recipient(tx, recipient_id)
    subscriptions.remove(tx, [row.id for row in known[: max(len(known) + 1 - MOST_DEVICES, 0)]])


def _grant(tx: Transaction, installation: Installation, person: Record, grant: PushGrant, origin: Origin) -> None:
    """What holds already is not said again for every browser."""
    channel, now = channel_of(installation), clock.now(tx).business
    rows = [
        ConsentRow(
            recipient=person.external_id,
            channel=channel,
            purpose=purpose,
            action="granted",
            at=now,
            source=grant.source,
            text_version=grant.text_version,
            evidence=dict(origin.evidence),
        )
        for purpose in grant.purposes
        if consents.state_of(tx, person.id, channel, purpose) != "granted"
    ]
    _record(tx, installation, person, rows)


def _withdraw(tx: Transaction, installation: Installation, person: Record, origin: Origin) -> None:
    channel, now = channel_of(installation), clock.now(tx).business
    rows = [
        ConsentRow(
            recipient=person.external_id,
            channel=channel,
            purpose=state.purpose,
            action="withdrawn",
            at=now,
            source=_ENDED,
            evidence=dict(origin.evidence),
        )
        for state in consents.states_of(tx, person.id)
        if state.channel == channel and state.action == "granted"
    ]
    _record(tx, installation, person, rows)


def _record(tx: Transaction, installation: Installation, person: Record, rows: list[ConsentRow]) -> None:
    if rows:
        consent.record(tx, installation, rows, BY_THEMSELVES)
        detail = {f"{row.purpose}/{row.channel}": row.action for row in rows}
        audit.add(tx, BY_THEMSELVES, "consent.chosen", audit.person(person.id), detail)
