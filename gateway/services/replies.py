"""What people write back: kept once, understood where it is certain, and done at once.

Who writes STOP gets nothing more on that channel of all that has a way out; START undoes a STOP and no more. The
gateway answers nobody: carriers and providers confirm a STOP themselves, and a second confirmation would be one too
many (47 CFR 64.1200(a)(12) allows one). Who asks for help, and got none from the provider, is shown to a person.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from gateway.contract import Inbound, Intent
from gateway.domain.address import BadAddress, normalise
from gateway.domain.consent import RANK, Action, refusal
from gateway.domain.notices import ReplyNews
from gateway.domain.preferences import basis_of
from gateway.domain.recipient import AddressInput
from gateway.domain.replies import Reading, read
from gateway.domain.states import COUNTS_AS_SENT
from gateway.domain.tokens import BadToken
from gateway.domain.words import SendKey
from gateway.services import consent
from gateway.services.announce import announce
from gateway.services.installation import Installation
from gateway.services.problems import Conflict, NotFound
from gateway.services.stop import withdraw
from gateway.services.whereabouts import held_person
from gateway.storage import audit, clock, consents, events, merges, recipients, replies, sends, suppressions
from gateway.storage.database import Transaction
from gateway.storage.events import NewEvent
from gateway.storage.replies import NewReply
from gateway.storage.types import Record

Verdict = Literal["stop", "nothing"]
"""What a person makes of a reply that a machine could not be sure of."""

SOURCE: Final = "stop"
BACK: Final = "start"
BY_THEMSELVES: Final = "recipient"
ANSWERS_WITHIN: Final = timedelta(days=30)
"""A reply that names no message is about the last one on its channel, unless that is older."""
TEXTS_KEPT: Final = timedelta(days=90)
_EXTERNAL_ID: Final = "external_id"


class Sender(NamedTuple):
    """Where a reply came from: whose address it is, if anybody's, and the send that it answers."""

    kind: str
    hash: str
    person: Record | None
    send: SendKey | None
    was_erased: bool = False


def take(tx: Transaction, installation: Installation, channel: str, heard: Inbound) -> bool:
    """Record a reply and do what it asks. False where it is on record already: then nothing is done."""
    sender = _sender(tx, installation, channel, heard)
    reading = Reading(heard.intent, False) if heard.intent else read(heard.text, installation.policies.replies)
    is_unanswered = reading.intent is Intent.HELP and not heard.answered
    now = clock.now(tx).business
    reply = NewReply(
        channel=channel,
        event_id=heard.event_id,
        recipient_id=sender.person.id if sender.person else None,
        kind=sender.kind,
        address_hash=sender.hash,
        send=sender.send,
        text=None if sender.was_erased else heard.text,
        intent=reading.intent,
        answered=heard.answered,
        needs_review=reading.needs_review or is_unanswered,
        at=heard.at or now,
    )
    id = replies.add(tx, reply, now)
    if id is None:
        return False
    if sender.person is not None:
        _note(tx, sender.person, id, reply, now)
    _obey(tx, installation, reply, sender.person, reading.intent, {"reply": heard.event_id}, BY_THEMSELVES)
    return True


def _sender(tx: Transaction, installation: Installation, channel: str, heard: Inbound) -> Sender:
    """Who wrote, with the lock of their shard.

    Whoever has the address, or else whoever got the message that it answers: its id is signed, and nobody else saw it.
    """
    kind = installation.channels[channel].address_kind
    match_key = _match_key(kind, heard.sender)
    digest = installation.keys.hash_address(kind, match_key)
    answered = _named(installation, channel, heard.in_reply_to)
    found = _owner(tx, kind, match_key) or (answered.recipient_id if answered else None)
    if found is None:
        return Sender(kind, digest, None, None)
    person = recipients.by_id(tx, held_person(tx, found))
    if person is None or person.erased_at is not None:
        return Sender(kind, digest, None, None, was_erased=True)
    return Sender(kind, digest, person, _answered(tx, channel, person.id, answered))


def _match_key(kind: str, sender: str) -> str:
    try:
        return normalise(AddressInput(kind=kind, value=sender)).match_key
    except BadAddress:
        # A short code, or what else a carrier puts there: nobody can have it, and it is told apart all the same.
        return sender


def _owner(tx: Transaction, kind: str, match_key: str) -> int | None:
    if kind != _EXTERNAL_ID:
        return replies.owner_of(tx, kind, match_key)
    person = recipients.get(tx, match_key)
    return None if person is None else person.id


def _named(installation: Installation, channel: str, message_id: str | None) -> SendKey | None:
    if message_id is None:
        return None
    try:
        ref = installation.keys.open_ref("message", message_id)
    except BadToken:
        return None
    return ref.key if ref.channel == channel else None


def _answered(tx: Transaction, channel: str, recipient_id: int, named: SendKey | None) -> SendKey | None:
    """The person's own send that a reply answers: the one that it names, or the last that went out on the channel."""
    key = merges.follow(tx, named) if named else None
    if key is not None and key.recipient_id == recipient_id and sends.get(tx, [key]):
        return key
    since = clock.now(tx).business - ANSWERS_WITHIN
    rows = sends.of_recipient(tx, recipient_id, COUNTS_AS_SENT)
    recent = [SendKey(*row[:5]) for row in rows if row.channel == channel and row.changed_at >= since]
    return recent[-1] if recent else None


