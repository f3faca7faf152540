"""Receivers against ledger: every promise that can be computed from what arrived is computed."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from gateway.demo.customers import Farewell, Race, Use
from gateway.demo.ledger import Ledger, LeftOut
from gateway.demo.paper import Mailing
from gateway.demo.postbag import Message
from gateway.demo.receivers.twilio_reports import Callback
from gateway.demo.shop import Forecast
from gateway.demo.stall import Market

NOT_BEFORE: Final = 9
NOT_FROM: Final = 21
MOST_IN_A_WEEK: Final = 3
MOST_SMS_IN_A_WEEK: Final = 2

_WEEK: Final = timedelta(days=7)
_ONE_SEND: Final = timedelta(minutes=5)
"""Pushes to several devices of one person, so close together, are one message."""


class Check(Struct, frozen=True, kw_only=True):
    """A promise, what was received, and what the ledger has, or what would keep the promise."""

    promise: str
    received: str
    expected: str
    holds: bool


class Findings(Struct, frozen=True, kw_only=True):
    """Everything that the checks look at."""

    messages: Sequence[Message]
    reports: Sequence[Callback]
    """The provider's delivery reports of SMS."""
    ledger: Ledger
    business_at: Callable[[datetime], datetime]
    """From the machine time of a message to business time."""
    uses: Sequence[Use]
    farewells: Sequence[Farewell]
    forecast: Forecast
    left_out: LeftOut
    """By the plan of the first step, when people entered."""
    mailing: Mailing
    race: Race
    market: Market


def checks(found: Findings) -> list[Check]:
    return [
        *_nothing_lost_nothing_twice(found),
        *_paper(found),
        *_people_are_respected(found),
        *_coupons(found),
        *_accounts(found),
    ]


def _nothing_lost_nothing_twice(found: Findings) -> Iterator[Check]:
    named = {"email": "mails, by Message-ID", "sms": "SMS, by Twilio's SID", "webpush": "pushes, by their address"}
    for channel, what in named.items():
        arrived = [message.id for message in _by(found.messages, channel)]
        ledger = [_id(channel, id) for id in found.ledger.accepted[channel]]
        yield Check(
            promise=f"{what}: none lost, none twice",
            received=f"{len(arrived):,}, {len(arrived) - len(set(arrived))} twice",
            expected=f"{len(ledger):,} accepted",
            holds=Counter(arrived) == Counter(ledger) and len(set(arrived)) == len(arrived),
        )
    told = Counter(callback.status for callback in found.reports if callback.answer < 300)
    yield _equal(
        "SMS reports: all on record",
        f"{told['delivered']:,} delivered, {told['undelivered']:,} not",
        f"{found.ledger.count(channel='sms', states=('delivered',)):,} delivered, "
        f"{found.ledger.count(channel='sms', states=('bounced', 'failed')):,} not",
    )


def _id(channel: str, id: str) -> str:
    """A push service gives a whole URL, of which its own journal knows the end."""
    return "/".join(id.rsplit("/", 2)[-2:]) if channel == "webpush" else id


def _paper(found: Findings) -> Iterator[Check]:
    printed = found.mailing.printed
    numbered = {piece.sequence: piece.code[-4:] for piece in found.mailing.pieces if piece.sequence is not None}
    yield Check(
        promise="cards: pages, manifest, ledger, code by code",
        received=f"{printed.pages} pages, {len(printed.code_ends)} rows",
        expected=f"{len(numbered)} pieces with {printed.sides} sides",
        holds=printed.code_ends == numbered and printed.pages == len(numbered) * printed.sides,
    )


def _people_are_respected(found: Findings) -> Iterator[Check]:
    messages, at = found.messages, found.business_at
    unasked = [message for message in messages if not _agreed(message)]
    yield _none("messages to people who did not agree", unasked)
    night = [one for one in messages if one.channel in ("sms", "webpush") and not _is_day(one, at(one.at))]
    yield _none("SMS and pushes at night, where the person lives", night)
    most, most_sms = _most_in_a_week(messages, at), _most_in_a_week(_by(messages, "sms"), at)
    yield Check(
        promise="caps: the most that anybody got in seven days",
        received=f"{most} messages, {most_sms} SMS",
        expected=f"at most {MOST_IN_A_WEEK}, {MOST_SMS_IN_A_WEEK}",
        holds=most <= MOST_IN_A_WEEK and most_sms <= MOST_SMS_IN_A_WEEK,
    )
    used = {use.person.id: use.at for use in found.uses}
    yield _none("messages after the coupon was redeemed", _later(messages, used))
    left = {farewell.person.id: farewell.at for farewell in found.farewells}
    yield _none("mails after unsubscribing with one click", _later(_by(messages, "email"), left))


