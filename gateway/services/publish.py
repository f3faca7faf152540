"""News made public: internal ids become those under which callers know jobs, sends and people."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from gateway.domain.notices import (
    AnyNews,
    ChannelNews,
    ChannelNotice,
    ConsentNews,
    ConsentNotice,
    CouponNews,
    CouponNotice,
    JobNews,
    JobNotice,
    Notice,
    PingNews,
    PingNotice,
    PoolNews,
    PoolNotice,
    RecipientNews,
    RecipientNotice,
    ReplyNews,
    ReplyNotice,
    SenderNews,
    SenderNotice,
    SendNews,
    SendNotice,
)
from gateway.domain.tokens import KeyRing, MessageRef
from gateway.domain.words import SendKey
from gateway.storage import jobs, recipients
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job

_OF_PEOPLE: Final = (SendNews, RecipientNews, ReplyNews, ConsentNews, CouponNews)


class _Names(Struct, frozen=True, kw_only=True):
    """What a page of news needs to be told."""

    keys: KeyRing
    jobs: Mapping[int, Job]
    people: Mapping[int, str]

    def job(self, job_id: int) -> str | None:
        found = self.jobs.get(job_id)
        return None if found is None else found.public_id

    def send(self, key: SendKey) -> str:
        return self.keys.sign_ref("send", MessageRef(*key))


def bodies(tx: Transaction, keys: KeyRing, news: Sequence[AnyNews]) -> list[bytes]:
    """What receivers get, in the order of `news`."""
    ids = list({each.recipient_id for each in news if isinstance(each, _OF_PEOPLE)})
    names = _Names(
        keys=keys,
        jobs=jobs.by_ids(tx, {job_id for each in news if (job_id := _job_id(each)) is not None}),
        people={id: row.external_id for id, row in recipients.profiles(tx, ids).items()} if ids else {},
    )
    return [msgspec.json.encode(Notice(type=each.type, timestamp=each.at, data=_public(each, names))) for each in news]


def _job_id(news: AnyNews) -> int | None:
    match news:
        case JobNews() | SendNews() | CouponNews():
            return news.job_id
        case RecipientNews(key=(job_id, *_)) | ReplyNews(key=(job_id, *_)):
            return job_id
        case _:
            return None


def _public(news: AnyNews, names: _Names) -> Struct:
    match news:
        case JobNews():
            job = names.jobs.get(news.job_id)
            return JobNotice(job=names.job(news.job_id), name=None if job is None else job.spec.name)
        case SendNews():
            return _of_send(news, names)
        case RecipientNews():
            return _of_recipient(news, names)
        case ReplyNews():
            return _of_reply(news, names)
        case ConsentNews():
            return ConsentNotice(
                recipient=names.people.get(news.recipient_id),
                channel=news.channel,
                purpose=news.purpose,
                action=news.action,
            )
        case CouponNews():
            return CouponNotice(
                job=names.job(news.job_id),
                recipient=names.people.get(news.recipient_id),
                offer=news.offer,
                redemption=news.redemption,
                order_minor=news.order_minor,
                currency=news.currency,
            )
        case PoolNews():
            return PoolNotice(offer=news.offer, free=news.free)
        case ChannelNews():
            return ChannelNotice(channel=news.channel, reason=news.reason)
        case SenderNews():
            return SenderNotice(channel=news.channel, brand=news.brand or None, reason=news.reason, rate=news.rate)
        case PingNews():
            return PingNotice(endpoint=news.endpoint)


def _of_send(news: SendNews, names: _Names) -> SendNotice:
    job = names.jobs.get(news.job_id)
    return SendNotice(
        send=names.send(SendKey(news.job_id, news.recipient_id, news.run, news.step, news.channel)),
        job=names.job(news.job_id),
        recipient=names.people.get(news.recipient_id),
        run=news.run,
        step=None if job is None else job.spec.steps[news.step].name,
        channel=news.channel,
        reason=news.reason,
    )


def _of_recipient(news: RecipientNews, names: _Names) -> RecipientNotice:
    key = None if news.key is None else SendKey(*news.key)
    return RecipientNotice(
        recipient=news.external_id or names.people.get(news.recipient_id),
        send=None if key is None else names.send(key),
        job=None if key is None else names.job(key.job_id),
        channel=None if key is None else key.channel,
        by=news.by,
    )


def _of_reply(news: ReplyNews, names: _Names) -> ReplyNotice:
    key = None if news.key is None else SendKey(*news.key)
    return ReplyNotice(
        recipient=names.people.get(news.recipient_id),
        reply=names.keys.sign_id("reply", news.reply),
        channel=news.channel,
        send=None if key is None else names.send(key),
        job=None if key is None else names.job(key.job_id),
        intent=news.intent,
        needs_review=news.needs_review,
    )
