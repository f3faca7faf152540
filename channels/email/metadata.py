"""What makes a provider behind the relay say in its reports which message they are about."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Final, Literal

from msgspec import Meta

from channels.email import header
from gateway.contract import Outbound

NAME: Final = "risveglio-message"
"""Under this name the reports of every provider carry `Outbound.id`. Postmark allows 20 characters."""

Metadata = Literal["sendgrid", "mailgun", "postmark", "ses"]
ConfigurationSet = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)",
        description="the name of a configuration set: 1 to 64 of A-Z a-z 0-9 _ -",
        examples=["gateway-events"],
    ),
]

WRITTEN_ANEW: Final[Mapping[str, frozenset[str]]] = {"ses": frozenset({"date", "message-id"})}
"""Headers that a provider replaces: a signature over them would break (Amazon SES, "Manual DKIM signing")."""

OWN_FEEDBACK_ID: Final = frozenset({"ses"})
"""Providers that write Feedback-ID themselves."""

_UNTAGGABLE: Final = re.compile("[^A-Za-z0-9_-]")


def fields(provider: Metadata, message: Outbound, configuration_set: str | None, feedback_id: str | None) -> bytes:
    """The header lines for a provider; it takes them out again, Mailgun excepted. Raises Unfit."""
    if provider == "ses":
        return _ses(message, configuration_set, feedback_id)
    return _LINES[provider](message.id)


def _sendgrid(id: str) -> bytes:
    """`unique_args`, which stand in each event beside its own keys (SendGrid, "Building an X-SMTPAPI Header")."""
    return header.exact("X-SMTPAPI", f'{{"unique_args":{{"{NAME}":"{id}"}}}}')


def _mailgun(id: str) -> bytes:
    """`user-variables` of each event (Mailgun, "Attaching Metadata to Messages"). The recipient can read them."""
    return header.exact("X-Mailgun-Variables", f'{{"{NAME}":"{id}"}}')


def _postmark(id: str) -> bytes:
    """`Metadata` of each report, at most 80 characters (Postmark, "Custom metadata FAQ"); and keep our Message-ID."""
    return header.exact(f"X-PM-Metadata-{NAME}", id) + b"X-PM-KeepID: true\r\n"


def _ses(message: Outbound, configuration_set: str | None, feedback_id: str | None) -> bytes:
    """`mail.tags` of each event (Amazon SES, "Specify your configuration set when you send email").

    The tags `ses:feedback-id-a` and `-b` become the first two fields of the Feedback-ID that SES writes.
    """
    tags = {NAME: message.id}
    if feedback_id is not None:
        tags |= {"ses:feedback-id-a": message.job_id, "ses:feedback-id-b": feedback_id}
    told = ", ".join(f"{name}={_UNTAGGABLE.sub('-', value)}" for name, value in tags.items())
    lines = header.exact("X-SES-MESSAGE-TAGS", told)
    if configuration_set is not None:
        lines += header.exact("X-SES-CONFIGURATION-SET", configuration_set)
    return lines


_LINES: Final[Mapping[str, Callable[[str], bytes]]] = {
    "sendgrid": _sendgrid,
    "mailgun": _mailgun,
    "postmark": _postmark,
}