def _by(messages: Iterable[Message], channel: str) -> list[Message]:
    return [message for message in messages if message.channel == channel]


def _agreed(message: Message) -> bool:
    """Paper needs no consent before, and must heed an objection; suppressed addresses are left alone everywhere."""
    standing = message.person.standing
    return standing == "granted" or (standing == "none" and message.channel == "postal")


def _is_day(message: Message, at: datetime) -> bool:
    return NOT_BEFORE <= at.astimezone(ZoneInfo(message.person.time_zone)).hour < NOT_FROM


def _most_in_a_week(messages: Iterable[Message], business_at: Callable[[datetime], datetime]) -> int:
    times: defaultdict[str, list[datetime]] = defaultdict(list)
    last: dict[tuple[str, str], datetime] = {}
    for message in sorted(messages, key=lambda message: message.at):
        at, place = business_at(message.at), (message.person.id, message.channel)
        if place not in last or at - last[place] > _ONE_SEND:
            times[message.person.id].append(at)
        last[place] = at
    return max(
        (sum(start <= at < start + _WEEK for at in each) for each in times.values() for start in each), default=0
    )


def _later(messages: Iterable[Message], since: Mapping[str, datetime]) -> list[Message]:
    return [one for one in messages if one.person.id in since and one.at > since[one.person.id]]


def _coupons(found: Findings) -> Iterator[Check]:
    codes: defaultdict[str, set[str]] = defaultdict(set)
    for message in found.messages:
        codes[message.person.id].add(message.code or "none")
    distinct = {code for each in codes.values() for code in each}
    # Published for those too whose every message was refused, or whose card was taken out.
    reached = found.ledger.report.steps[0].people_sent
    yield _equal("codes in people's hands", f"{len(distinct):,}", f"{reached:,}")
    several = [person for person, each in codes.items() if len(each) > 1]
    yield _none("people with two codes, over all channels", several)
    yield _equal(
        "one code at many tills at once",
        f"{found.race.sold} sold, {found.race.refused} refused",
        f"1 sold, {found.race.tills - 1} refused",
    )
    bought, report = found.market.uses, found.market.report
    yield _equal(
        "tills without a network, told twice",
        f"{report.redeemed} redeemed, {report.received - report.redeemed} used elsewhere before",
        f"{len(bought)} redeemed, 1 used elsewhere before",
    )
    used = {use.person.id: use.at for use in bought}
    yield _none("last calls to people who had bought at the market", _later(found.messages, used))
    yield _equal(
        "redemptions and revenue",
        f"{len(found.uses):,}, {_money(use.order_minor for use in found.uses)}",
        f"{found.ledger.redeemed:,}, {_money([found.ledger.order_minor])}",
    )


def _accounts(found: Findings) -> Iterator[Check]:
    everybody = found.ledger.report.steps[0].people
    yield _equal("everybody selected has an outcome", f"{everybody:,}", f"{found.forecast.audience:,}")
    yield _equal("the job", found.ledger.report.state, "done")
    foretold, happened = _left_out_by_preview(found.forecast), found.left_out
    yield Check(
        promise="the preview foretold who is left out, and why",
        received=f"{happened.total():,} left out",
        expected=f"{foretold.total():,} foretold",
        holds=happened == foretold,
    )
    pending = ("queued", "claimed", "sending", "batched", "in_doubt")
    yield _equal("sends without an outcome, or in doubt", f"{found.ledger.count(states=pending)}", "0")


def _left_out_by_preview(forecast: Forecast) -> LeftOut:
    counted: LeftOut = Counter()
    for count in forecast.counts:
        if count.state == "skipped":
            counted[count.channel, count.reason] += count.recipients
    return counted


def _none(what: str, found: Sequence[object]) -> Check:
    return _equal(what, f"{len(found)}", "0")


def _equal(promise: str, received: str, expected: str) -> Check:
    return Check(promise=promise, received=received, expected=expected, holds=received == expected)


def _money(minor: Iterable[int]) -> str:
    return f"${sum(minor) / 100:,.2f}"
