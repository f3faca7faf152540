"""How paper is gathered, mailed and kept: `[post]` of `policies.toml`."""

from datetime import timedelta
from typing import Annotated, Literal

from msgspec import Meta, Struct

from gateway.contract.postal import address_faults
from gateway.domain.cut_off import CutOff
from gateway.domain.words import CountryCode, Locale, refuse_endless

_Line = Annotated[str, Meta(max_length=200)]


class Seed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A letter box of the sender's own house, which gets a piece of every part: what the post makes of it is seen."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    street: Annotated[str, Meta(min_length=1, max_length=200)]
    city: Annotated[str, Meta(min_length=1, max_length=200)]
    country: CountryCode
    street2: _Line = ""
    postcode: _Line = ""
    region: _Line = ""
    locale: Locale | None = None

    def __post_init__(self) -> None:
        lines = {name: getattr(self, name) for name in ("street", "street2", "postcode", "city", "region", "country")}
        for fault in address_faults(lines):
            if fault.grave:
                raise ValueError(f"{fault.field}: {fault.text}")


class Post(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How paper is gathered, and how long it takes."""

    lead: timedelta = timedelta(days=2)
    """From the cut-off, or where there is none from gathering, to the planned mailing."""
    transit: timedelta = timedelta(days=3)
    """From mailing to the letter box."""
    cut_off: CutOff = CutOff()
    household: Literal["none", "address", "family"] = "none"
    """Whether a letter box, or a family at it, gets one piece of an offer only."""
    household_window: timedelta = timedelta(days=30)
    """For how long after a mailing the household gets no other piece of the same offer."""
    seeds: tuple[Seed, ...] = ()
    keep_files_for: timedelta = timedelta(days=90)
    """How long after the mailing print files are kept."""

    def __post_init__(self) -> None:
        if self.lead < timedelta(0) or self.transit < timedelta(0):
            raise ValueError("lead, transit: cannot be negative")
        if self.household_window < timedelta(0) or self.keep_files_for < timedelta(0):
            raise ValueError("household_window, keep_files_for: cannot be negative")
        refuse_endless(lead=self.lead, transit=self.transit)
        refuse_endless(household_window=self.household_window, keep_files_for=self.keep_files_for)
        if len({seed.name for seed in self.seeds}) < len(self.seeds):
            raise ValueError("seeds: two have one name; what comes back is told apart by it")
