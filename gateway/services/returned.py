"""Returned mail: on record once, its address left alone, its slot kept: it was in the post. Its coupon stays valid."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from gateway.contract import EventType
from gateway.domain.address import BadAddress, normalise
from gateway.domain.returned import DEAD, OF_THE_PLACE, PATIENCE, ReturnInput, Why
from gateway.domain.states import State
from gateway.domain.words import EntryKey, SendKey
from gateway.services.announce import move_sends
from gateway.services.csv_rows import CsvPage
from gateway.services.follow import fall_back
from gateway.services.installation import Installation
from gateway.services.ndjson import Line, RowError, decoded, refined
from gateway.services.opt_out import opt_out
from gateway.services.printing import key_of
from gateway.services.problems import Conflict, Invalid, NotFound, Problem
from gateway.services.stop import end_entries
from gateway.services.whereabouts import held
from gateway.storage import audit, batch_parts, batches, clock, entries, events, recipients, returns, suppressions
from gateway.storage.database import Transaction
from gateway.storage.events import NewEvent
from gateway.storage.sends import Move
from gateway.storage.types import Record

DECEASED: Final = "deceased"
_SOURCE: Final = "returned_mail"


class Return(Struct, frozen=True, kw_only=True):
    """A piece that came back. `recipient` is None for a seed; `is_new` is false where it was on record already."""

    batch: str
    sequence: int
    reason: Why
    recipient: str | None
    is_new: bool
    suppressed: bool
    """Whether the person gets no more letters at this address because of it."""


class Told(Struct, frozen=True, kw_only=True):
    """What became of many: `recorded` are new, `known` were on record, `seeds` the sender's own."""

    recorded: int = 0
    known: int = 0
    seeds: int = 0
    suppressed: int = 0
    errors: tuple[RowError, ...] = ()


class ToReview(Struct, frozen=True, kw_only=True):
    """A new address that the post told of, for somebody to look at."""

    recipient: str
    reason: str
    at: datetime
    address: dict[str, str]


def record(tx: Transaction, installation: Installation, said: ReturnInput, actor: str) -> Return:
    """Put a returned piece on record; again changes nothing.

    Raises NotFound for a piece that there is not, Conflict for one that is not in the post, Invalid for a new address
    that is none.
    """
    fields = _new_address(said)
    public_id, sequence = said.place
    batch = batches.get(tx, public_id)
    if batch is None:
        raise NotFound(f"there is no batch {public_id}")
    if batch.state not in ("handed_over", "mailed"):
        raise Conflict(f"batch {public_id} is {batch.state}: nothing of it is in the post")
    item = batches.at_sequence(tx, batch.id, [sequence]).get(sequence)
    if item is None:
        return _seed(tx, batch, sequence, said.reason)
    key = held(tx, key_of(item, batch.channel))
    now = clock.now(tx).business
    new = NewEvent(
        type=EventType.RETURNED,
        recipient_id=key.recipient_id,
        at=min(said.at or now, now),
        send=key,
        dedupe_key=f"returned:{public_id}:{sequence}",
        code=said.reason,
        data={"address_id": item.address_id} | ({"new_address": fields} if fields else {}),
    )
    is_new = events.add(tx, new, now)
    suppressed = is_new and _heed(tx, installation, key, item.address_id, said.reason, now)
    if is_new:
        audit.add(tx, actor, "letter.returned", audit.person(key.recipient_id), {"reason": said.reason})
    return Return(
        batch=public_id,
        sequence=sequence,
        reason=said.reason,
        recipient=recipients.profiles(tx, [key.recipient_id])[key.recipient_id].external_id,
        is_new=is_new,
        suppressed=suppressed,
    )


def _new_address(said: ReturnInput) -> dict[str, str] | None:
    if said.address is None:
        return None
    try:
        return dict(normalise(said.address).data)
    except BadAddress as error:
        pointer, detail = refined("/address", str(error))
        raise Invalid([Problem(pointer=pointer, detail=detail)]) from None


def _seed(tx: Transaction, batch: Record, sequence: int, reason: Why) -> Return:
    parts = batch_parts.of_batches(tx, [batch.id])[batch.id]
    if all(sequence != seed for part in parts for seed, _ in part.seeds):
        raise NotFound(f"batch {batch.public_id} has no piece {sequence}")
    return Return(
        batch=batch.public_id, sequence=sequence, reason=reason, recipient=None, is_new=False, suppressed=False
    )


def _heed(
    tx: Transaction, installation: Installation, key: SendKey, address_id: int | None, reason: Why, now: datetime
) -> bool:
    """What follows for the send, and for the person's address. Returns whether no more letters go there."""
    moved = move_sends(tx, [Move(key, State.RETURNED, reason=reason, keep_cap=True)], now)
    if reason == DECEASED:
        _bury(tx, installation, key, now)
    fall_back(tx, moved, now)
    if reason not in DEAD and returns.count(tx, key.recipient_id, address_id, DEAD) < PATIENCE:
        return False
    if not address_id:
        # The channel takes the person's own id for the address: there is none to leave alone.
        return False
    if reason not in OF_THE_PLACE and recipients.has_neighbours(tx, address_id):
        # The letter box is somebody else's too: they go on, this person does not.
        purposes = {(key.recipient_id, key.channel, purpose) for purpose in installation.policies.purposes}
        opt_out(tx, installation, purposes, f"{_SOURCE}:{reason}", now)
    else:
        suppressions.add_addresses(tx, [address_id], "returned", f"{_SOURCE}:{reason}", now)
    return True


def _bury(tx: Transaction, installation: Installation, key: SendKey, now: datetime) -> None:
    """Nothing goes to somebody who is dead, on any channel; their letter box may be somebody else's."""
    own = [row for row in recipients.addresses_of(tx, key.recipient_id) if row.kind != "postal"]
    suppressions.add(tx, [(row.kind, row.hash) for row in own], DECEASED, _SOURCE, now)
    rows = entries.of_recipient(tx, key.recipient_id)
    end_entries(tx, [EntryKey(row.job_id, row.recipient_id, row.run) for row in rows], DECEASED, now)


def record_page(tx: Transaction, installation: Installation, page: Sequence[Line] | CsvPage, actor: str) -> Told:
    """Put a page of returned pieces on record. A line that cannot be is told, and stops no other."""
    lines = page.lines if isinstance(page, CsvPage) else page
    decoder = msgspec.json.Decoder(ReturnInput)
    found: list[Return] = []
    errors: list[RowError] = []
    for line in lines:
        said = decoded(line, decoder)
        if isinstance(said, RowError):
            errors.append(said)
            continue
        try:
            found.append(record(tx, installation, said, actor))
        except (NotFound, Conflict) as error:
            errors.append(RowError(line=line[0], pointer="", detail=str(error)))
        except Invalid as error:
            [problem] = error.problems
            errors.append(RowError(line=line[0], pointer=problem.pointer, detail=problem.detail))
    if isinstance(page, CsvPage):
        errors = [*page.errors, *map(page.named, errors)]
    return Told(
        recorded=sum(each.is_new for each in found),
        known=sum(not each.is_new and each.recipient is not None for each in found),
        seeds=sum(each.recipient is None for each in found),
        suppressed=sum(each.suppressed for each in found),
        errors=tuple(sorted(errors, key=lambda error: error.line)),
    )


def to_review(tx: Transaction, limit: int = 200) -> list[ToReview]:
    """New addresses that the post told of, the newest first."""
    return [
        ToReview(recipient=row.external_id, reason=row.code or "", at=row.at, address=row.data["new_address"])
        for row in returns.with_address(tx, limit)
    ]
