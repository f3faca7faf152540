"""Everything that happened to a person, and everything that was decided about them, oldest first."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal, get_args

from msgspec import Struct

from gateway.domain.words import SendKey
from gateway.services.compose import send_id
from gateway.services.installation import Installation
from gateway.services.problems import NotFound
from gateway.services.reasons import parts, stands, why
from gateway.storage import (
    activities,
    attempts,
    consents,
    coupons,
    entries,
    events,
    jobs,
    merges,
    recipients,
    redemptions,
    sends,
)
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job
from gateway.storage.types import Record

Kind = Literal["recipient", "activity", "entry", "coupon", "attempt", "redemption", "event", "consent", "send"]
"""In the order in which things of one instant are told: causes before what they change."""


class Item(Struct, frozen=True, kw_only=True):
    """One thing that happened at `at` (UTC), told in one English sentence.

    `job` and `send` are public ids. `data` holds the facts behind the sentence; no addresses, and of codes the end.
    """

    at: datetime
    kind: Kind
    text: str
    job: str | None = None
    send: str | None = None
    data: dict[str, Any] = {}


class Timeline(Struct, frozen=True, kw_only=True):
    recipient: str
    items: tuple[Item, ...]


def of_recipient(tx: Transaction, installation: Installation, external_id: str) -> Timeline:
    """The whole story of a person. Give it a snapshot. Raises NotFound.

    A send stands at its last change; how it came there is told by its attempts and events. When an entry ended is
    not kept: it stands where it began, with why it ended.
    """
    person = recipients.get(tx, external_id)
    if person is None:
        raise NotFound(f"there is no recipient {external_id}")
    entered = entries.of_recipient(tx, person.id)
    teller = _Teller(installation, jobs.by_ids(tx, {row.job_id for row in entered}))
    told: list[tuple[Callable[[Record], Iterator[Item]], Any]] = [
        (_person, [person]),
        (_merged, merges.into(tx, person.id)),
        (_consent, consents.of_recipient(tx, person.id)),
        (_activity, activities.of_recipient(tx, person.id)),
        (teller.entry, entered),
        (teller.coupon, coupons.of_recipient(tx, person.id)),
        (teller.attempt, attempts.of_recipient(tx, person.id)),
        (teller.send, sends.of_recipient(tx, person.id)),
        (teller.event, events.of_recipient(tx, person.id)),
        (teller.redemption, redemptions.of_recipient(tx, person.id)),
    ]
    items = [item for tell, rows in told for row in rows for item in tell(row)]
    items.sort(key=lambda item: (item.at, _RANK[item.kind]))
    return Timeline(recipient=external_id, items=tuple(items))


_RANK: Final = {kind: rank for rank, kind in enumerate(get_args(Kind))}


def _known(**facts: Any) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}


def _person(row: Record) -> Iterator[Item]:
    yield Item(at=row.created_at, kind="recipient", text="The person is known from here on.")
    if row.erased_at is not None:
        yield Item(at=row.erased_at, kind="recipient", text="The person was erased.")


def _merged(row: Record) -> Iterator[Item]:
    yield Item(at=row.merged_at, kind="recipient", text="Another record of the person was merged into this one.")


_SAID: Final = {
    "requested": "Was asked to confirm",
    "granted": "Allowed",
    "withdrawn": "Withdrew",
    "objected": "Objected to",
}


def _consent(row: Record) -> Iterator[Item]:
    yield Item(
        at=row.at,
        kind="consent",
        text=f"{_SAID.get(row.action, row.action)} {row.purpose} on {row.channel}, told by {row.source}.",
        data=_known(
            channel=row.channel,
            purpose=row.purpose,
            action=row.action,
            source=row.source,
            text_version=row.text_version,
            actor=row.actor,
            recorded_at=row.recorded_at,
        ),
    )


def _activity(row: Record) -> Iterator[Item]:
    worth = f", worth {row.amount_minor} in minor units" if row.amount_minor is not None else ""
    currency = f" of {row.currency}" if worth and row.currency else ""
    yield Item(
        at=row.at,
        kind="activity",
        text=f"Did something elsewhere: {row.kind}{worth}{currency}.",
        data=_known(kind=row.kind, id=row.external_id, amount_minor=row.amount_minor, currency=row.currency),
    )


_TRIED: Final[Mapping[str, str]] = {
    "accepted": "the provider took it",
    "gone": "the provider says that the address is dead",
    "opted_out": "the provider says that the person wants no more messages",
    "transient": "the provider did not take it for now",
    "rate_limited": "the provider asked to slow down",
    "misconfigured": "the channel is set up wrongly",
    "unknown": "the provider's answer is missing, it was perhaps sent",
    "permanent": "the provider refused it for good",
}

_HAPPENED: Final[Mapping[str, str]] = {
    "accepted": "the provider reports that it accepted the message",
    "delivered": "the provider reports the delivery",
    "bounced": "the message bounced",
    "failed": "the provider gave the message up",
    "complained": "the person complained about it",
    "blocked": "it was refused because of us, not of the address",
    "delayed": "it is not delivered yet",
    "closed": "it was put away on a device",
    "replied": "the person wrote back",
    "opened": "it was opened, by the person or by a machine",
    "shown": "a device showed it",
    "unsubscribed": "the person unsubscribed",
    "returned": "the letter came back",
    "too_late": "it could not be stopped any more when the coupon was used",
}


class _Teller:
    """Tells the rows of the ledger, which know jobs by internal id alone."""

    def __init__(self, installation: Installation, job_of: Mapping[int, Job]) -> None:
        self._installation = installation
        self._job_of = job_of

    def _job(self, job_id: int | None) -> str | None:
        job = self._job_of.get(job_id) if job_id is not None else None
        return None if job is None else job.public_id

    def _step(self, row: Record) -> str:
        job = self._job_of.get(row.job_id)
        return f"Step {row.step + 1 if job is None else job.spec.steps[row.step].name}"

    def _of_send(self, row: Record, at: datetime, kind: Kind, sentence: str, data: dict[str, Any]) -> Item:
        key = SendKey(row.job_id, row.recipient_id, row.run, row.step, row.channel)
        return Item(
            at=at,
            kind=kind,
            text=f"{self._step(row)} on {row.channel}: {sentence}.",
            job=self._job(row.job_id),
            send=send_id(self._installation, key),
            data=data | {"step": row.step + 1, "channel": row.channel},
        )

    def entry(self, row: Record) -> Iterator[Item]:
        job = self._job_of.get(row.job_id)
        name = f" {job.spec.name}" if job else ""
        end = "is still in it" if row.ended is None else f"it ended, because {why(row.ended)}"
        yield Item(
            at=row.entered_at,
            kind="entry",
            text=f"Entered the job{name}; {end}.",
            job=self._job(row.job_id),
            data=_known(run=row.run, step=row.step + 1, arm=row.arm, ended=row.ended, next_at=row.next_at),
        )

    def coupon(self, row: Record) -> Iterator[Item]:
        until = f", valid until {row.valid_until:%Y-%m-%d %H:%M} UTC" if row.valid_until else ""
        job = self._job_of.get(row.job_id)
        offer = job.offers.get(row.offer_id) if job else None
        yield Item(
            at=row.published_at,
            kind="coupon",
            text=f"Got the coupon ending in {row.code[-4:]}{until}.",
            job=self._job(row.job_id),
            data=_known(
                code=row.code[-4:],
                offer=offer.key if offer else None,
                valid_from=row.valid_from,
                valid_until=row.valid_until,
                void_at=row.void_at,
            ),
        )

    def attempt(self, row: Record) -> Iterator[Item]:
        code = f" ({row.code})" if row.code else ""
        data = _known(outcome=row.outcome, code=row.code, detail=row.detail, provider_id=row.provider_id)
        yield self._of_send(row, row.at, "attempt", f"{_TRIED.get(row.outcome, row.outcome)}{code}", data)

    def send(self, row: Record) -> Iterator[Item]:
        rejected = [parts(each) for each in (row.trace or "").split(",") if each]
        instead = [f"{channel} was refused, because {why(reason or '')}" for channel, reason in rejected]
        reason, rule = parts(row.reason)
        sentence = "; ".join([stands(row.state, row.reason, row.due_at), *instead])
        data = _known(
            state=row.state,
            reason=reason or None,
            rule=rule,
            purpose=row.purpose,
            due_at=row.due_at,
            expires_at=row.expires_at,
            rejected=[{"channel": channel, "reason": reason} for channel, reason in rejected] or None,
        )
        yield self._of_send(row, row.changed_at, "send", sentence, data)

    def event(self, row: Record) -> Iterator[Item]:
        """A redemption is told by its own row."""
        if row.type == "redeemed":
            return
        if row.type == "yielded":
            yield self._yielded(row)
            return
        by = (row.data or {}).get("by")
        words = _HAPPENED.get(row.type, row.type)
        if row.type == "clicked":
            words = "a program followed a link" if by in events.PROGRAMS else "a link was followed"
        if row.type == "opened" and by in events.PROGRAMS:
            words = "a program loaded the pictures"
        data = _known(type=row.type, code=row.code, detail=row.detail, by=by, link=(row.data or {}).get("link"))
        if row.channel is None:
            yield Item(at=row.at, kind="event", text=f"{words.capitalize()}.", job=self._job(row.job_id), data=data)
        else:
            yield self._of_send(row, row.at, "event", f"{words} ({row.code})" if row.code else words, data)

    def _yielded(self, row: Record) -> Item:
        """Only the names of jobs that the person is in too are known here."""
        to, rule = (row.data or {}).get("to"), (row.data or {}).get("rule")
        name = next((f" {job.spec.name}" for job in self._job_of.values() if job.public_id == to), "")
        under = f" under the frequency cap ({rule})" if rule else ""
        sentence = f"it gave way to the more important job{name}{under}"
        return self._of_send(row, row.at, "event", sentence, _known(type=row.type, to=to, rule=rule))

    def redemption(self, row: Record) -> Iterator[Item]:
        worth = f" for an order of {row.order_minor} in minor units of {row.currency}" if row.order_minor else ""
        did = f"Redeemed the coupon ending in {row.code[-4:]}{worth}."
        undid = f"The use of the coupon ending in {row.code[-4:]} was taken back."
        yield Item(
            at=row.at,
            kind="redemption",
            text=did if row.reverses is None else undid,
            job=self._job(row.job_id),
            data=_known(
                id=row.public_id,
                code=row.code[-4:],
                order_id=row.order_id,
                order_minor=row.order_minor,
                discount_minor=row.discount_minor,
                currency=row.currency,
                place=row.place,
                client=row.client,
                reverses=row.reverses,
                reason=row.reason,
            ),
        )
