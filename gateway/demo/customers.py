"""What people do with what they got: most of them nothing, and always the same ones.

They read the messages themselves; the gateway's database is not asked.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import aiohttp
from msgspec import Struct

from gateway.demo.people import Person, chance, draw
from gateway.demo.postbag import Message
from gateway.demo.receivers.smtp import ONE_CLICK
from gateway.demo.shop import Redeemed, Refused, Shop, Unexpected
from gateway.domain.coupon import ALPHABET

_T = TypeVar("_T")

_AT_ONCE: Final = 8
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


class Use(Struct, frozen=True, kw_only=True):
    """A code that somebody used. `at` is machine time, just after the till had its answer."""

    person: Person
    channel: str
    code: str
    order_minor: int
    cancelled_sends: int
    at: datetime


class Farewell(Struct, frozen=True, kw_only=True):
    """Somebody who wants no more mail. `at` is machine time, just after the answer."""

    person: Person
    at: datetime


class Visits(Struct, frozen=True, kw_only=True):
    """What came of following links: how many redirects led to the shop, and how many led elsewhere."""

    clicks: int
    astray: int


class Race(Struct, frozen=True, kw_only=True):
    """One code at many tills at the same instant."""

    tills: int
    sold: int
    refused: int


class Customers:
    """Everybody, and what they have done so far."""

    def __init__(self, http: aiohttp.ClientSession, shop: Shop) -> None:
        self.uses: list[Use] = []
        self.farewells: list[Farewell] = []
        self._http = http
        self._shop = shop

    async def redeem(self, messages: Iterable[Message], share: float, trait: str, place: str) -> list[Use]:
        """A share of those who hold a message use its code, once each; every order is worth something else."""
        uses = await _together([self._use(message, place) for message in self.choose(messages, share, trait)])
        self.uses += uses
        return uses

    def choose(self, messages: Iterable[Message], share: float, trait: str) -> list[Message]:
        """The latest message of a share of those who hold one and have neither bought nor left."""
        done = {use.person.id for use in self.uses} | {farewell.person.id for farewell in self.farewells}
        latest = {message.person.id: message for message in messages if message.code is not None}
        return [
            message
            for id, message in sorted(latest.items())
            if id not in done and chance(message.person.customer, trait, share)
        ]

    async def _use(self, message: Message, place: str) -> Use:
        person, order_id = message.person, f"order-{message.person.customer}"
        answer = await self._shop.redeem(
            message.code or "", order_of(person), key=order_id, order_id=order_id, place=place
        )
        if isinstance(answer, Refused):
            raise Unexpected(f"{person.id}: the first use of a valid code was refused: {answer.detail}")
        return _use(message, answer)

    async def click(self, messages: Sequence[Message], share: float) -> Visits:
        """Follow the link of some messages, as far as to where the gateway leads."""
        links = [one.link for one in messages if one.link is not None and chance(one.person.customer, "clicks", share)]
        landed = await _together([self._follow(link) for link in links])
        return Visits(clicks=sum(landed), astray=len(landed) - sum(landed))

    async def _follow(self, link: str) -> bool:
        headers = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
        async with self._http.get(link, headers=headers, allow_redirects=False) as answer:
            return answer.status == 302 and answer.headers.get("Location", "").startswith("https://records.example/")

    async def unsubscribe(self, messages: Sequence[Message], most: int) -> list[Farewell]:
        """Some owners of mails press the button of their mail program (RFC 8058): one POST, nothing else."""
        done = {use.person.id for use in self.uses}
        chosen = [
            message
            for message in sorted(messages, key=lambda message: draw(message.person.customer, "unsubscribes"))
            if message.unsubscribe_url is not None and message.person.id not in done
        ]
        farewells = await _together([self._press(message) for message in chosen[:most]])
        self.farewells += farewells
        return farewells

    async def _press(self, message: Message) -> Farewell:
        url = message.unsubscribe_url or ""
        # A scanner looks first. That must change nothing, and be seen to: the POST below is what counts.
        async with self._http.get(url) as page:
            page.raise_for_status()
        async with self._http.post(url, data=ONE_CLICK, headers=_FORM) as answer:
            answer.raise_for_status()
        return Farewell(person=message.person, at=datetime.now(UTC))

    async def race(self, message: Message, tills: int) -> Race:
        """The code of a message at many tills at the same instant, each with a request of its own."""
        code, order_minor = message.code or "", order_of(message.person)
        names = [f"till-{number}" for number in range(1, tills + 1)]
        calls = [self._shop.redeem(code, order_minor, key=name, order_id=name, place=name) for name in names]
        answers = await asyncio.gather(*calls)
        sold = [answer for answer in answers if isinstance(answer, Redeemed)]
        self.uses += [_use(message, answer) for answer in sold]
        return Race(tills=tills, sold=len(sold), refused=tills - len(sold))

    async def refused(self, code: str, key: str) -> Refused:
        """Try a code that must not work."""
        answer = await self._shop.redeem(code, 2_500, key=key, order_id=key, place="web")
        if not isinstance(answer, Refused):
            raise Unexpected(f"{key}: a code was redeemed that must not be")
        return answer


def order_of(person: Person) -> int:
    """What the person buys, in cents: $12 to $90."""
    return 1_200 + int(draw(person.customer, "order") * 7_800)


def _use(message: Message, answer: Redeemed) -> Use:
    return Use(
        person=message.person,
        channel=message.channel,
        code=message.code or "",
        order_minor=order_of(message.person),
        cancelled_sends=answer.cancelled_sends,
        at=datetime.now(UTC),
    )


def mistyped(code: str) -> str:
    """The code with its first letter wrong, as a tired person types it."""
    return ALPHABET[(ALPHABET.index(code[0]) + 1) % len(ALPHABET)] + code[1:]


async def _together(calls: Sequence[Coroutine[Any, Any, _T]]) -> list[_T]:
    """The answers in the order of the calls, of which only a few are on the wire at once."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(call: Coroutine[Any, Any, _T]) -> _T:
        async with gate:
            return await call

    return list(await asyncio.gather(*(one(call) for call in calls)))
