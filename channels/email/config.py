"""The table `[channels.email]` of channels.toml."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from channels.email.address import BadAddress, Mailbox, mailbox
from channels.email.header import Unfit, refuse_unfit
from gateway.contract import Secret

_PORTS: Final = {"required": 587, "implicit": 465, "none": 25}

Host = Annotated[str, Meta(pattern=r"^[A-Za-z0-9:]([A-Za-z0-9.:_-]{0,252}[A-Za-z0-9:])?$")]
DomainName = Annotated[
    str,
    Meta(
        pattern=r"^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$",
        description="Lower case; in A-labels (xn--...) where it is an international name.",
    ),
]


class EmailConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which server takes our mail, and as whom we write.

    `tls`: `required` is STARTTLS, without which nothing is sent; `implicit` is TLS from the
    first byte; `none` is for a relay without credentials, or on this machine.
    `timeout_s` bounds the opening of a connection, and again the dialogue of each mail.
    `bounce_domain` gives every mail an envelope sender of its own, `b+<id>@bounce_domain`
    (VERP), so that a bounce names its send; otherwise bounces go to `from_address`.
    `feedback_id` is the constant last field of Feedback-ID, by which Gmail counts complaints.
    """

    host: Host
    port: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    username: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    password: Secret | None = None
    tls: Literal["required", "implicit", "none"] = "required"
    verify_certificates: bool = True
    ca_file: Path | None = None
    ehlo_name: DomainName | None = None
    connections: Annotated[int, Meta(ge=1, le=50)] = 4
    mails_per_connection: Annotated[int, Meta(ge=1, le=100_000)] = 100
    idle_s: Annotated[float, Meta(ge=0.1, le=300)] = 20.0
    timeout_s: Annotated[float, Meta(ge=0.1, le=25)] = 15.0
    from_address: Annotated[str, Meta(max_length=254)]
    from_name: Annotated[str, Meta(max_length=100)] = ""
    reply_to: Annotated[str, Meta(max_length=254)] | None = None
    bounce_domain: DomainName | None = None
    message_id_domain: DomainName | None = None
    list_id: DomainName | None = None
    feedback_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{5,15}$")] | None = None

    def __post_init__(self) -> None:
        self._check_credentials()
        if not self.verify_certificates and self.ca_file is not None:
            raise ValueError("ca_file: it would go unused; take it out, or take out verify_certificates = false")
        _ascii_mailbox("from_address", self.from_address)
        if self.reply_to is not None:
            _ascii_mailbox("reply_to", self.reply_to)
        try:
            refuse_unfit("from_name", self.from_name)
        except Unfit as unfit:
            raise ValueError(str(unfit)) from None

    def _check_credentials(self) -> None:
        if self.username is not None and not self.password:
            raise ValueError("password: set it, or take username out")
        if self.username is None and self.password is not None:
            raise ValueError("username: set it, or take password out")
        if self.username is not None and self.tls == "none" and not _is_loopback(self.host):
            raise ValueError("tls: `none` would send the password in clear; set `required` or `implicit`")

    @property
    def server_port(self) -> int:
        return self.port if self.port is not None else _PORTS[self.tls]

    @property
    def sender(self) -> Mailbox:
        return mailbox(self.from_address)

    @property
    def reply_mailbox(self) -> Mailbox | None:
        return None if self.reply_to is None else mailbox(self.reply_to)


def _ascii_mailbox(key: str, value: str) -> None:
    """Other letters than ASCII before the @ would make every mail undeliverable to most servers."""
    try:
        if mailbox(value).needs_smtputf8:
            raise ValueError(f"{key}: only ASCII is possible before the @")
    except BadAddress as error:
        raise ValueError(f"{key}: {error}") from None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
