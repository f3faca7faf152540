"""All that a channel may import. Versioned; imports nothing else of the gateway."""

from gateway.contract.channel import (
    API,
    BatchChannel,
    Capabilities,
    Channel,
    Context,
    OneByOne,
    Part,
    PieceRefused,
    Quiet,
)
from gateway.contract.events import (
    BadSignature,
    BadWebhook,
    EventType,
    ProviderEvent,
    WebhookRequest,
)
from gateway.contract.failures import (
    ChannelMisconfigured,
    Failure,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    RecipientGone,
    TransientFailure,
)
from gateway.contract.message import (
    Address,
    BatchTicket,
    CouponView,
    Outbound,
    Outcome,
    Piece,
    PrintFile,
)
from gateway.contract.secret import Secret

__all__ = [
    "API",
    "Address",
    "BadSignature",
    "BadWebhook",
    "BatchChannel",
    "BatchTicket",
    "Capabilities",
    "Channel",
    "ChannelMisconfigured",
    "Context",
    "CouponView",
    "EventType",
    "Failure",
    "OneByOne",
    "Outbound",
    "Outcome",
    "OutcomeUnknown",
    "Part",
    "PermanentFailure",
    "Piece",
    "PieceRefused",
    "PrintFile",
    "ProviderEvent",
    "Quiet",
    "RateLimited",
    "RecipientGone",
    "Secret",
    "TransientFailure",
    "WebhookRequest",
]
