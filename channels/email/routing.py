"""The keys of `[channels.email]` that say which servers take our mail, and how fast each destination is written to."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import asdict

from gateway.contract import Secret

_PORTS: Final = {"required": 587, "implicit": 465, "none": 25}

Host = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9:]([A-Za-z0-9.:_-]{0,252}[A-Za-z0-9:])?$(?!\n)",
        description="the name or the IP address of a server",
        examples=["smtp.example.com"],
    ),
]
DomainName = Annotated[
    str,
    Meta(
        pattern=r"^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$(?!\n)",
        description="Lower case; in A-labels (xn--...) where it is an international name.",
        examples=["shop.example.com"],
    ),
]
Port = Annotated[int, Meta(ge=1, le=65_535)]
Username = Annotated[str, Meta(min_length=1, max_length=255)]
Safety = Literal["required", "implicit", "none"]
Connections = Annotated[int, Meta(ge=1, le=50)]
Mails = Annotated[int, Meta(ge=1, le=100_000)]
IdleSeconds = Annotated[float, Meta(ge=0.1, le=300)]
LifetimeSeconds = Annotated[float, Meta(ge=1, le=86_400)]
DialogueSeconds = Annotated[float, Meta(ge=0.1, le=25)]


class RelayConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server that takes our mail, and how we talk to it.

    `tls`: `required` is STARTTLS, without which nothing is sent; `implicit` is TLS from the
    first byte; `none` is for a relay without credentials, or on this machine.
    `pipelining`: commands go in groups (RFC 2920) where the server offers it.
    `weight`: its share of the mails beside other relays; one of 0 stands by until no other works.
    `timeout_s` bounds the opening of a connection, and again the dialogue of each mail.
    `idle_s` and `lifetime_s`: a connection is left that had nothing to do, or is so old.
    """

    host: Host
    port: Port | None = None
    username: Username | None = None
    password: Secret | None = None
    tls: Safety = "required"
    verify_certificates: bool = True
    ca_file: Path | None = None
    ehlo_name: DomainName | None = None
    pipelining: bool = True
    weight: Annotated[int, Meta(ge=0, le=1000)] = 1
    connections: Connections = 4
    mails_per_connection: Mails = 100
    idle_s: IdleSeconds = 20.0
    lifetime_s: LifetimeSeconds = 900.0
    timeout_s: DialogueSeconds = 15.0

    def __post_init__(self) -> None:
        if self.username is not None and not self.password:
            raise ValueError("password: set it, or take username out")
        if self.username is None and self.password is not None:
            raise ValueError("username: set it, or take password out")
        if self.username is not None and self.tls == "none" and not _is_loopback(self.host):
            raise ValueError("tls: `none` would send the password in clear; set `required` or `implicit`")
        if not self.verify_certificates and self.ca_file is not None:
            raise ValueError("ca_file: it would go unused; take it out, or take out verify_certificates = false")

    @property
    def server_port(self) -> int:
        return self.port if self.port is not None else _PORTS[self.tls]

    @property
    def name(self) -> str:
        """By which logs and failures tell it from the others."""
        return f"{self.host}:{self.server_port}"


class DomainRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fast mail domains are written to, counted together: list those that share their servers.

    `connections`: so many mails to them are under way at once. `per_minute`: in no minute do more leave,
    and they leave evenly. Each process of the gateway counts for itself.
    """

    domains: Annotated[tuple[DomainName, ...], Meta(min_length=1, max_length=200)]
    connections: Connections | None = None
    per_minute: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None

    def __post_init__(self) -> None:
        if self.connections is None and self.per_minute is None:
            raise ValueError("connections, per_minute: set one of them, or both")


class Routing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One relay, whose keys stand in the table itself, or several as `[[channels.email.relays]]`. None: not set."""

    host: Host | None = None
    port: Port | None = None
    username: Username | None = None
    password: Secret | None = None
    tls: Safety | None = None
    verify_certificates: bool | None = None
    ca_file: Path | None = None
    ehlo_name: DomainName | None = None
    pipelining: bool | None = None
    connections: Connections | None = None
    mails_per_connection: Mails | None = None
    idle_s: IdleSeconds | None = None
    lifetime_s: LifetimeSeconds | None = None
    timeout_s: DialogueSeconds | None = None
    relays: Annotated[tuple[RelayConfig, ...], Meta(max_length=20)] = ()
    domains: Annotated[tuple[DomainRule, ...], Meta(max_length=1000)] = ()

    def __post_init__(self) -> None:
        self._check_form()
        logins = [(relay.name, relay.username) for relay in self.servers]
        for name, login in logins:
            if logins.count((name, login)) > 1:
                raise ValueError(f"relays: {name} is there twice; give one of them more connections instead")
        named = [domain for rule in self.domains for domain in rule.domains]
        doubled = sorted({domain for domain in named if named.count(domain) > 1})
        if doubled:
            raise ValueError(f"domains: {', '.join(doubled)} is there twice; a domain has one rule")

    def _check_form(self) -> None:
        if not self.relays and self.host is None:
            raise ValueError("host: name the server that takes our mail, or several as [[channels.email.relays]]")
        if self.relays and self._own:
            key = next(iter(self._own))
            raise ValueError(f"{key}: with [[channels.email.relays]] it belongs into each of those tables")
        if self.relays and not any(relay.weight for relay in self.relays):
            raise ValueError("relays: all of them stand by (weight = 0); give one a weight")

    @property
    def servers(self) -> tuple[RelayConfig, ...]:
        """The relays in either form."""
        return self.relays or (RelayConfig(**self._own),)

    @property
    def _own(self) -> dict[str, Any]:
        keys = asdict(self)
        return {key: keys[key] for key in RelayConfig.__struct_fields__ if keys.get(key) is not None}


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
