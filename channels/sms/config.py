"""The table `[channels.sms]` of channels.toml."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from channels.sms.errors import Verdict
from gateway.contract import Secret

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Sid = Annotated[str, Meta(pattern=r"^AC[0-9a-fA-F]{32}$")]
ServiceSid = Annotated[str, Meta(pattern=r"^MG[0-9a-fA-F]{32}$")]
Sender = Annotated[
    str,
    Meta(
        pattern=r"^(\+[1-9][0-9]{6,14}|[0-9]{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11})$",
        description="An E.164 number, a short code, or an alphanumeric name of at most 11 characters.",
    ),
]


class SmsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which Twilio account sends, and as whom.

    The first of `auth_tokens` makes the calls; status callbacks signed with any of them are
    taken, so that a token can be rotated without losing a report. `codes` overrules what a
    Twilio error code means here, e.g. `{"21408": "permanent"}`.
    """

    account_sid: Sid
    auth_tokens: Annotated[tuple[Secret, ...], Meta(min_length=1, max_length=3)]
    messaging_service_sid: ServiceSid | None = None
    sender: Sender | None = None
    base_url: str = "https://api.twilio.com"
    timeout_s: Annotated[float, Meta(ge=0.1, le=15)] = 10.0
    concurrency: Annotated[int, Meta(ge=1, le=100)] = 25
    codes: Mapping[Annotated[str, Meta(pattern=r"^[0-9]{5}$")], Verdict] = {}

    def __post_init__(self) -> None:
        if (self.messaging_service_sid is None) == (self.sender is None):
            raise ValueError("messaging_service_sid, sender: set exactly one of the two")
        if not all(self.auth_tokens):
            raise ValueError("auth_tokens: a token is empty; set it or take it out of the list")
        self._check_base_url()

    def _check_base_url(self) -> None:
        url = urlsplit(self.base_url)
        if url.username or url.query or url.fragment or not url.hostname:
            raise ValueError("base_url: give scheme and host only, such as https://api.twilio.com")
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
            raise ValueError("base_url: must be https (http is allowed to this machine only)")
