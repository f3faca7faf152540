"""What a person chooses on their own page, and what a service or an operator notes for them."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from gateway.domain.consent import Action, permits, refusal
from gateway.domain.preferences import Choice, OwnCap, Preferences, Proof, basis_of, masked
from gateway.domain.tokens import MessageRef
from gateway.services import consent
from gateway.services.installation import Installation
from gateway.services.problems import NotFound
from gateway.services.whereabouts import held_person
from gateway.storage import audit, clock, consents, merges, preferences, recipients
from gateway.storage.database import Transaction
from gateway.storage.preferences import Kept
from gateway.storage.types import Record

SOURCE: Final = "preference-page"
BY_THEMSELVES: Final = "recipient"
EVERYBODY_HAS: Final = "external_id"
"""The kind of address that is the recipient's own id."""
LONGEST_PAUSE: Final = timedelta(days=90)

Pair = tuple[str, str]
"""A purpose and a channel."""


class Standing(NamedTuple):
    """Everything that the page of a person shows."""

    locale: str | None
    time_zone: str | None
    choices: tuple[Choice, ...]
    preferences: Preferences


def url_of(installation: Installation, recipient_id: int) -> str:
    """The page of a person, for whoever holds the link. Of no message in particular."""
    token = installation.keys.sign_ref("preferences", MessageRef(0, recipient_id, 0, 0, ""))
    return f"{installation.public_url}/p/{token}"


def of_recipient(tx: Transaction, external_id: str) -> tuple[int, Kept]:
    """A person's internal id, and what they asked for. Raises NotFound."""
    person = recipients.get(tx, external_id)
    if person is None or person.erased_at is not None:
        raise NotFound(f"there is no recipient {external_id}")
    return person.id, preferences.get(tx, person.id)


def write(tx: Transaction, external_id: str, wanted: Preferences, actor: str) -> None:
    """Note what a person asked for, in place of what they asked before. Raises NotFound."""
    recipient_id, _ = of_recipient(tx, external_id)
    _put(tx, held_person(tx, recipient_id), wanted, actor, actor)


def _put(tx: Transaction, recipient_id: int, wanted: Preferences, source: str, actor: str) -> None:
    """The caller holds the shard's lock."""
    preferences.put(tx, recipient_id, wanted, source, clock.now(tx).business)
    detail = {
        "paused_until": wanted.paused_until and wanted.paused_until.isoformat(),
        "cap_max": wanted.cap and wanted.cap.max,
        "cap_window_s": wanted.cap and wanted.cap.window.total_seconds(),
    }
    audit.add(tx, actor, "preferences.changed", audit.person(recipient_id), detail)


def standing(tx: Transaction, installation: Installation, recipient_id: int) -> Standing | None:
    """None for people who are not known any more."""
    person = _person(tx, merges.person(tx, recipient_id))
    if person is None:
        return None
    return Standing(
        locale=person.locale,
        time_zone=person.time_zone,
        choices=tuple(_choices(tx, installation, person)),
        preferences=_in_force(tx, person.id, clock.now(tx).business),
    )


def _person(tx: Transaction, recipient_id: int) -> Record | None:
    person = recipients.by_id(tx, recipient_id)
    return person if person is not None and person.erased_at is None else None


def _in_force(tx: Transaction, recipient_id: int, now: datetime) -> Preferences:
    """Without a pause that is over."""
    kept = preferences.get(tx, recipient_id).preferences
    is_over = kept.paused_until is not None and kept.paused_until <= now
    return Preferences(cap=kept.cap) if is_over else kept


def _choices(tx: Transaction, installation: Installation, person: Record) -> Iterator[Choice]:
    """What policy leaves to the person, on the channels that reach them."""
    policies, states = installation.policies, _states(tx, person.id)
    for channel, capabilities in installation.channels.items():
        address = _address(tx, person, capabilities.address_kind)
        if address is None:
            continue
        for purpose in policies.purposes:
            basis = basis_of(policies, purpose, channel, person.jurisdiction)
            if basis != "none":
                yield Choice(
                    purpose=purpose,
                    channel=channel,
                    address_kind=capabilities.address_kind,
                    address=masked(*address),
                    is_on=permits(basis, states.get((purpose, channel))),
                )


