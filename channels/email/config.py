"""The table `[channels.email]` of channels.toml."""

from typing import Annotated

from msgspec import Meta

from channels.email.brands import AddressText, Brand, BrandName, DisplayName, FeedbackId
from channels.email.inbound.config import InboundConfig
from channels.email.markup import can_inline
from channels.email.metadata import ConfigurationSet, Metadata
from channels.email.reports.config import ReportsConfig
from channels.email.routing import DomainName, Routing
from channels.email.signing_keys import DkimKey, refuse_unfit_keys


class EmailConfig(Routing, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which servers take our mail (the keys of `Routing`), as whom we write (those of `Brand`), and what signs it.

    `brands` are more sender profiles. `dkim` are the keys that sign; where a relay signs instead, or rewrites mails
    on their way (link tracking, footers), there must be none.
    `metadata` names the provider behind the relay: its reports then carry the message's id.
    `inline_css` writes the style sheet of a mail's HTML into its tags, which some mail programs need.
    `inbound` is where bounces, complaints and replies come in; `reports` are the providers that call us with them.
    """

    from_address: AddressText
    from_name: DisplayName = ""
    reply_to: AddressText | None = None
    bounce_domain: DomainName | None = None
    message_id_domain: DomainName | None = None
    list_id: DomainName | None = None
    feedback_id: FeedbackId | None = None
    brands: dict[BrandName, Brand] = {}
    dkim: Annotated[tuple[DkimKey, ...], Meta(max_length=100)] = ()
    metadata: Metadata | None = None
    configuration_set: ConfigurationSet | None = None
    inline_css: bool = False
    inbound: InboundConfig | None = None
    reports: ReportsConfig | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.own.check()
        for name, brand in self.brands.items():
            brand.check(f"brands.{name}.")
        refuse_unfit_keys(self.dkim, [self.profile(name).sender.domain for name in (None, *self.brands)])
        if self.configuration_set is not None and self.metadata != "ses":
            raise ValueError('configuration_set: only Amazon SES has them; set metadata = "ses", or take it out')
        if self.inbound is not None and self.inbound.listen is not None and not self._has_mail_addresses:
            raise ValueError("inbound.listen: nobody can be written to there; set bounce_domain or inbound.mailboxes")
        if self.inline_css and not can_inline():
            raise ValueError("inline_css: needs the package css-inline: pip install 'risveglio[html]'")

    @property
    def own(self) -> Brand:
        """The channel's own sender profile."""
        return Brand(**{key: getattr(self, key) for key in Brand.__struct_fields__})

    @property
    def _has_mail_addresses(self) -> bool:
        mailboxes = self.inbound.mailboxes if self.inbound is not None else ()
        return bool(mailboxes or self.bounce_domain or any(brand.bounce_domain for brand in self.brands.values()))

    def profile(self, brand: str | None) -> Brand:
        """The whole sender profile of a brand; None is the channel's own. Raises KeyError."""
        return self.own if brand is None else self.brands[brand].over(self.own)
