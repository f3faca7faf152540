"""A job: an audience, a message in steps, and the policy it runs under. Frozen when accepted."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Annotated, Literal

from msgspec import Meta, Struct

from gateway.domain.audience import Audience, Expression
from gateway.domain.policy import CapRule, Throttle
from gateway.domain.words import (
    ChannelName,
    ContentName,
    Key,
    Locale,
    PurposeName,
    Share,
    refuse_endless,
    refuse_nul,
)

Anchor = Literal["entry", "previous", "coupon_end"]
"""What a step's delay counts from: the entry, the previous step's acceptance, the end of the coupon."""
Condition = Literal["always", "not_redeemed", "not_clicked"]

Source = Annotated[str, Meta(max_length=200_000)]
Variants = dict[Locale, dict[str, Source]]
"""Template sources by locale and part."""

VersionNumber = Annotated[int, Meta(ge=1, le=32_767)]
Content = Mapping[ContentName, Mapping[str, Source] | str | VersionNumber]
"""What is said on a channel: variants, or a template that is kept, `{"template": "winback-15", "version": 3}`.

Without a version: the latest that was approved where the purpose asks for approval, else the latest.
"""


class TemplateUse(Struct, frozen=True, kw_only=True):
    """The version of a template that a content was taken from; what is said in it of language and sender goes along."""

    template: str
    version: int
    default_locale: str
    brand: str | None = None


class StepInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message. Channels are tried in this order: the first that may reach the person is used."""

    name: Key
    channels: Annotated[tuple[ChannelName, ...], Meta(min_length=1, max_length=10)]
    content: Annotated[Mapping[ChannelName, Content], Meta(min_length=1)]
    after: timedelta = timedelta(0)
    anchor: Anchor = "previous"
    only_if: Condition = "not_redeemed"
    local_time: time | None = None
    """Wait for this hour of the recipient's wall clock."""
    ttl: timedelta | None = None
    """Longer than this after it fell due, it is not worth sending."""
    fallback_after: timedelta | None = None
    """So long after a message went out and was not clicked, the next channel is tried."""

    def __post_init__(self) -> None:
        refuse_endless(after=self.after, ttl=self.ttl, fallback_after=self.fallback_after)


class Goal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a job is to bring about: an activity of this kind within so long after a person entered."""

    activity: Key = "purchase"
    within: timedelta = timedelta(days=30)

    def __post_init__(self) -> None:
        if self.within <= timedelta(0):
            raise ValueError("within: must be longer than nothing, such as P30D")
        refuse_endless(within=self.within)


class SegmentOffer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a job's audience, by its name in reports, and the offer it gets.

    Without an offer of its own the segment gets the job's, and is there to be told apart in reports.
    """

    segment: Key
    where: Expression
    offer: Key | None = None


class JobInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `POST /v1/jobs` takes."""

    name: Annotated[str, Meta(min_length=1, max_length=120)]
    purpose: PurposeName
    audience: Audience
    steps: Annotated[tuple[StepInput, ...], Meta(min_length=1, max_length=20)]
    offer: Key | None = None
    """What everybody gets whom no segment of `offers` gives another."""
    offers: Annotated[tuple[SegmentOffer, ...], Meta(max_length=20)] = ()
    """Other offers for parts of the audience: of the segments in this order, the first that a person is in."""
    brand: Key | None = None
    """The sender profile to write as; each channel of the job must know it."""
    default_locale: Locale = "en"
    start_at: datetime | None = None
    expires_at: datetime | None = None
    priority: Annotated[int, Meta(ge=0, le=9)] = 5
    """9 is the most important."""
    obeys_caps: bool | None = None
    counts_towards_caps: bool | None = None
    """Both as the purpose says, where left out."""
    caps: Annotated[tuple[CapRule, ...], Meta(max_length=10)] = ()
    """Caps of this job, beside those of the installation."""
    over_cap: Literal["wait", "skip"] = "wait"
    if_not_sent: Literal["end", "continue"] = "end"
    """Whether the next step follows a step that was not sent."""
    throttle: Throttle | None = None
    holdout: Share = 0.0
    """The share of the audience that this job never writes to, as the measure of what it brings."""
    goal: Goal = Goal()

    def __post_init__(self) -> None:
        refuse_nul(name=self.name)


class Step(Struct, frozen=True, kw_only=True):
    """A step of an accepted job: content by its hash, templates known to be sound."""

    name: str
    channels: tuple[str, ...]
    content: dict[str, str]
    """Channel to the hash of its content."""
    templates: dict[str, TemplateUse] = {}
    """By channel, where its content was not the job's own."""
    uses_coupon: frozenset[str]
    """The channels whose content shows a coupon."""
    links: dict[str, tuple[str, ...]]
    """By channel, the only addresses that tracked links of its messages lead to."""
    after: timedelta
    anchor: Anchor
    only_if: Condition
    local_time: time | None
    ttl: timedelta | None
    fallback_after: timedelta | None


class JobSpec(Struct, frozen=True, kw_only=True):
    """An accepted job without the people it names. Stored as it is; nothing edits it."""

    name: str
    where: Expression | None = None
    """Whom it is for; None where its people were named one by one."""
    purpose: str
    steps: tuple[Step, ...]
    offer: str | None
    offers: tuple[SegmentOffer, ...] = ()
    brand: str | None = None
    default_locale: str
    start_at: datetime
    expires_at: datetime | None
    priority: int
    obeys_caps: bool
    counts_towards_caps: bool
    caps: tuple[CapRule, ...]
    over_cap: Literal["wait", "skip"]
    if_not_sent: Literal["end", "continue"]
    throttle: Throttle | None
    holdout: float
    goal: Goal

    def default_locale_on(self, step: int, channel: str) -> str:
        """The language of people of whom none is known, or none that the content has."""
        use = self.steps[step].templates.get(channel)
        return use.default_locale if use else self.default_locale

    def brand_on(self, step: int, channel: str) -> str | None:
        """The sender profile to write as: the job's, or else that of the template."""
        use = self.steps[step].templates.get(channel)
        return self.brand or (use.brand if use else None)

    def offer_keys(self) -> frozenset[str]:
        """Every offer that somebody of the audience may get."""
        return frozenset(key for key in (self.offer, *(each.offer for each in self.offers)) if key is not None)

    def offer_in(self, segment: str | None) -> str | None:
        """The key of the offer that people of this segment get; None is the segment of all others."""
        own = next((each.offer for each in self.offers if each.segment == segment), None)
        return own or self.offer

    def channels(self) -> frozenset[str]:
        return frozenset(channel for step in self.steps for channel in step.channels)
