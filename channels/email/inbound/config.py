"""The table `[channels.email.inbound]`: how mail comes to the gateway."""

from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from channels.email.brands import AddressText
from channels.email.routing import Host
from gateway.contract import Secret

_IMAPS_PORT: Final = 993

Place = Annotated[
    str,
    Meta(
        pattern=r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?):([1-9]\d{0,4}|0)$",
        description="a host and a port",
        examples=["127.0.0.1:2525"],
    ),
]
Folder = Annotated[
    str,
    Meta(
        pattern=r'^[^\x00-\x1f"\\]{1,200}$',
        description="the name of a mail folder, without quotes or backslashes",
        examples=["INBOX", "Bounces"],
    ),
]


class InboundConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where bounces, complaints, unsubscribes and replies come in: by a port of ours, a maildir, an IMAP mailbox.

    `listen` takes mail for the bounce domains' own addresses and for `mailboxes`, and for no others: `lmtp` from a
    mail server beside us, `smtp` from anywhere. `certificate` and `key` are files (PEM) and offer STARTTLS.
    `connections` so many may be open at once. `maildir` is emptied from `new` into `cur`. `imap_host` is read over
    TLS, the mails that are not seen yet. `poll_s`: how often both are looked into.
    """

    listen: Place | None = None
    protocol: Literal["lmtp", "smtp"] = "lmtp"
    mailboxes: Annotated[tuple[AddressText, ...], Meta(max_length=100)] = ()
    certificate: Path | None = None
    key: Path | None = None
    connections: Annotated[int, Meta(ge=1, le=1000)] = 50
    maildir: Path | None = None
    imap_host: Host | None = None
    imap_port: Annotated[int, Meta(ge=1, le=65_535)] = _IMAPS_PORT
    imap_username: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    imap_password: Secret | None = None
    imap_folder: Folder = "INBOX"
    imap_ca_file: Path | None = None
    poll_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0

    def __post_init__(self) -> None:
        if self.listen is None and self.maildir is None and self.imap_host is None:
            raise ValueError("inbound: set listen, maildir or imap_host, or take the table out")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("inbound.certificate, inbound.key: set both, or none of them")
        if self.imap_host is not None and (self.imap_username is None or not self.imap_password):
            raise ValueError("inbound.imap_username, inbound.imap_password: an IMAP mailbox needs both")
        for mailbox in self.mailboxes:
            if mailbox.count("@") != 1:
                raise ValueError("inbound.mailboxes: each is an address, such as people@example.com")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`."""
        host, _, port = (self.listen or "").rpartition(":")
        return host.strip("[]"), int(port)
