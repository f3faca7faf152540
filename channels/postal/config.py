"""The channel's table in `channels.toml`."""

import re
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct, field

from channels.postal.countries import NAMES
from channels.postal.geometry import AddressProfile, card_layout

_BASE: Final = re.compile(r"https://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?/?", re.IGNORECASE)

Line = Annotated[str, Meta(min_length=1, max_length=80)]
Percent = Annotated[int, Meta(ge=0, le=100)]


class PostalConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What does not change from batch to batch."""

    sender_name: Line
    """Printed as the brand, and first in the return line."""
    sender_address: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=4)]
    """Where undeliverable cards go back to, in the lines that the post wants."""
    sender_country: Annotated[str, Meta(pattern="^[A-Z]{2}$")]
    """ISO 3166-1 alpha-2. Addresses of this country get no country line."""
    qr_base_url: str
    """Scheme, host and port of the public coupon page; the QR code holds `HTTPS://HOST/R/CODE`.

    Upper case, because that halves the QR code (alphanumeric mode): the page must not mind.
    """
    page: Literal["a5-card"] = "a5-card"
    records_per_part: Annotated[int, Meta(ge=1, le=20_000)] = 5000
    """Memory grows with the part, not with the batch."""
    csv_delimiter: Literal[";", ",", "\t"] = ";"
    address_profile: AddressProfile = field(default_factory=AddressProfile)
    accent_cmyk: tuple[Percent, Percent, Percent, Percent] = (0, 0, 0, 100)
    """The band behind the headline. All else is black ink alone, so one-colour presses work with the default."""
    time_zone: str = "UTC"
    """The IANA zone in which "valid until" becomes a date."""
    country_names: dict[Annotated[str, Meta(pattern="^[A-Z]{2}$")], Line] = {}
    """Names for the country line, such as `DE = "GERMANIA"`; English where absent."""

    def __post_init__(self) -> None:
        card_layout(self.address_profile)
        if self.sender_country not in NAMES:
            raise ValueError(f"sender_country: {self.sender_country} is no ISO 3166-1 country")
        if not _BASE.fullmatch(self.qr_base_url) or len(self.qr_base_url) > 64:
            raise ValueError(
                "qr_base_url: give https://HOST or https://HOST:PORT, without a path, 64 characters at most"
            )
        if sum(self.accent_cmyk) > 280:
            raise ValueError("accent_cmyk: more than 280 % ink does not dry; lower the sum")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"time_zone: {self.time_zone!r} is no IANA time zone") from error

    @property
    def return_parts(self) -> tuple[str, ...]:
        return (self.sender_name, *self.sender_address)
