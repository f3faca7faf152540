"""The tables `[channels.email.reports.NAME]`: which providers may report to `/hooks/email?from=NAME`."""

from typing import Annotated

from msgspec import Meta, Struct

from channels.email.reports.keys import public_key
from gateway.contract import Secret

Topic = Annotated[
    str,
    Meta(
        pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]{1,30}:\d{12}:[A-Za-z0-9_-]{1,256}$(?!\n)",
        description="the ARN of an SNS topic",
        examples=["arn:aws:sns:eu-west-1:123456789012:ses-events"],
    ),
]
KeyText = Annotated[str, Meta(min_length=80, max_length=400, description="the verification key, from SendGrid's pages")]
HeaderName = Annotated[
    str, Meta(pattern=r"^[a-z][a-z0-9-]{0,63}$(?!\n)", description="a header's name", examples=["x-hook-secret"])
]
Seconds = Annotated[float, Meta(ge=60, le=604_800)]
# Providers come again for up to 24 h (SendGrid; Mailgun 8 h, SNS 1 h), and do not promise to sign anew.
_DAY_AND_HOUR_S = 90_000.0


class SesReports(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Amazon SES, by way of SNS. Nobody but these topics is heard: anybody's topic has a signature of Amazon's."""

    topics: Annotated[tuple[Topic, ...], Meta(min_length=1, max_length=20)]
    window_s: Seconds = _DAY_AND_HOUR_S


class SendgridReports(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SendGrid's signed event webhook. Two keys while one takes the other's place."""

    public_keys: Annotated[tuple[KeyText, ...], Meta(min_length=1, max_length=5)]
    window_s: Seconds = _DAY_AND_HOUR_S

    def __post_init__(self) -> None:
        for key in self.public_keys:
            public_key(key)


class MailgunReports(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mailgun's webhooks, by the HTTP webhook signing key. Two while one takes the other's place."""

    signing_keys: Annotated[tuple[Secret, ...], Meta(min_length=1, max_length=5)]
    window_s: Seconds = _DAY_AND_HOUR_S

    def __post_init__(self) -> None:
        _refuse_empty("mailgun.signing_keys", self.signing_keys)


class PostmarkReports(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Postmark's webhooks, which are not signed: by the user name and password in the webhook's settings (two
    passwords while one takes the other's place), or by a header of its own with one of `secrets`. Where both are
    set, both must fit."""

    username: Annotated[str, Meta(pattern=r"^[^:\x00-\x1f]{1,100}$(?!\n)")] | None = None
    passwords: Annotated[tuple[Secret, ...], Meta(max_length=5)] = ()
    header: HeaderName | None = None
    secrets: Annotated[tuple[Secret, ...], Meta(max_length=5)] = ()

    def __post_init__(self) -> None:
        if (self.username is None) != (not self.passwords):
            raise ValueError("reports.postmark.username, reports.postmark.passwords: set both, or none of them")
        if (self.header is None) != (not self.secrets):
            raise ValueError("reports.postmark.header, reports.postmark.secrets: set both, or none of them")
        if self.username is None and self.header is None:
            raise ValueError("reports.postmark.username: set it and passwords, or header and secrets")
        _refuse_empty("postmark.passwords", self.passwords)
        _refuse_empty("postmark.secrets", self.secrets)


class ReportsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The providers that may report. With several, or for clearness, the webhook's URL says which: `?from=ses`."""

    ses: SesReports | None = None
    sendgrid: SendgridReports | None = None
    mailgun: MailgunReports | None = None
    postmark: PostmarkReports | None = None


def _refuse_empty(key: str, secrets: tuple[Secret, ...]) -> None:
    if not all(secrets):
        raise ValueError(f"reports.{key}: one of them is empty")
