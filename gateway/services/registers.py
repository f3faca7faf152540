"""Opposition registers: what they said of addresses, and which addresses they must be asked about."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

import msgspec
from msgspec import Struct

from gateway.domain.address import BadAddress, normalise
from gateway.domain.policy import Policies, Register
from gateway.domain.recipient import AddressInput
from gateway.domain.wall_time import instant
from gateway.services.bulk import PageResult
from gateway.services.csv_rows import CsvPage
from gateway.services.installation import Installation
from gateway.services.ndjson import Line, RowError, decoded, refined
from gateway.services.problems import Conflict, NotFound
from gateway.storage import audit, clock, screenings
from gateway.storage.database import Transaction
from gateway.storage.screenings import Asked, Counts, Screening

STALE_KEPT: Final = timedelta(days=90)
"""So long an answer that no longer holds is told apart from none at all."""


class BadDay(ValueError):
    """A day on which no screening can have been made that still holds; the text says why."""


class ScreeningInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a register said of one address. `name` is taken, because lines to screen have it; nothing rests on it."""

    address: AddressInput
    listed: bool
    name: str | None = None


class ToScreen(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An address that a register must be asked about, with its owner's name where the address has none of its own.

    Together with `listed` the same line is what an upload takes.
    """

    address: AddressInput
    name: str | None = None


class RegisterState(Struct, frozen=True, kw_only=True):
    """A register, and how the addresses stand that it is asked about.

    These are the addresses in use of people in its countries who could be written to without their own consent:
    `cleared`, `listed`, `stale` (asked too long ago), `never` asked. The last two count as not cleared. All are
    None where no channel of the register is ready, so that nobody knows which addresses it is about.
    """

    name: str
    countries: tuple[str, ...]
    channels: tuple[str, ...]
    purposes: tuple[str, ...]
    valid_for: timedelta
    source: str
    read_on: date | None
    cleared: int | None
    listed: int | None
    stale: int | None
    never: int | None


def find(policies: Policies, name: str) -> Register:
    """Raises NotFound."""
    for register in policies.registers:
        if register.name == name:
            return register
    known = ", ".join(register.name for register in policies.registers) or "none"
    raise NotFound(f"there is no register {name}; there is {known}, as in policies.toml and the packs of the countries")


def all_of_them(tx: Transaction, installation: Installation) -> list[RegisterState]:
    """In the order of the settings."""
    now = clock.now(tx).business
    return [_state(tx, installation, register, now) for register in installation.policies.registers]


def _state(tx: Transaction, installation: Installation, register: Register, now: datetime) -> RegisterState:
    is_known = bool(kinds_of(installation, register))
    counts = screenings.counts(tx, register.name, _asked(installation, register), now) if is_known else None
    own = {field: getattr(register, field) for field in Register.__struct_fields__}
    return RegisterState(**own, **(counts._asdict() if counts else dict.fromkeys(Counts._fields)))


def kinds_of(installation: Installation, register: Register) -> frozenset[str]:
    """The kinds of address that its channels write to; of channels that are not ready nobody knows."""
    ready = (installation.channels.get(channel) for channel in register.channels)
    return frozenset(capabilities.address_kind for capabilities in ready if capabilities)


def _asked(installation: Installation, register: Register) -> list[Asked]:
    """Where the decision asks the register: wherever no consent is needed, unless the purpose needs none at all."""
    policies = installation.policies
    return [
        Asked(country, installation.channels[channel].address_kind, channel, purpose)
        for channel in register.channels
        if channel in installation.channels
        for purpose, rules in policies.purposes.items()
        if register.covers(channel, purpose) and rules.basis_on(channel) != "none"
        for country in register.countries
        if _basis(policies, country, channel, purpose) != "opt_in"
    ]


def _basis(policies: Policies, country: str, channel: str, purpose: str) -> str:
    found = policies.purposes[purpose].basis_on(channel)
    for rule in policies.basis:
        if country in rule.countries and purpose in rule.purposes and (not rule.channels or channel in rule.channels):
            found = rule.basis
    return found


# Uploading what a register said


def begin(tx: Transaction, installation: Installation, name: str, screened_on: date, actor: str) -> datetime:
    """Start an upload: the instant as of which its lines hold. Raises NotFound and BadDay.

    A day counts from its first instant in the installation's zone: no clearance lasts longer than it may.
    """
    register = find(installation.policies, name)
    now = clock.now(tx).business
    screened_at = _begins_at(installation, screened_on)
    if screened_at > now:
        raise BadDay(f"{screened_on} is in the future")
    if screened_at + register.valid_for <= now:
        days = register.valid_for / timedelta(days=1)
        raise BadDay(f"{screened_on} is too long ago: a screening of {name} holds for {days:g} days")
    audit.add(tx, actor, "register.screening", f"register:{name}", {"screened_on": screened_on.isoformat()})
    return screened_at


def _begins_at(installation: Installation, day: date) -> datetime:
    """The first instant of a day in the installation's zone."""
    try:
        return instant(datetime.combine(day, time()), installation.policies.default_zone)
    except OverflowError:
        # East of Greenwich the calendar's first day begins before the calendar does.
        raise BadDay(f"{day} is at the end of the calendar") from None


def write_page(
    tx: Transaction, installation: Installation, name: str, screened_at: datetime, page: Sequence[Line] | CsvPage
) -> PageResult:
    """Keep what a page says, at most 1000 lines. A line that cannot be read is reported and stops no other.

    Errors in CSV name the column where those in JSON have a pointer. Raises NotFound.
    """
    if not isinstance(page, CsvPage):
        return _write_lines(tx, installation, name, screened_at, page)
    found = _write_lines(tx, installation, name, screened_at, page.lines)
    errors = sorted([*page.errors, *map(page.named, found.errors)], key=lambda error: error.line)
    return PageResult(written=found.written, errors=tuple(errors))


def _write_lines(
    tx: Transaction, installation: Installation, name: str, screened_at: datetime, lines: Sequence[Line]
) -> PageResult:
    """Of an address only its keyed hash is kept. Said twice in a page, `listed` counts."""
    register = find(installation.policies, name)
    kinds = kinds_of(installation, register)
    listed: dict[tuple[str, str], bool] = {}
    errors: list[RowError] = []
    decoder = msgspec.json.Decoder(ScreeningInput)
    for line in lines:
        row = decoded(line, decoder)
        said = row if isinstance(row, RowError) else _place(installation, kinds, line[0], row.address)
        if isinstance(said, RowError):
            errors.append(said)
        elif isinstance(row, ScreeningInput):
            listed[said] = listed.get(said, False) or row.listed
    until = screened_at + register.valid_for
    screenings.put(tx, [Screening(*key, name, is_listed, screened_at, until) for key, is_listed in listed.items()])
    return PageResult(written=len(lines) - len(errors), errors=tuple(errors))


def _place(
    installation: Installation, kinds: frozenset[str], line: int, address: AddressInput
) -> tuple[str, str] | RowError:
    """Kind and keyed hash of an address that the register is about."""
    try:
        if kinds and address.kind not in kinds:
            raise BadAddress(f"kind: the register is about {', '.join(sorted(kinds))}")
        place = normalise(address)
    except BadAddress as error:
        where, what = refined("/address", str(error))
        return RowError(line=line, pointer=where, detail=what)
    return place.kind, installation.keys.hash_address(place.kind, place.match_key)


def end(tx: Transaction, name: str, written: int, refused: int, actor: str) -> None:
    """Note how an upload went."""
    audit.add(tx, actor, "register.screened", f"register:{name}", {"written": written, "refused": refused})


def forget(tx: Transaction) -> int:
    """Drop answers that have been stale for long: whoever they were about was never asked about then. How many."""
    return screenings.forget(tx, clock.now(tx).business - STALE_KEPT)


# Which addresses to ask about


class Page(Struct, frozen=True, kw_only=True):
    """Lines without their line breaks, and where to go on; None where nothing is left."""

    lines: tuple[bytes, ...]
    after: int | None


def begin_export(tx: Transaction, installation: Installation, name: str, within: timedelta, actor: str) -> datetime:
    """Start handing out addresses: those whose clearance does not last until the answer. Raises NotFound, Conflict."""
    register = find(installation.policies, name)
    if not kinds_of(installation, register):
        channels = ", ".join(register.channels)
        raise Conflict(f"nobody knows which addresses {name} is about: none of its channels is ready ({channels})")
    audit.add(tx, actor, "register.exported", f"register:{name}", {"within_days": within.days})
    return clock.now(tx).business + within


def export(
    tx: Transaction, installation: Installation, name: str, until: datetime, after: int = 0, limit: int = 1000
) -> Page:
    """The next page of addresses to ask about, a JSON object each (`ToScreen`). Raises NotFound."""
    register = find(installation.policies, name)
    found = screenings.unscreened(tx, name, _asked(installation, register), until, after, limit)
    lines = (
        ToScreen(
            # The value of a postal address follows from its lines.
            address=AddressInput(kind=row.kind, value="" if row.kind == "postal" else row.value, data=row.data),
            name=None if row.data.get("name") else row.name or None,
        )
        for row in found
    )
    return Page(lines=tuple(map(_line, lines)), after=found[-1].id if len(found) == limit else None)


def _line(row: ToScreen) -> bytes:
    """Equal rows make equal lines, whichever database they come from."""
    return msgspec.json.encode(row, order="deterministic")
