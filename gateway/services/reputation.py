"""The reputation of senders: counted with what happens, judged where something bad was counted, held and released.

A message counts in the hour in which it was accepted, whenever its report comes: so a share is of the same messages
above and below the line, and complaints about last month's mailing say nothing of this week's.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal

import structlog
from msgspec import Struct

from gateway.contract import EventType, ProviderEvent
from gateway.domain import reputation
from gateway.domain.policy import LONGEST_WINDOW
from gateway.domain.reputation import Counts, Judgement, Sender, Standing, begin_of, hour_of, rate
from gateway.domain.states import State
from gateway.domain.words import SHARDS, SendKey, shard_of
from gateway.services.announce import announce_sender
from gateway.services.installation import Installation
from gateway.services.problems import NotFound
from gateway.services.rules import purpose_of
from gateway.storage import attempts, audit, clock, events, jobs, locks
from gateway.storage import senders as storage
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job
from gateway.storage.senders import Counted
from gateway.storage.sends import Move
from gateway.storage.types import Record

log: Any = structlog.get_logger()

Count = Literal["accepted", "delivered", "bounced", "gone", "blocked", "complained"]
_COUNTED: Final[Mapping[EventType, Count]] = {
    EventType.DELIVERED: "delivered",
    EventType.BOUNCED: "bounced",
    EventType.BLOCKED: "blocked",
    EventType.COMPLAINED: "complained",
}
_BAD: Final = frozenset[Count]({"gone", "blocked", "complained"})
"""What may bring a sender into trouble, and is judged at once."""


def sender_of(key: SendKey, job: Job) -> Sender:
    return Sender(key.channel, job.spec.brand_on(key.step, key.channel) or "")


class Tally:
    """What one transaction adds to the counts of senders. It is put down once, at the transaction's end."""

    def __init__(self) -> None:
        self._new: dict[tuple[Sender, int, datetime], Counter[Count]] = {}

    def add(self, sender: Sender, shard: int, accepted_at: datetime, what: Count, count: int = 1) -> None:
        self._new.setdefault((sender, shard % storage.STRIPES, accepted_at), Counter())[what] += count

    def note(self, tx: Transaction, key: SendKey, event: ProviderEvent, now: datetime) -> None:
        """Count a report that was put on record just now: each message once for each thing that can happen to it."""
        what = _COUNTED.get(event.type)
        if what is not None and events.is_first(tx, key, event.type):
            self.count(tx, key, what, now)
            if event.address_gone and what == "bounced":
                self.count(tx, key, "gone", now)

    def count(self, tx: Transaction, key: SendKey, what: Count, now: datetime) -> None:
        """Count one message of a send; where nobody knows when it was accepted, as of now."""
        job = jobs.by_ids(tx, [key.job_id])[key.job_id]
        at = attempts.accepted_at(tx, key) or now
        self.add(sender_of(key, job), shard_of(key.recipient_id), at, what)

    def put(self, tx: Transaction, installation: Installation) -> None:
        """Write it down, and judge the senders of which there is bad news."""
        storage.add(tx, list(self._rows()))
        bad = {sender for (sender, _, _), counts in self._new.items() if _BAD & counts.keys()}
        for sender in sorted(bad):
            judge(tx, installation, sender)

    def _rows(self) -> Iterator[Counted]:
        for (sender, stripe, at), counts in self._new.items():
            told = Counts(**{str(what): count for what, count in counts.items()})
            yield Counted(sender.channel, sender.brand, stripe, hour_of(at), at, told)


def judge(tx: Transaction, installation: Installation, sender: Sender) -> None:
    """Tell of new troubles of a sender, and hold it where they are too many. Others who judge it wait meanwhile."""
    row = storage.hold_row(tx, sender)
    now = clock.now(tx).business
    judgement = _judged(installation, _standings(tx, installation, now, sender).get(sender, Standing()))
    told, rates = _alerts(row), judgement.rates
    if told == rates.keys() and not _is_to_be_held(row, judgement):
        return
    storage.change(tx, sender, {"alerts": ",".join(sorted(rates))})
    for trouble in sorted(rates.keys() - told):
        kind = "sender.blocked" if trouble == "blocks" else "sender.alert"
        announce_sender(tx, kind, sender, trouble, rates[trouble])
        log.warning(kind, channel=sender.channel, brand=sender.brand, reason=trouble, rate=round(rates[trouble], 5))
    if judgement.hold_for is not None and row.held_at is None:
        _hold(tx, sender, judgement.hold_for, rates[judgement.hold_for], now)


def _hold(tx: Transaction, sender: Sender, trouble: str, share: float, now: datetime) -> None:
    storage.change(tx, sender, {"held_at": now, "held_for": trouble})
    audit.add(tx, "gateway", "sender.held", f"sender:{sender.name}", {"reason": trouble, "rate": round(share, 5)})
    announce_sender(tx, "sender.held", sender, trouble, share)
    log.error("sender.held", channel=sender.channel, brand=sender.brand, reason=trouble, rate=round(share, 5))


def _standings(
    tx: Transaction, installation: Installation, now: datetime, sender: Sender | None = None
) -> Mapping[Sender, Standing]:
    policy = installation.policies.reputation
    return storage.standings(tx, begin_of(policy.window, now), begin_of(policy.blocks_window, now), sender)


