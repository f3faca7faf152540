"""Templates that are kept: contents under a name, in versions that nobody changes."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from gateway.domain.job import Variants, VersionNumber
from gateway.domain.words import ChannelName, Key, Locale, refuse_nul

MOST_VERSIONS: Final = 1_000
"""Of one template. Whoever comes there has a program that writes versions, and wants a job's own content."""


class VersionInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A content as it is written down: sources by locale and part.

    `default_locale` is the language of whoever has no better one; jobs that use the template take it from here.
    `brand` is the sender profile that it is written for.
    """

    content: Variants
    default_locale: Locale = "en"
    brand: Key | None = None


class TemplateInput(VersionInput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new template, with its first version."""

    key: Key
    channel: ChannelName
    description: Annotated[str, Meta(max_length=500)] = ""

    def __post_init__(self) -> None:
        refuse_nul(description=self.description)


class NextVersionInput(VersionInput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The version that follows `after`, the latest one that its author has seen."""

    after: VersionNumber
