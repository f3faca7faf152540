"""Uses that tills without a network tell of afterwards: each line once, whatever comes of it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct, structs

from gateway.domain.coupon import normalised
from gateway.domain.redemption import Refusal, Use
from gateway.domain.tokens import fingerprint
from gateway.domain.words import refuse_nul, shard_of
from gateway.services.csv_rows import CsvPage
from gateway.services.ndjson import Line, RowError, decoded
from gateway.services.redeem import redeem
from gateway.services.validate import Refused, Validity, unknown
from gateway.storage import audit, clock, locks, till_lines
from gateway.storage.database import Transaction
from gateway.storage.till_lines import NewLine, Wanted
from gateway.storage.types import Record

AT_ONCE: Final = 20
"""Lines in one transaction: it holds up the other tills for as long as it takes."""
SKEW: Final = timedelta(minutes=5)
"""So far the clock of a till may be ahead."""

Outcome = Literal[
    "redeemed",
    "double_use",
    "expired_at_use",
    "not_yet_valid",
    "unknown",
    "mistyped",
    "specimen",
    "void",
    "not_active",
    "held",
    "wrong_person",
    "limit_reached",
    "budget",
    "order_unknown",
    "order_too_small",
    "wrong_currency",
    "no_product",
    "balance",
    "in_future",
    "line_reused",
    "unreadable",
]
"""What came of a line. `double_use`: the coupon was used up by another; `line_reused`: the till told something else
under the same name before; `unreadable`: the line is not a use at all."""

_OF_REFUSAL: Final[Mapping[Refusal, Outcome]] = {
    "not_found": "unknown",
    "mistyped": "mistyped",
    "specimen": "specimen",
    "redeemed": "double_use",
    "void": "void",
    "not_active": "not_active",
    "not_yet_valid": "not_yet_valid",
    "expired": "expired_at_use",
    "held": "held",
    "wrong_person": "wrong_person",
    "limit_reached": "limit_reached",
    "budget": "budget",
    "order_unknown": "order_unknown",
    "order_too_small": "order_too_small",
    "wrong_currency": "wrong_currency",
    "no_product": "no_product",
    "balance": "balance",
}
_OPEN: Final = frozenset[Outcome]({"in_future", "held", "not_active"})
"""Of these time alone may make something else: such a line is judged anew when it comes again."""


class TillLine(Use, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A use at a till without a network, at the instant `at`. `till` and `line` together name it for good."""

    till: Annotated[str, Meta(min_length=1, max_length=64)]
    line: Annotated[str, Meta(min_length=1, max_length=64)]
    code: Annotated[str, Meta(min_length=1, max_length=64)]
    at: datetime

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_nul(line=self.line, code=self.code)
        if self.at.tzinfo is None:
            raise ValueError("at: needs a time zone, such as 2026-05-01T10:00:00Z")


class FirstUse(Struct, frozen=True, kw_only=True):
    """The use of the coupon that was on record before."""

    redemption: str
    at: datetime
    place: str | None
    till: str | None


class Answered(Struct, frozen=True, kw_only=True):
    """What came of a use that a till told. `ending` is the end of the code.

    `is_earlier`: the till's use was earlier than the `first_use` that stands, which only came in sooner.
    """

    outcome: Outcome
    till: str | None = None
    line: str | None = None
    at: datetime | None = None
    ending: str | None = None
    detail: str | None = None
    redemption: str | None = None
    first_use: FirstUse | None = None
    is_earlier: bool = False


class Told(Answered, frozen=True, kw_only=True):
    """What came of a line, by its number in the file. `replayed`: it was told before, and was answered like this."""

    row: int
    replayed: bool = False


class Conflict(Answered, frozen=True, kw_only=True):
    """A use that came to nothing: a customer had something for it, and somebody has to decide who bears that."""

    client: str
    received_at: datetime


class ConflictPage(Struct, frozen=True, kw_only=True):
    """Conflicts, the last that came in first. `after` is where to go on; None where nothing is left."""

    conflicts: tuple[Conflict, ...]
    after: int | None


class Lot(Struct, frozen=True, kw_only=True):
    """Lines that go in together, and those between them that are none."""

    lines: tuple[Line, ...]
    errors: tuple[RowError, ...] = ()


def lots(page: Sequence[Line] | CsvPage) -> Iterator[Lot]:
    """A page in lots of AT_ONCE, in the order of the file."""
    errors = page.errors if isinstance(page, CsvPage) else []
    lines = page.lines if isinstance(page, CsvPage) else page
    numbered: list[Line | RowError] = sorted([*lines, *errors], key=_number)
    for start in range(0, len(numbered), AT_ONCE):
        some = numbered[start : start + AT_ONCE]
        yield Lot(
            lines=tuple(each for each in some if not isinstance(each, RowError)),
            errors=tuple(each for each in some if isinstance(each, RowError)),
        )


def _number(each: Line | RowError) -> int:
    return each.line if isinstance(each, RowError) else each[0]


def take_in(tx: Transaction, lot: Lot, client: str) -> list[Told]:
    """Redeem what tills tell, in its order. Nothing that one line says stops another.

    Whoever comes in first has the coupon, wherever it was used first. A line again with the same content changes
    nothing and is answered as before.
    """
    decoder = msgspec.json.Decoder(TillLine)
    told = [_unreadable(error) for error in lot.errors]
    uses: list[_Use] = []
    for line in lot.lines:
        row = decoded(line, decoder)
        if isinstance(row, RowError):
            told.append(_unreadable(row))
        else:
            uses.append(_Use(line[0], row, normalised(row.code), _fingerprint(row)))
    if uses:
        told += _settled(tx, uses, client)
    return sorted(told, key=lambda each: each.row)