def _judged(installation: Installation, standing: Standing) -> Judgement:
    return reputation.judge(installation.policies.reputation, standing)


def _alerts(row: Record | None) -> frozenset[str]:
    return frozenset(row.alerts.split(",")) if row is not None and row.alerts else frozenset()


def _is_to_be_held(row: Record | None, judgement: Judgement) -> bool:
    return judgement.hold_for is not None and (row is None or row.held_at is None)


def judge_all(tx: Transaction, installation: Installation) -> int:
    """Judge the senders whose standing is no longer what is noted: by new messages, or by the hours that went by.

    Returns how many.
    """
    found = _standings(tx, installation, clock.now(tx).business)
    rows = storage.states(tx)
    changed = 0
    for sender in sorted({*found, *rows}):
        judgement, row = _judged(installation, found.get(sender, Standing())), rows.get(sender)
        if _alerts(row) != judgement.rates.keys() or _is_to_be_held(row, judgement):
            judge(tx, installation, sender)
            changed += 1
    return changed


def waiting(tx: Transaction, installation: Installation, channel: str, going: Mapping[SendKey, Job]) -> list[Move]:
    """Of sends that are due on a channel, what becomes of those whose sender is held: put aside until its release.

    What people cannot unsubscribe from (receipts, codes) goes on. No other channel is tried: they are put off, and
    not refused.
    """
    held = storage.held_brands(tx, channel) if going else ()
    return [
        Move(key, State.QUEUED, reason=storage.HELD, keep_cap=True)
        for key, job in going.items()
        if held and sender_of(key, job).brand in held and purpose_of(installation, job.spec).unsubscribe
    ]


def release(tx: Transaction, sender: Sender, actor: str) -> None:
    """Let a held sender send again; what was accepted before is judged no more. Raises NotFound for an unknown one."""
    # A claim puts sends aside under its shard's lock: none may do so behind our back.
    locks.lock_shards(tx, range(SHARDS))
    if sender not in storage.states(tx):
        raise NotFound(f"no sender {sender.name} was ever held")
    if storage.hold_row(tx, sender).held_at is None:
        return
    now = clock.now(tx).business
    freed = {"held_at": None, "held_for": None, "alerts": "", "released_at": now, "released_by": actor}
    storage.change(tx, sender, freed)
    storage.wake(tx, sender.channel, now)
    audit.add(tx, actor, "sender.released", f"sender:{sender.name}")
    announce_sender(tx, "sender.released", sender)


class SenderState(Struct, frozen=True, kw_only=True):
    """A sender: a channel as one of its brands, or (`brand` is None) as itself; and how its messages were received.

    The counts are of messages accepted in the window of the policies, since the last release; reports of each are
    counted whenever they come. `gone` are those of the `bounced` whose address is dead. `complaint_rate`,
    `bounce_rate` (of `gone`) and `block_rate` are shares of `accepted`, the last one of the window for blocks; None
    where nothing was accepted. `alerts` are the troubles of which somebody was told and that last. `held`: its
    messages wait, those excepted that people cannot unsubscribe from, until somebody releases it.
    """

    channel: str
    brand: str | None
    state: Literal["well", "alert", "held"]
    alerts: tuple[str, ...]
    held_at: datetime | None
    held_for: str | None
    released_at: datetime | None
    accepted: int
    delivered: int
    bounced: int
    gone: int
    blocked: int
    complained: int
    complaint_rate: float | None
    bounce_rate: float | None
    block_rate: float | None


def all_of_them(tx: Transaction, installation: Installation) -> list[SenderState]:
    """Those that have sent in the window, or were ever in trouble, by channel and brand."""
    found, rows = _standings(tx, installation, clock.now(tx).business), storage.states(tx)
    return [_state(sender, found.get(sender, Standing()), rows.get(sender)) for sender in sorted({*found, *rows})]


def state_of(tx: Transaction, installation: Installation, sender: Sender) -> SenderState:
    found = _standings(tx, installation, clock.now(tx).business, sender)
    return _state(sender, found.get(sender, Standing()), storage.states(tx).get(sender))


def _state(sender: Sender, standing: Standing, row: Record | None) -> SenderState:
    counts, lately = standing
    alerts = tuple(sorted(_alerts(row)))
    is_held = row is not None and row.held_at is not None
    return SenderState(
        channel=sender.channel,
        brand=sender.brand or None,
        state="held" if is_held else "alert" if alerts else "well",
        alerts=alerts,
        held_at=row.held_at if row else None,
        held_for=row.held_for if row else None,
        released_at=row.released_at if row else None,
        **counts._asdict(),
        complaint_rate=_share(counts.complained, counts.accepted),
        bounce_rate=_share(counts.gone, counts.accepted),
        block_rate=_share(lately.blocked, lately.accepted),
    )


def _share(count: int, accepted: int) -> float | None:
    share = rate(count, accepted)
    return None if share is None else round(share, 6)


def forget(tx: Transaction) -> int:
    """Drop counts that no window reaches any more. Returns how many rows."""
    return storage.forget(tx, begin_of(LONGEST_WINDOW, clock.now(tx).business))