def _states(tx: Transaction, recipient_id: int) -> dict[Pair, Action]:
    return {(row.purpose, row.channel): row.action for row in consents.states_of(tx, recipient_id)}


def _address(tx: Transaction, person: Record, kind: str) -> tuple[str, str] | None:
    """Kind and value of where a message would go; None where it could go nowhere."""
    if kind == EVERYBODY_HAS:
        return kind, person.external_id
    live = recipients.live_addresses(tx, [person.id], kind).get(person.id)
    return (kind, live[0].value) if live else None


def choose(
    tx: Transaction, installation: Installation, recipient_id: int, wanted: Mapping[Pair, bool], proof: Proof
) -> Standing | None:
    """Switch on and off what the person changed; what is on already, or not theirs to choose, stays as it is."""
    person = _person(tx, held_person(tx, recipient_id))
    if person is None:
        return None
    states = _states(tx, person.id)
    said: dict[Pair, Action] = {}
    for choice in _choices(tx, installation, person):
        pair = (choice.purpose, choice.channel)
        if wanted.get(pair, choice.is_on) != choice.is_on:
            said[pair] = "granted" if wanted[pair] else refusal(states.get(pair))
    _record(tx, installation, person, said, proof)
    return standing(tx, installation, recipient_id)


def stop_everything(tx: Transaction, installation: Installation, recipient_id: int, proof: Proof) -> Standing | None:
    """Take back every grant and object to all the rest, also where nothing could reach the person today."""
    person = _person(tx, held_person(tx, recipient_id))
    if person is None:
        return None
    policies, states = installation.policies, _states(tx, person.id)
    asked = {
        (purpose, channel)
        for purpose in policies.purposes
        for channel in installation.channels
        if basis_of(policies, purpose, channel, person.jurisdiction) != "none"
    }
    open_pairs = sorted(pair for pair in asked | states.keys() if states.get(pair) in (None, "granted"))
    _record(tx, installation, person, {pair: refusal(states.get(pair)) for pair in open_pairs}, proof)
    return standing(tx, installation, recipient_id)


def _record(
    tx: Transaction, installation: Installation, person: Record, said: Mapping[Pair, Action], proof: Proof
) -> None:
    if not said:
        return
    consent.say(
        tx,
        installation,
        person,
        said,
        source=SOURCE,
        actor=BY_THEMSELVES,
        evidence=proof.evidence,
        text_version=proof.text_version,
    )
    detail = {f"{purpose}/{channel}": action for (purpose, channel), action in said.items()}
    audit.add(tx, BY_THEMSELVES, "consent.chosen", audit.person(person.id), detail)


def pause(tx: Transaction, installation: Installation, recipient_id: int, span: timedelta) -> Standing | None:
    """No message for so long, whatever was agreed to. Nothing or less ends a pause."""

    def paused(kept: Preferences, now: datetime) -> Preferences:
        until = now + min(span, LONGEST_PAUSE) if span > timedelta(0) else None
        return Preferences(paused_until=until, cap=kept.cap)

    return _change(tx, installation, recipient_id, paused)


def limit(tx: Transaction, installation: Installation, recipient_id: int, cap: OwnCap | None) -> Standing | None:
    """No more than this; None for no limit of their own."""
    return _change(tx, installation, recipient_id, lambda kept, _: Preferences(paused_until=kept.paused_until, cap=cap))


def _change(
    tx: Transaction,
    installation: Installation,
    recipient_id: int,
    change: Callable[[Preferences, datetime], Preferences],
) -> Standing | None:
    person, now = _person(tx, held_person(tx, recipient_id)), clock.now(tx).business
    if person is None:
        return None
    wanted = change(_in_force(tx, person.id, now), now)
    _put(tx, person.id, wanted, SOURCE, BY_THEMSELVES)
    return standing(tx, installation, recipient_id)
