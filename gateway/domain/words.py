"""The small types that everything else is spelled with. Limits live here, once."""

from typing import Annotated, NamedTuple

from msgspec import Meta

SHARDS = 64
"""Every entry and send lives in the shard `recipient_id % SHARDS`; the shard's lock orders all that is
spent, cancelled, settled or redeemed for its recipients."""

ChannelName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,15}$", examples=["email"])]
PurposeName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}$", examples=["marketing"])]
CountryCode = Annotated[str, Meta(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2", examples=["IT"])]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$", description="ISO 4217", examples=["EUR"])]
ExternalId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^[!-~]+$",
        description="The customer's own id of the person: printable ASCII, no spaces",
        examples=["c-1042"],
    ),
]
Locale = Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="BCP 47", examples=["it-IT"])]
Key = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", examples=["winback-15"])]


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
