"""The channel's table in `channels.toml`."""

from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct, field

from channels.postal.formats import FORMATS
from channels.postal.order import PrintOrder
from channels.postal.profiles import AddressProfile, Name
from gateway.contract.postal import COUNTRIES

Line = Annotated[str, Meta(min_length=1, max_length=80)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Cmyk = tuple[Percent, Percent, Percent, Percent]
_MOST_INK_PERCENT: Final = 280


class PostalConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What does not change from batch to batch."""

    sender_name: Line
    """Printed as the brand, and first in the return line."""
    sender_address: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=4)]
    """Where undeliverable cards go back to, in the lines that the post wants."""
    sender_country: Annotated[str, Meta(pattern="^[A-Z]{2}$")]
    """ISO 3166-1 alpha-2. Addresses of this country get no country line."""
    design: Name = "card-a5"
    """The design of contents that name none: a file `NAME.toml` among the `designs`, or a format for its plain one."""
    designs: Path | None = None
    """The folder of the designs; a relative one begins where the settings are."""
    records_per_part: Annotated[int, Meta(ge=1, le=5000)] = 2500
    """Memory grows with the part, not with the batch."""
    csv_delimiter: Literal[";", ",", "\t"] = ";"
    order: PrintOrder = field(default_factory=PrintOrder)
    """What is agreed with the print shop."""
    profiles: dict[Name, AddressProfile] = {}
    """Own places for the address, such as an envelope's window, for designs to name."""
    accent_cmyk: Cmyk = (0, 0, 0, 100)
    """Behind the headline, in designs without an accent of their own. All else is black ink alone, so one-colour
    presses work with the default."""
    time_zone: str = "UTC"
    """The IANA zone in which "valid until" becomes a date."""
    country_names: dict[Annotated[str, Meta(pattern="^[A-Z]{2}$")], Line] = {}
    """Names for the country line, such as `DE = "GERMANIA"`; in the sender's language where absent."""

    def __post_init__(self) -> None:
        if self.sender_country not in COUNTRIES:
            raise ValueError(f"sender_country: {self.sender_country} is no ISO 3166-1 country")
        if fault := too_much_ink(self.accent_cmyk):
            raise ValueError(f"accent_cmyk: {fault}")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"time_zone: {self.time_zone!r} is no IANA time zone") from error

    @property
    def return_parts(self) -> tuple[str, ...]:
        return (self.sender_name, *self.sender_address)


def design_names(config: PostalConfig) -> list[str]:
    """The names that a content may give: a format for its plain design, or a file among the designs."""
    folder = config.designs
    own = {path.stem for path in folder.glob("*.toml")} if folder is not None and folder.is_dir() else set()
    return [*FORMATS, *sorted(own - FORMATS.keys())]


def too_much_ink(colour: Cmyk) -> str:
    """Why a colour must not go to a press; empty where it may."""
    return f"more than {_MOST_INK_PERCENT} % ink does not dry; lower the sum" if sum(colour) > _MOST_INK_PERCENT else ""