def _unreadable(error: RowError) -> Told:
    where = error.pointer.lstrip("/")
    return Told(row=error.line, outcome="unreadable", detail=f"{where}: {error.detail}" if where else error.detail)


def conflicts(tx: Transaction, wanted: Wanted, before_id: int | None, limit: int) -> ConflictPage:
    rows = till_lines.conflicts(tx, wanted, before_id, limit + 1)
    shown = rows[:limit]
    return ConflictPage(
        conflicts=tuple(Conflict(client=row.client, received_at=row.received_at, **_answered(row)) for row in shown),
        after=shown[-1].id if len(rows) > limit else None,
    )


def end(tx: Transaction, received: int, redeemed: int, client: str) -> None:
    """Note how an upload went."""
    audit.add(tx, client, "till_lines.uploaded", "till_lines", {"received": received, "redeemed": redeemed})


_REUSED: Final = "The till told something else under this name before."
_AHEAD: Final = "It was not so late yet when this came in: the till's clock is ahead."
_Name = tuple[str, str]


class _Use(NamedTuple):
    row: int
    said: TillLine
    code: str
    fingerprint: bytes

    @property
    def name(self) -> _Name:
        return self.said.till, self.said.line


def _fingerprint(said: TillLine) -> bytes:
    """Equal uses have the same, however they are spelled."""
    fields = structs.asdict(said) | {"code": normalised(said.code), "at": said.at.astimezone(UTC)}
    given = {name: value for name, value in fields.items() if value is not None}
    return fingerprint(msgspec.json.encode(given, order="sorted"))


def _settled(tx: Transaction, uses: Sequence[_Use], client: str) -> list[Told]:
    now, coupons = _held(tx, uses, client)
    known = till_lines.find(tx, client, {use.name for use in uses})
    before = {name: {bytes(row.fingerprint): _before(row) for row in rows} for name, rows in known.items()}
    told: list[Told] = []
    new: dict[tuple[_Name, bytes], NewLine] = {}
    for use in uses:
        same_name = before.setdefault(use.name, {})
        same = same_name.get(use.fingerprint)
        if same is not None and same.outcome not in _OPEN:
            told.append(structs.replace(same, row=use.row, replayed=True))
            continue
        is_other = bool(same_name) and next(iter(same_name)) != use.fingerprint
        if is_other:
            answer = _answer(use, "line_reused", detail=_REUSED)
        elif use.said.at > now + SKEW:
            answer = _answer(use, "in_future", detail=_AHEAD)
        elif use.code not in coupons:
            answer = _refused(tx, use, unknown(use.code))
        else:
            answer = _tried(tx, use, client)
        told.append(answer)
        same_name[use.fingerprint] = answer
        new[use.name, use.fingerprint] = _kept(use, answer, client, now)
    till_lines.put(tx, list(new.values()))
    return told


def _held(tx: Transaction, uses: Sequence[_Use], client: str) -> tuple[datetime, frozenset[str]]:
    """All locks at once, in the one order: tills by name, people, offers.

    So a file that comes twice at once goes in once, and two files never wait for each other. Returns business time
    as of then, and which of the codes are coupons at all.
    """
    for name in sorted({use.said.till for use in uses}):
        locks.lock_name(tx, f"till\0{client}\0{name}")
    owners = till_lines.owners_of(tx, {use.code for use in uses})
    locks.lock_shards(tx, {shard_of(recipient_id) for recipient_id, _ in owners.values()})
    till_lines.lock_offers(tx, {offer_id for _, offer_id in owners.values()})
    return clock.now(tx).business, frozenset(owners)


def _tried(tx: Transaction, use: _Use, client: str) -> Told:
    try:
        with tx.begin_nested():
            done = redeem(tx, use.said.code, use.said, client, at=use.said.at)
    except Refused as refused:
        return _refused(tx, use, refused.validity)
    return _answer(use, "redeemed", redemption=done.id)


def _refused(tx: Transaction, use: _Use, validity: Validity) -> Told:
    outcome, detail = _OF_REFUSAL[validity.reasons[0]], validity.detail
    first = till_lines.standing(tx, use.code) if outcome == "double_use" else None
    if first is None:
        return _answer(use, outcome, detail=detail)
    first_use = FirstUse(redemption=first.public_id, at=first.at, place=first.place, till=first.till)
    return _answer(use, outcome, detail=detail, first_use=first_use, is_earlier=use.said.at < first.at)


def _answer(use: _Use, outcome: Outcome, **more: Any) -> Told:
    said = use.said
    at = said.at.astimezone(UTC)
    return Told(row=use.row, outcome=outcome, till=said.till, line=said.line, at=at, ending=_ending(use.code), **more)


def _ending(code: str) -> str:
    return code[-4:]


def _before(row: Record) -> Told:
    return Told(row=0, **_answered(row))


def _answered(row: Record) -> dict[str, Any]:
    """What was answered, out of what is on record. Where a use was is gone when its owner was erased."""
    first_use = None
    if row.stands is not None and row.first_at is not None:
        first_use = FirstUse(redemption=row.stands, at=row.first_at, place=row.first_place, till=row.first_till)
    names = ("outcome", "till", "line", "at", "ending", "detail", "redemption", "is_earlier")
    return {name: getattr(row, name) for name in names} | {"first_use": first_use}


def _kept(use: _Use, told: Told, client: str, now: datetime) -> NewLine:
    return NewLine(
        client=client,
        till=use.said.till,
        line=use.said.line,
        fingerprint=use.fingerprint,
        at=use.said.at,
        received_at=now,
        ending=_ending(use.code),
        outcome=told.outcome,
        detail=told.detail,
        redemption=told.redemption,
        stands=None if told.first_use is None else told.first_use.redemption,
        is_earlier=told.is_earlier,
    )
