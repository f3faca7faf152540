"""Double opt-in: an address is asked whether its owner wants what somebody asked for in a form.

Until it is confirmed nothing holds: the ledger knows that it was asked, and no state changes. What is
sent is an ordinary job of the purpose `transactional`, with a text of our own.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct, structs

from gateway.contract import Capabilities
from gateway.domain.audience import Inline, Named
from gateway.domain.confirmation import LINK, MESSAGES, confirmation
from gateway.domain.consent import ConsentRow, OptInInput
from gateway.domain.job import JobInput, StepInput
from gateway.domain.languages import DEFAULT, language_of, messages_in
from gateway.domain.preferences import Proof
from gateway.services import accept, consent
from gateway.services.accept import Examined
from gateway.services.installation import Installation
from gateway.services.problems import Invalid, Problem
from gateway.services.whereabouts import held_person
from gateway.storage import audit, clock, opt_ins, recipients
from gateway.storage.database import Transaction
from gateway.storage.types import Record

PURPOSE: Final = "transactional"
SOURCE: Final = "double-opt-in"
BY_THEMSELVES: Final = "recipient"
"""The actor of what people do on their own pages."""
EXTERNAL_ID: Final = "external_id"
MOST: Final = 3
WINDOW: Final = timedelta(hours=24)
AGAIN_AFTER: Final = timedelta(minutes=10)


class AskedTooOften(Exception):
    """The address was asked so often that asking once more would be a nuisance; `wait_s` says how long."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"asked {MOST} times in {WINDOW}")
        self.wait_s = wait_s


class OptIn(Struct, frozen=True, kw_only=True):
    """What became of a request: `asked` now, `waiting` for the answer to an earlier message, or `suppressed`:
    the address must not be used, so nobody was asked.
    """

    state: Literal["asked", "waiting", "suppressed"]
    recipient: str
    channel: str
    purposes: tuple[str, ...]
    requested_at: datetime | None = None
    expires_at: datetime | None = None
    job: str | None = None
    """The job that asks, where it was asked now."""


class Question(Struct, frozen=True, kw_only=True):
    """What a link asks: `open` to be confirmed, `confirmed`, or `over`."""

    state: Literal["open", "confirmed", "over"]
    recipient_id: int
    locale: str | None
    channel: str
    purposes: tuple[str, ...]


def examine(installation: Installation, asked: OptInInput) -> Examined:
    """The job that would ask, without its link. Raises Invalid with every problem at once."""
    problems = [*_purpose_problems(installation, asked), *_channel_problems(installation, asked)]
    capabilities = installation.channels.get(asked.channel)
    content = confirmation(capabilities.parts) if capabilities else None
    if content is None or problems:
        raise Invalid(problems)
    return accept.examine(
        installation,
        JobInput(
            name="double opt-in",
            purpose=PURPOSE,
            audience=Inline(recipients=(Named(id=asked.recipient),)),
            steps=(StepInput(name="ask", channels=(asked.channel,), content={asked.channel: content}),),
            default_locale=DEFAULT,
        ),
    )


def _purpose_problems(installation: Installation, asked: OptInInput) -> Iterator[Problem]:
    known = installation.policies.purposes
    for index, name in enumerate(asked.purposes):
        if name not in known:
            told = f"no purpose {name} in the policies; there is {', '.join(sorted(known))}"
            yield Problem(pointer=f"/purposes/{index}", detail=told)
        elif known[name].basis_on(asked.channel) == "none":
            yield Problem(pointer=f"/purposes/{index}", detail=f"{name} needs nobody's consent")


def _channel_problems(installation: Installation, asked: OptInInput) -> Iterator[Problem]:
    capabilities = installation.channels.get(asked.channel)
    if capabilities is None:
        ready = ", ".join(sorted(installation.channels)) or "none"
        yield Problem(pointer="/channel", detail=f"no channel {asked.channel} is ready; there is {ready}")
    elif capabilities.batched:
        yield Problem(pointer="/channel", detail="is on paper, where nobody can follow a link: take the signed form")
    elif confirmation(capabilities.parts) is None:
        yield Problem(pointer="/channel", detail="its messages have no text or HTML that could carry the link")
    purpose = installation.policies.purposes.get(PURPOSE)
    if purpose is None or purpose.basis_on(asked.channel) != "none":
        told = f"the question goes out as {PURPOSE}: policies.toml needs that purpose, with the basis none"
        yield Problem(pointer="/channel", detail=told)


def ask(
    tx: Transaction, installation: Installation, client: str, asked: OptInInput, examined: Examined, job_id: str
) -> OptIn:
    """Ask, unless the address must not be used or was asked a moment ago. Raises Invalid and AskedTooOften."""
    person = _held(tx, asked.recipient)
    now = clock.now(tx).business
    answer = OptIn(state="suppressed", recipient=asked.recipient, channel=asked.channel, purposes=asked.purposes)
    digest = _address(tx, installation, installation.channels[asked.channel], person)
    if digest is None:
        return answer
    waiting = _waiting(tx, person.id, asked, digest, now)
    if waiting is not None:
        return structs.replace(
            answer, state="waiting", requested_at=waiting.requested_at, expires_at=waiting.expires_at
        )
    _put(tx, installation, client, asked, examined, person, digest, job_id, now)
    return structs.replace(answer, state="asked", requested_at=now, expires_at=now + asked.expires_in, job=job_id)


