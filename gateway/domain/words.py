"""The small types that everything else is spelled with. Limits live here, once."""

import re
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, NamedTuple
from zoneinfo import available_timezones

import msgspec
from msgspec import Meta

SHARDS = 64
"""Every entry and send lives in the shard `recipient_id % SHARDS`; the shard's lock orders all that is
spent, cancelled, settled or redeemed for its recipients."""

# `$` alone would in Python also match before a line break at the end.
# The descriptions complete "must be ..." where a value does not match (`gateway.domain.faults`).
ChannelName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9-]{0,15}$(?!\n)",
        description="the name of a channel: 1 to 16 of a-z 0-9 -, the first a letter",
        examples=["email"],
    ),
]
PurposeName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_-]{0,31}$(?!\n)",
        description="the name of a purpose: 1 to 32 of a-z 0-9 _ -, the first a letter",
        examples=["marketing"],
    ),
]
AddressKind = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_]{0,15}$(?!\n)",
        description="the name of a kind of address: 1 to 16 of a-z 0-9 _, the first a letter",
        examples=["email", "phone", "webpush", "postal"],
    ),
]
CountryCode = Annotated[
    str,
    Meta(
        pattern=r"^[A-Z]{2}$(?!\n)",
        description="the two capital letters of a country (ISO 3166-1 alpha-2)",
        examples=["IT"],
    ),
]
CodePrefix = Annotated[
    str,
    Meta(
        pattern=r"^[2-9A-DF-HJKMNP-TV-Z]{0,8}$(?!\n)",
        description="what codes begin with: at most 8 capitals and digits, but for 0 1 E I L O U",
        examples=["SPRNG"],
    ),
]
Currency = Annotated[
    str,
    Meta(
        pattern=r"^[A-Z]{3}$(?!\n)", description="the three capital letters of a currency (ISO 4217)", examples=["EUR"]
    ),
]
ExternalId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^[!-~]+$(?!\n)",
        description="the customer's own id of the person: printable ASCII, no spaces",
        examples=["c-1042"],
    ),
]
Locale = Annotated[
    str,
    Meta(
        pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$(?!\n)",
        description="a language in small letters, with a region or script where it matters (BCP 47)",
        examples=["it", "it-IT"],
    ),
]
ContentName = Annotated[
    str,
    Meta(
        pattern=r"^(template|version|[a-z]{2,3}(-[A-Za-z0-9]{2,8})*)$(?!\n)",
        description="a language (BCP 47), or `template` and `version`",
        examples=["it", "it-IT", "template"],
    ),
]
Key = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$(?!\n)",
        description="1 to 64 of a-z 0-9 . _ -, the first a letter or digit",
        examples=["winback-15"],
    ),
]
Minor = Annotated[int, Meta(ge=-(10**12), le=10**12, description="In minor units of the currency, such as cents")]

Share = Annotated[float, Meta(ge=0, le=0.5, description="A part of a whole: 0.1 is ten per cent", examples=[0.1])]

LONGEST_SPAN = timedelta(days=36_525)


def refuse_endless(**spans: timedelta | None) -> None:
    """Raises ValueError for a span beyond a hundred years: added to an instant, it would leave the calendar."""
    for name, span in spans.items():
        if span is not None and abs(span) > LONGEST_SPAN:
            raise ValueError(f"{name}: is longer than a hundred years")


def refuse_nul(**values: object) -> None:
    """Raises ValueError for U+0000 anywhere in texts, lists and objects: PostgreSQL cannot keep it."""
    for name, value in values.items():
        if _ESCAPED_NUL.search(msgspec.json.encode(value)):
            raise ValueError(f"{name}: holds the character U+0000")


# An even number of backslashes before it are backslashes themselves.
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


@lru_cache(maxsize=1)
def time_zones() -> frozenset[str]:
    """Every IANA name. Looked up once: it is a walk over the disk of some ten milliseconds."""
    return frozenset(available_timezones())


class EntryKey(NamedTuple):
    """One passage of a recipient through a job."""

    job_id: int
    recipient_id: int
    run: int


class SendKey(NamedTuple):
    """One message to one recipient on one channel for one step of an entry."""

    job_id: int
    recipient_id: int
    run: int
    step: int
    channel: str

    @property
    def entry(self) -> EntryKey:
        return EntryKey(self.job_id, self.recipient_id, self.run)


def shard_of(recipient_id: int) -> int:
    """The shard of a recipient: stable for life, and the same in SQL (`recipient_id % 64`)."""
    return recipient_id % SHARDS
