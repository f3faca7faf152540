"""The table `[channels.sms]` of channels.toml."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from channels.sms.countries import Country
from channels.sms.errors import Verdict
from gateway.contract import Secret

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Sid = Annotated[
    str, Meta(pattern=r"^AC[0-9a-fA-F]{32}$", description="AC and 32 hexadecimal digits, from Twilio's console.")
]
ServiceSid = Annotated[
    str, Meta(pattern=r"^MG[0-9a-fA-F]{32}$", description="MG and 32 hexadecimal digits, from Twilio's console.")
]
SenderName = Annotated[
    str,
    Meta(
        pattern=r"^(\+[1-9][0-9]{6,14}|[0-9]{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11})$",
        description="An E.164 number, a short code, or an alphanumeric name of at most 11 characters.",
    ),
]
BrandName = Annotated[
    str, Meta(pattern=r"^[a-z][a-z0-9-]{0,31}$", description="1 to 32 of a-z, 0-9 and -, beginning with a letter.")
]
Anywhere = Annotated[
    str, Meta(pattern=r"^([A-Z]{2}|\*)$", description="An ISO code of two capitals, or * for all other countries.")
]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$", description="Three capitals, such as EUR.")]


class Sender(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who a message is from: one of Twilio's messaging services, or a number or name of one's own.

    `per_second` is what carriers let this sender do; one worker process keeps it for itself.
    """

    messaging_service_sid: ServiceSid | None = None
    sender: SenderName | None = None
    per_second: Annotated[float, Meta(gt=0, le=1000)] | None = None

    def __post_init__(self) -> None:
        if (self.messaging_service_sid is None) == (self.sender is None):
            raise ValueError("messaging_service_sid, sender: set exactly one of the two")

    @property
    def name(self) -> str:
        """As Twilio knows it."""
        return self.messaging_service_sid or self.sender or ""

    @property
    def is_name(self) -> bool:
        """Whether people see a name: they cannot answer it, and some countries do not take it."""
        return self.sender is not None and not self.sender.lstrip("+").isdecimal()


class CountrySender(Sender, frozen=True, kw_only=True):
    """A sender for the numbers of some countries."""

    countries: Annotated[tuple[Country, ...], Meta(min_length=1)]


class Profile(Sender, frozen=True, kw_only=True):
    """A sender for everywhere, and others for the countries that need one of their own."""

    senders: tuple[CountrySender, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        countries = [country for each in self.senders for country in each.countries]
        if len(set(countries)) < len(countries):
            raise ValueError("senders: names a country twice")


class SmsConfig(Profile, frozen=True, kw_only=True):
    """Which Twilio account sends, and as whom.

    The first of `auth_tokens` makes the calls; reports and replies signed with any of them are
    taken, so that a token can be rotated without losing one. `codes` overrules what a Twilio
    error code means here, e.g. `{"21408": "misconfigured"}`. `prices` are those of one segment,
    by country. `numbers_only` are the countries that take no names as senders.
    """

    account_sid: Sid
    auth_tokens: Annotated[tuple[Secret, ...], Meta(min_length=1, max_length=3)]
    brands: Mapping[BrandName, Profile] = {}
    simplify: bool = False
    most_segments: Annotated[int, Meta(ge=1, le=11)] = 11
    prices: Mapping[Anywhere, Decimal] = {}
    currency: Currency | None = None
    numbers_only: tuple[Country, ...] = ("US", "CA")
    base_url: str = "https://api.twilio.com"
    timeout_s: Annotated[float, Meta(ge=0.1, le=15)] = 10.0
    concurrency: Annotated[int, Meta(ge=1, le=100)] = 25
    codes: Mapping[
        Annotated[str, Meta(pattern=r"^[0-9]{5}$", description="One of Twilio's error codes, five digits.")], Verdict
    ] = {}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(self.auth_tokens):
            raise ValueError("auth_tokens: a token is empty; set it or take it out of the list")
        self._check_base_url()
        self._check_prices()
        for where, profile in self._profiles():
            self._check_names(where, profile.senders)

    def _profiles(self) -> Iterator[tuple[str, Profile]]:
        yield "", self
        yield from ((f"brands.{name}.", profile) for name, profile in self.brands.items())

    def _check_base_url(self) -> None:
        url = urlsplit(self.base_url)
        if url.username or url.query or url.fragment or not url.hostname:
            raise ValueError("base_url: give scheme and host only, such as https://api.twilio.com")
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
            raise ValueError("base_url: must be https (http is allowed to this machine only)")

    def _check_prices(self) -> None:
        if not all(price.is_finite() and price >= 0 for price in self.prices.values()):
            raise ValueError('prices: a price is what one segment costs, such as "0.0083"')
        if self.prices and self.currency is None:
            raise ValueError("currency: say in which currency the prices are, such as EUR")

    def _check_names(self, where: str, senders: Sequence[CountrySender]) -> None:
        for each in senders:
            refusing = sorted(set(each.countries) & set(self.numbers_only)) if each.is_name else ()
            if refusing:
                raise ValueError(f"{where}senders: {', '.join(refusing)} takes no names; give a number")