def _put(
    tx: Transaction,
    installation: Installation,
    client: str,
    asked: OptInInput,
    examined: Examined,
    person: Record,
    digest: str,
    job_id: str,
    now: datetime,
) -> None:
    id = opt_ins.add(tx, person.id, asked, digest, client, now)
    accept.accept(tx, installation, client, _addressed(installation, asked, examined, person.locale, id, now), job_id)
    rows = [
        ConsentRow(
            recipient=asked.recipient,
            channel=asked.channel,
            purpose=purpose,
            action="requested",
            at=now,
            source=asked.source,
            text_version=asked.text_version,
            evidence={"asked_in": asked.evidence, "job": job_id},
        )
        for purpose in asked.purposes
    ]
    consent.record(tx, installation, rows, client)
    detail = {"channel": asked.channel, "purposes": asked.purposes, "job": job_id}
    audit.add(tx, client, "consent.requested", audit.person(person.id), detail)


def _held(tx: Transaction, external_id: str) -> Record:
    """Whom the id names, with the lock of their shard. Raises Invalid."""
    known = recipients.get(tx, external_id)
    person = recipients.by_id(tx, held_person(tx, known.id)) if known else None
    if person is None or person.erased_at is not None:
        raise Invalid([Problem(pointer="/recipient", detail=f"no recipient {external_id}")])
    return person


def _address(tx: Transaction, installation: Installation, capabilities: Capabilities, person: Record) -> str | None:
    """The keyed hash of the address that the message will go to; None where all of them are suppressed."""
    kind = capabilities.address_kind
    hashes = _hashes(tx, installation, person.id, person.external_id)
    if kind == EXTERNAL_ID:
        return hashes[0]
    if not any(row.kind == kind for row in recipients.addresses_of(tx, person.id)):
        raise Invalid([Problem(pointer="/channel", detail=f"the recipient has no address of the kind {kind}")])
    live = recipients.live_addresses(tx, [person.id], kind).get(person.id)
    return hashes[live[0].id] if live else None


def _hashes(tx: Transaction, installation: Installation, recipient_id: int, external_id: str) -> dict[int, str]:
    """The keyed hashes of a person's addresses by their internal ids; under 0 that of the person's own id."""
    own = {row.id: row.hash for row in recipients.addresses_of(tx, recipient_id)}
    return own | {0: installation.keys.hash_address(EXTERNAL_ID, external_id)}


def _waiting(tx: Transaction, recipient_id: int, asked: OptInInput, digest: str, now: datetime) -> Record | None:
    """The question that was put a moment ago, if it asks all of this. Raises AskedTooOften."""
    recent = opt_ins.of_address(tx, digest, now - WINDOW)
    for row in reversed(recent):
        is_same = row.recipient_id == recipient_id and row.channel == asked.channel
        is_open = row.confirmed_at is None and row.expires_at > now and row.requested_at > now - AGAIN_AFTER
        if is_same and is_open and set(asked.purposes) <= set(row.purposes):
            return row
    if len(recent) >= MOST:
        wait = recent[-MOST].requested_at + WINDOW - now
        raise AskedTooOften(wait // timedelta(seconds=1) + 1)
    return None


def _addressed(
    installation: Installation, asked: OptInInput, examined: Examined, locale: str | None, id: int, now: datetime
) -> Examined:
    """The job with its link in it, worth nothing once the link is over."""
    language = language_of(locale) or DEFAULT
    kind = installation.channels[asked.channel].address_kind
    variables = {
        LINK: f"{installation.public_url}/o/{installation.keys.sign_id('opt_in', id)}",
        MESSAGES: messages_in(language, asked.purposes, asked.channel, kind),
    }
    audience = Inline(recipients=(Named(id=asked.recipient, variables=variables),))
    request = structs.replace(examined.request, audience=audience, expires_at=now + asked.expires_in)
    return structs.replace(examined, request=request)


def look(tx: Transaction, installation: Installation, id: int) -> Question | None:
    """What a link asks; None where it is not known, or its recipient was erased."""
    row = opt_ins.get(tx, id)
    return _question(tx, installation, row, clock.now(tx).business) if row and row.erased_at is None else None


def confirm(tx: Transaction, installation: Installation, id: int, proof: Proof) -> Question | None:
    """Grant what a link asks, once; again it does nothing. Where it is over nothing is granted."""
    known = opt_ins.get(tx, id)
    if known is None:
        return None
    held_person(tx, known.recipient_id)
    row = opt_ins.get(tx, id)
    if row is None or row.erased_at is not None:
        return None
    now = clock.now(tx).business
    question = _question(tx, installation, row, now)
    if question.state != "open" or not opt_ins.confirm(tx, id, now):
        return look(tx, installation, id)
    told = {"requested_at": row.requested_at, "confirmed_at": now, "asked_by": row.source, "asked_in": row.evidence}
    seen = {"text_version": proof.text_version, **proof.evidence}
    rows = [
        ConsentRow(
            recipient=row.external_id,
            channel=row.channel,
            purpose=purpose,
            action="granted",
            at=now,
            source=SOURCE,
            text_version=row.text_version,
            evidence={**told, "confirmed_on": seen},
        )
        for purpose in row.purposes
    ]
    consent.record(tx, installation, rows, BY_THEMSELVES)
    detail = {"channel": row.channel, "purposes": row.purposes}
    audit.add(tx, BY_THEMSELVES, "consent.confirmed", audit.person(row.recipient_id), detail)
    return structs.replace(question, state="confirmed")


def _question(tx: Transaction, installation: Installation, row: Record, now: datetime) -> Question:
    state: Literal["open", "confirmed", "over"] = "open"
    if row.confirmed_at is not None:
        state = "confirmed"
    elif (
        row.expires_at <= now
        or row.address_hash not in _hashes(tx, installation, row.recipient_id, row.external_id).values()
    ):
        # An address that changed hands since proves nothing of who has it now.
        state = "over"
    return Question(
        state=state,
        recipient_id=row.recipient_id,
        locale=row.locale,
        channel=row.channel,
        purposes=tuple(row.purposes),
    )
