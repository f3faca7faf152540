"""As whom we write: the keys of a sender profile, of the channel itself or in `[channels.email.brands.NAME]`."""

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import asdict

from channels.email.address import BadAddress, Mailbox, mailbox
from channels.email.header import Unfit, refuse_unfit
from channels.email.routing import DomainName

AddressText = Annotated[str, Meta(max_length=254)]
DisplayName = Annotated[str, Meta(max_length=100)]
BrandName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$(?!\n)",
        description="1 to 64 of a-z 0-9 . _ -, the first a letter or digit",
        examples=["bistro"],
    ),
]
FeedbackId = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9._-]{5,15}$(?!\n)",
        description="5 to 15 of A-Z a-z 0-9 . _ -, constant for the sender",
        examples=["shop-main"],
    ),
]


class Brand(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sender profile. What is left out is as the channel's own.

    `bounce_domain` gives every mail an envelope sender of its own, `b+<id>@bounce_domain` (VERP), so that a bounce
    names its send, and an address that takes unsubscriptions, `u+<id>@bounce_domain`; without it bounces go to
    `from_address`. `message_id_domain` is otherwise that of `from_address`.
    `feedback_id` is the constant last field of Feedback-ID, by which Gmail counts complaints.
    """

    from_address: AddressText | None = None
    from_name: DisplayName | None = None
    reply_to: AddressText | None = None
    bounce_domain: DomainName | None = None
    message_id_domain: DomainName | None = None
    list_id: DomainName | None = None
    feedback_id: FeedbackId | None = None

    def over(self, own: "Brand") -> "Brand":
        """This profile, with what it leaves out taken from `own`."""
        return Brand(**(asdict(own) | {key: value for key, value in asdict(self).items() if value is not None}))

    def check(self, place: str = "") -> None:
        """Raises ValueError, naming the key, which stands in the table `place`."""
        for key in ("from_address", "reply_to"):
            value = getattr(self, key)
            if value is not None:
                _refuse_unwritable(f"{place}{key}", value)
        try:
            refuse_unfit(f"{place}from_name", self.from_name or "")
        except Unfit as unfit:
            raise ValueError(str(unfit)) from None

    @property
    def sender(self) -> Mailbox:
        return mailbox(self.from_address or "")

    @property
    def reply_mailbox(self) -> Mailbox | None:
        return None if self.reply_to is None else mailbox(self.reply_to)


def _refuse_unwritable(key: str, value: str) -> None:
    """Other letters than ASCII before the @ would make every mail undeliverable to most servers."""
    try:
        if mailbox(value).needs_smtputf8:
            raise ValueError(f"{key}: only ASCII is possible before the @")
    except BadAddress as error:
        raise ValueError(f"{key}: {error}") from None
