"""What other systems are told of.

News is written down with what happened, in the same transaction and by internal ids; its public form, a
notice, is made when it is sent. So nothing about people waits in line: who is erased meanwhile is told of
under the id that erasing left.
"""

from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

TYPES: Final = {
    "job.accepted": "A job was handed in.",
    "job.expanded": "The whole audience of a job has entered.",
    "job.paused": "A job hands over nothing more for now.",
    "job.resumed": "A paused job goes on.",
    "job.cancelled": "A job was ended before its time.",
    "job.done": "Every entry of a job is over.",
    "send.accepted": "The provider took a message.",
    "send.delivered": "A message arrived.",
    "send.bounced": "A message cannot be delivered for good, learnt after it was accepted.",
    "send.returned": "A letter came back.",
    "send.failed": "A message was given up.",
    "send.in_doubt": "Nobody knows whether a message went out.",
    "send.expired": "A message was too late to be sent.",
    "send.cancelled": "A message was stopped before it went out.",
    "send.skipped": "The rules decided against a message; `reason` says which.",
    "recipient.unsubscribed": "Somebody wants no more messages of a kind.",
    "recipient.complained": "Somebody called a message spam.",
    "recipient.clicked": "A tracked link was followed; `by` says what kind of visitor it seems to be.",
    "recipient.opened": "A message was perhaps looked at: many programs open every message.",
    "recipient.replied": "Somebody wrote back. What they wrote is at `GET /v1/replies`, for those who may read it.",
    "recipient.erased": "A person was forgotten here: forget them too.",
    "consent.changed": "A grant, a withdrawal or an objection is on record.",
    "coupon.published": "A coupon was given to somebody.",
    "coupon.redeemed": "A coupon was used.",
    "coupon.reversed": "The use of a coupon was taken back.",
    "pool.low": "Few codes of a partner are left.",
    "pool.empty": "No code of a partner is left: messages that need one wait for more.",
    "channel.paused": "A channel sends nothing more: somebody, or a fault, has paused it.",
    "channel.resumed": "A channel sends again.",
    "channel.held": "A channel sends nothing more since a restore, until somebody resumes it.",
    "sender.alert": "A sender has too many complaints, or too many dead addresses; `reason` says which.",
    "sender.blocked": "Mailboxes or carriers refuse a sender's messages because of us.",
    "sender.held": "A sender's messages wait, but for urgent ones, until somebody releases it.",
    "sender.released": "A sender that was held sends again.",
}
"""Every type of news, and what it means."""

BY_NAME_ONLY: Final = frozenset({"send.cancelled", "send.skipped", "recipient.opened", "coupon.published"})
"""As many as there are people, and seldom wanted: neither `*` nor `send.*` asks for them."""

PING: Final = "test.ping"


class News(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Something that happened, at an instant of business time; by internal ids."""

    type: str
    at: datetime


class JobNews(News, frozen=True, kw_only=True, tag="job"):
    job_id: int


class SendNews(News, frozen=True, kw_only=True, tag="send"):
    job_id: int
    recipient_id: int
    run: int
    step: int
    channel: str
    reason: str | None = None


class RecipientNews(News, frozen=True, kw_only=True, tag="recipient"):
    """`key` is the send that it followed from (a SendKey). `external_id` is for who cannot be looked up any more."""

    recipient_id: int
    key: tuple[int, int, int, int, str] | None = None
    by: str | None = None
    external_id: str | None = None


class ReplyNews(News, frozen=True, kw_only=True, tag="reply"):
    """`reply` is its internal id, `key` the send that it answers, where that is known."""

    recipient_id: int
    reply: int
    channel: str
    key: tuple[int, int, int, int, str] | None = None
    intent: str | None = None
    needs_review: bool = False


class ConsentNews(News, frozen=True, kw_only=True, tag="consent"):
    recipient_id: int
    channel: str
    purpose: str
    action: str


class CouponNews(News, frozen=True, kw_only=True, tag="coupon"):
    """`offer` is its key, `redemption` the public id of the use, also of one that was taken back. The code is not
    told: whoever reads it could use it."""

    job_id: int
    recipient_id: int
    offer: str
    redemption: str | None = None
    order_minor: int | None = None
    currency: str | None = None


class PoolNews(News, frozen=True, kw_only=True, tag="pool"):
    """`offer` is the key of the one whose codes they are."""

    offer: str
    free: int


class ChannelNews(News, frozen=True, kw_only=True, tag="channel"):
    channel: str
    reason: str | None = None


class SenderNews(News, frozen=True, kw_only=True, tag="sender"):
    """`brand` is empty where the channel writes as itself; `reason` names the trouble, `rate` its share."""

    channel: str
    brand: str
    reason: str | None = None
    rate: float | None = None


class PingNews(News, frozen=True, kw_only=True, tag="ping"):
    endpoint: str


AnyNews = (
    JobNews
    | SendNews
    | RecipientNews
    | ReplyNews
    | ConsentNews
    | CouponNews
    | PoolNews
    | ChannelNews
    | SenderNews
    | PingNews
)


def written(news: AnyNews) -> bytes:
    """As it is kept until it is sent."""
    return msgspec.msgpack.encode(news)


def read(kept: bytes) -> AnyNews:
    news: AnyNews = msgspec.msgpack.decode(kept, type=AnyNews)
    return news


class JobNotice(Struct, frozen=True, kw_only=True):
    """`data` of `job.*`."""

    job: str | None
    name: str | None


class SendNotice(Struct, frozen=True, kw_only=True):
    """`data` of `send.*`. `send` is the id under which the API shows it."""

    send: str
    job: str | None
    recipient: str | None
    run: int
    step: str | None
    channel: str
    reason: str | None


class RecipientNotice(Struct, frozen=True, kw_only=True):
    """`data` of `recipient.*`; `send`, `job` and `channel` where it followed from a message."""

    recipient: str | None
    send: str | None
    job: str | None
    channel: str | None
    by: str | None


class ReplyNotice(Struct, frozen=True, kw_only=True):
    """`data` of `recipient.replied`. The words themselves are never told; `needs_review` asks a person to read them."""

    recipient: str | None
    reply: str
    channel: str
    send: str | None
    job: str | None
    intent: str | None
    needs_review: bool


class ConsentNotice(Struct, frozen=True, kw_only=True):
    """`data` of `consent.*`."""

    recipient: str | None
    channel: str
    purpose: str
    action: str


class CouponNotice(Struct, frozen=True, kw_only=True):
    """`data` of `coupon.*`; the order where it was redeemed."""

    job: str | None
    recipient: str | None
    offer: str
    redemption: str | None
    order_minor: int | None
    currency: str | None


class PoolNotice(Struct, frozen=True, kw_only=True):
    """`data` of `pool.*`."""

    offer: str
    free: int


class ChannelNotice(Struct, frozen=True, kw_only=True):
    """`data` of `channel.*`."""

    channel: str
    reason: str | None


class SenderNotice(Struct, frozen=True, kw_only=True):
    """`data` of `sender.*`. `brand` is None for the channel's own sender; `rate` is of the messages accepted."""

    channel: str
    brand: str | None
    reason: str | None
    rate: float | None


class PingNotice(Struct, frozen=True, kw_only=True):
    """`data` of `test.ping`."""

    endpoint: str


class Notice(Struct, frozen=True, kw_only=True):
    """The body of a delivery."""

    type: str
    timestamp: datetime
    data: Any