def _note(tx: Transaction, person: Record, id: int, reply: NewReply, now: datetime) -> None:
    """On the send, and for other systems: that somebody wrote, and not what."""
    events.add(
        tx,
        NewEvent(
            type="replied",
            recipient_id=person.id,
            at=now,
            send=reply.send,
            dedupe_key=f"{reply.channel}:reply:{reply.event_id}",
            code=reply.intent,
        ),
        now,
    )
    news = ReplyNews(
        type="recipient.replied",
        at=now,
        recipient_id=person.id,
        reply=id,
        channel=reply.channel,
        key=reply.send,
        intent=reply.intent,
        needs_review=reply.needs_review,
    )
    announce(tx, [news])


def _obey(
    tx: Transaction,
    installation: Installation,
    reply: NewReply | Record,
    person: Record | None,
    intent: str | None,
    proof: dict[str, Any],
    actor: str,
) -> None:
    match intent:
        case Intent.STOP if person is not None:
            _stop(tx, installation, reply.channel, person, proof, actor)
        case Intent.STOP if reply.address_hash is not None:
            # Nobody has the address yet: whoever is given it later is not written to.
            place = (reply.kind, reply.address_hash)
            suppressions.add(tx, [place], SOURCE, f"reply:{reply.channel}", clock.now(tx).business)
        case Intent.START if reply.address_hash is not None:
            suppressions.lift(tx, reply.kind, reply.address_hash, SOURCE)
            if person is not None:
                _start(tx, installation, reply.channel, person, proof, actor)


def _stop(
    tx: Transaction, installation: Installation, channel: str, person: Record, proof: dict[str, Any], actor: str
) -> None:
    """Take back or object to everything on the channel that has a way out, and stop what is pending of it.

    Said again, it stops again; the ledger has it once until there is a new grant.
    """
    states: dict[str, Action] = {
        row.purpose: row.action for row in consents.states_of(tx, person.id) if row.channel == channel
    }
    policies = installation.policies
    purposes = sorted(name for name in {*policies.purposes, *states} if policies.purpose(name).unsubscribe)
    said: dict[str, Action] = {
        name: refusal(states.get(name)) for name in purposes if states.get(name) in (None, "granted")
    }
    _record(tx, installation, channel, person, said, SOURCE, proof, actor)
    refused = {(person.id, channel, name) for name in purposes}
    withdraw(tx, installation, refused, clock.now(tx).business)


def _start(
    tx: Transaction, installation: Installation, channel: str, person: Record, proof: dict[str, Any], actor: str
) -> None:
    """Grant what a STOP took away, and nothing that was not there before it."""
    ledger = [row for row in consents.of_recipient(tx, person.id) if row.channel == channel and row.action in RANK]
    said: dict[str, Action] = {}
    for name in sorted({row.purpose for row in ledger}):
        last = _last([row for row in ledger if row.purpose == name])
        was_allowed = last.action == "withdrawn" or (
            last.action == "objected"
            and basis_of(installation.policies, name, channel, person.jurisdiction) == "opt_out"
        )
        if last.source in (SOURCE, f"provider:{channel}") and was_allowed:
            said[name] = "granted"
    _record(tx, installation, channel, person, said, BACK, proof, actor)


def _last(rows: Sequence[Record]) -> Record:
    """The row that the state follows from, as `domain.consent` has it."""
    return max(rows, key=lambda row: (min(row.at, row.recorded_at), RANK[row.action]))


def _record(
    tx: Transaction,
    installation: Installation,
    channel: str,
    person: Record,
    said: dict[str, Action],
    source: str,
    proof: dict[str, Any],
    actor: str,
) -> None:
    if not said:
        return
    words = {(purpose, channel): action for purpose, action in said.items()}
    consent.say(tx, installation, person, words, source=source, actor=actor, evidence=proof)
    detail = {"by": source, **{f"{purpose}/{channel}": action for purpose, action in said.items()}}
    audit.add(tx, actor, "consent.replied", audit.person(person.id), detail)


def review(tx: Transaction, installation: Installation, id: int, verdict: Verdict, *, actor: str, name: str) -> Record:
    """Note what a person makes of a reply, and do it. `name` is its public id.

    Raises NotFound, and Conflict where it was heeded, or somebody has read it already.
    """
    row = replies.get(tx, id)
    if row is None:
        raise NotFound(f"there is no reply {name}")
    if row.intent == Intent.STOP:
        raise Conflict("this reply said stop and was heeded")
    person = recipients.by_id(tx, held_person(tx, row.recipient_id)) if row.recipient_id is not None else None
    intent = Intent.STOP if verdict == "stop" else row.intent
    if not replies.review(tx, id, intent, actor, clock.now(tx).business):
        raise Conflict("somebody has read this reply already")
    if verdict == "stop":
        living = person if person is not None and person.erased_at is None else None
        _obey(tx, installation, row, living, Intent.STOP, {"reply": row.event_id, "read_by": actor}, actor)
    audit.add(tx, actor, "reply.reviewed", f"reply:{name}", {"verdict": verdict})
    return _there(replies.get(tx, id))


def _there(row: Record | None) -> Record:
    if row is None:
        raise AssertionError("the reply was read in this transaction")
    return row


def forget(tx: Transaction) -> int:
    """Drop the words of old replies, but of those that wait for a person to read them. Returns how many."""
    return replies.forget(tx, clock.now(tx).business - TEXTS_KEPT)
