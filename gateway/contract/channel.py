"""The contract between the gateway and a channel, version 1.

A channel is a class. The gateway examines it, decodes its table of `channels.toml` into
`config_type`, builds one instance per process, and calls `open` before and `close` after use.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from msgspec import Struct

from gateway.contract.events import EventType, Heard, WebhookRequest
from gateway.contract.message import Doubtful, Outbound, Outcome, Traced

if TYPE_CHECKING:
    # Named only: importing it takes longer than all the rest of what a render process needs.
    import aiohttp

API = 1
"""The contract's version. A channel says which one it was written for."""


class Part(Struct, frozen=True, kw_only=True):
    """One piece of content that a channel wants rendered for it.

    `line` is plain text without line breaks, `text` plain text, `html` is escaped HTML,
    `url` an http or https URL.
    """

    kind: Literal["line", "text", "html", "url"]
    required: bool = True
    max_chars: int = 20_000


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a channel can do, so that the gateway never asks which channel it is."""

    address_kind: str
    """`email`, `phone`, `webpush`, `postal`, a kind of the plugin's own, or `external_id`:
    the recipient's own id, which everybody has."""
    parts: Mapping[str, Part]
    per_address: bool = False
    """True where a recipient has several live addresses and each gets its own copy (push devices)."""
    batched: bool = False
    """True where sends are gathered and exported together (paper). Such a channel is a BatchChannel."""
    draws_coupon: bool = False
    """Whether each message shows the coupon by itself, whatever its texts say, where the job gives one (paper)."""
    idempotent: bool = False
    """True only where handing over the same `Outbound.id` twice is proven to deliver once."""
    reconciles: bool = False
    """Whether `look_up` can ask the provider what became of a message."""
    window: int = 50
    """The most messages in one call of `send`."""
    timeout_s: float = 30.0
    """How long one call of `send` may take. What has no outcome by then is unknown."""
    reports: frozenset[EventType] = frozenset()
    """The events that this channel will report after acceptance."""
    receives: bool = False
    """Whether people can write back: `parse` or `listen` may give Inbound messages."""
    listens: bool = False
    """Whether `listen` is to be kept running: a port, a mailbox, long polling."""
    reads_mail: bool = False
    """Whether `parse` understands bounces and complaints that come as mail."""
    short_links: bool = False
    """Whether each character costs: tracked links then are short ones, where the operator has a host for them."""


class Context(Struct, frozen=True, kw_only=True):
    """What the gateway lends a channel."""

    http: "aiohttp.ClientSession"
    """Shared and guarded: it refuses private networks unless the operator allowed them."""
    now: Callable[[], datetime]
    """Business time (UTC). Signatures and TLS use the machine's clock instead."""
    log: Any
    """A structlog logger, bound to the channel. Ids only: never addresses, bodies or secrets."""
    files: Path
    """A folder of the channel's own."""
    hook_url: str
    """The channel's plain webhook URL at this gateway."""


class Channel(Protocol):
    """A way to deliver messages. `send` streams: a crash at 30 of 50 leaves 29 on record.

    The rest of the contract, which has defaults, is in `Quiet`: brands, weights, replies, listening. A class may have
    a name of its own in `provider`, where several are of one kind: the table's key `provider` chooses.
    """

    kind: ClassVar[str]
    api: ClassVar[int]
    config_type: ClassVar[type[Struct]]
    capabilities: ClassVar[Capabilities]

    def __init__(self, config: Any, context: Context) -> None:
        """Keep both; no I/O here."""

    async def open(self) -> None:
        """Get ready to send. Called inside the running loop, and again where it raised."""

    async def close(self) -> None:
        """Let go of connections. Harmless when called twice, or without `open`."""

    async def check(self) -> None:
        """Raise ChannelMisconfigured or TransientFailure where sending cannot work now. Sends nothing."""

    def send(self, batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        """Hand the messages over and yield one outcome each, in any order, as they become known."""
        ...

    async def look_up(self, messages: Sequence[Doubtful]) -> Sequence[Traced]:
        """What the provider knows of messages that may have gone out; those it says nothing of stay in doubt.

        At most `window` of them, and within `timeout_s`. Called only where the capabilities say `reconciles`.
        Raises a Failure where the provider cannot be asked. Sends nothing.
        """
        ...

    def verify(self, request: WebhookRequest) -> None:
        """Raise BadSignature unless the call is the provider's. Constant time; no I/O."""

    def parse(self, request: WebhookRequest) -> Iterable[Heard]:
        """The events and replies in a verified call. Pure. Raises BadWebhook where it makes no sense.

        Where the channel says `reads_mail`, also those in a mail, which is a request of the method `MAIL` whose
        body is the mail (RFC 5322); it was not verified, and counts by the signed ids in it only.
        """
        ...
