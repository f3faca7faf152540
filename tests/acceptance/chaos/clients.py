"""Those who call the gateway while it is under fire: jobs handed in, coupons redeemed, people leaving.

Whoever gets no answer asks again, with the same Idempotency-Key, until there is one.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx
import msgspec

from gateway.demo.receivers.journal import RECEIVED
from tests.acceptance.chaos import load
from tests.acceptance.chaos.evidence import Handed, Key, Leaving, Person, Redeeming
from tests.acceptance.chaos.receiver import Mail

_PATIENCE_S: Final = 300.0
_PAUSE_S: Final = (0.1, 0.6)
_LOOK_S: Final = 0.3
_TILLS: Final = 3
_CODE: Final = re.compile(r" · ([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}) · ")

_REDEEM_SHARE: Final = 0.05
_LEAVE_SHARE: Final = 0.03
_RISKED: Final = 3
_HANDS: Final = 8
_EXPECTED: Final = frozenset({200, 201, 409, 503})


class NoAnswer(Exception):
    """The gateway did not answer, however often it was asked."""


class Clients:
    """All callers of a run, and what they were told."""

    def __init__(self, url: str, token: str, seed: int) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=20)
        self._chance = Random(seed)
        self.jobs: list[Handed] = []
        self.redeemings: list[Redeeming] = []
        self.leavings: list[Leaving] = []
        self.retried: Counter[str] = Counter()
        self.settled: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.repeats = 0

    async def close(self) -> None:
        await self._http.aclose()

    async def fill(self, everyone: list[Person]) -> None:
        """People, their consents and the offer, before anything happens."""
        await self._ask("PUT", f"/v1/offers/{load.OFFER['key']}", load.OFFER)
        for noun, lines in (
            ("recipients", load.recipient_lines(everyone)),
            ("consents", load.consent_lines(everyone)),
        ):
            body = b"\n".join(msgspec.json.encode(line) for line in lines)
            answer = await self._http.post(
                f"/v1/{noun}:bulk", content=body, headers={"Content-Type": "application/x-ndjson"}, timeout=120
            )
            answer.raise_for_status()
            if answer.json()["errors"]:
                raise NoAnswer(f"{noun}: {answer.text[:500]}")

    async def hand_in(self, job: dict[str, Any], audience: frozenset[str]) -> None:
        """Hand in a job; twice at the same time and once more later, under one key."""
        at = datetime.now(UTC)
        first = await asyncio.gather(*(self._ask("POST", "/v1/jobs", job, key=job["name"]) for _ in range(2)))
        again = await self._ask("POST", "/v1/jobs", job, key=job["name"])
        self.jobs.append(
            Handed(
                name=job["name"],
                audience=audience,
                strangers=frozenset(id for id in audience if id.startswith("x")),
                steps=len(job["steps"]),
                counts=job["purpose"] == "marketing",
                may_skip=job.get("over_cap") == "skip",
                has_coupons="offer" in job,
                ids=frozenset(answer["id"] for answer in (*first, again)),
                at=at,
            )
        )

    async def react(self, journal: Path, enough: asyncio.Event) -> None:
        """Read the mail as it comes, until there is enough: redeem some of the codes, leave by some of the links."""
        seen: set[str] = set()
        place = 0
        async with asyncio.TaskGroup() as group:
            while not enough.is_set():
                place, mails = await asyncio.to_thread(_since, journal / RECEIVED, place)
                for mail in mails:
                    self._consider(group, mail, seen)
                await asyncio.sleep(_LOOK_S)

    def _consider(self, group: asyncio.TaskGroup, mail: Mail, seen: set[str]) -> None:
        code = _CODE.search(mail.subject)
        if code and code[1] not in seen and self._chance.random() < _REDEEM_SHARE:
            seen.add(code[1])
            group.create_task(self._redeem(code[1]))
        if mail.unsubscribe and mail.to not in seen and self._chance.random() < _LEAVE_SHARE:
            seen.add(mail.to)
            group.create_task(self._leave(mail.subject.split("/")[1], mail.unsubscribe))

    async def settle(self, arrived: Collection[str]) -> None:
        """End all doubts, with the mail server's journal at hand: what arrived was sent, the rest is sent again.

        `arrived` has the mails as their texts name them. A few that arrived are sent again all the same.
        """
        names = {id: job.name for job in self.jobs for id in job.ids}
        hands = asyncio.Semaphore(_HANDS)

        async def say(send: str, verdict: str) -> None:
            async with hands:
                await self._ask("POST", f"/v1/sends/{send}:settle", {"as": verdict})

        async with asyncio.TaskGroup() as group:
            for doubt in await self._doubts():
                job, recipient, step = names[doubt["job"]], doubt["recipient"], doubt["step"].removeprefix("step-")
                was_there = f"{job}/{recipient}/{step}" in arrived
                is_risked = was_there and len(self.retried) < _RISKED
                if is_risked:
                    self.retried[str(Key(job, recipient, 0, int(step)))] += 1
                verdict = "sent" if was_there and not is_risked else "retry"
                self.settled[verdict] += 1
                group.create_task(say(doubt["send"], verdict))

    async def _doubts(self) -> list[Mapping[str, Any]]:
        doubts: list[Mapping[str, Any]] = []
        page: Mapping[str, Any] = {"next": ""}
        while page["next"] is not None:
            cursor = f"&cursor={page['next']}" if page["next"] else ""
            page = await self._ask("GET", f"/v1/doubts?limit=100{cursor}", {})
            doubts += page["doubts"]
        return doubts

    async def _redeem(self, code: str) -> None:
        """Several tills at once, each with a key of its own."""
        answers = await asyncio.gather(
            *(
                self._ask("POST", "/v1/coupons:redeem", {"code": code, "order_minor": 1990, "currency": "EUR"}, key=key)
                for key in (f"{code}-{till}" for till in range(_TILLS))
            )
        )
        self.redeemings.append(
            Redeeming(
                code=code.replace("-", ""),
                tills=_TILLS,
                ids=tuple(answer["id"] for answer in answers if "id" in answer and "recipient" in answer),
                answered_at=datetime.now(UTC),
            )
        )

    async def _leave(self, recipient: str, url: str) -> None:
        self.leavings.append(Leaving(recipient=recipient, answered_at=None))
        place = len(self.leavings) - 1
        await self._ask("POST", httpx.URL(url).raw_path.decode(), None)
        self.leavings[place] = Leaving(recipient=recipient, answered_at=datetime.now(UTC))

    async def _ask(self, method: str, path: str, body: object, *, key: str | None = None) -> Mapping[str, Any]:
        """The answer: of success, or a refused coupon's. Asks again while there is none."""
        headers = {} if key is None else {"Idempotency-Key": key}
        given: dict[str, Any] = {"data": {"List-Unsubscribe": "One-Click"}} if body is None else {"json": body}
        if method == "GET":
            given = {}
        why: object = None
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while True:
                    try:
                        answer = await self._http.request(method, path, headers=headers, **given)
                    except httpx.TransportError as error:
                        why = error
                    else:
                        why = f"{answer.status_code} {answer.text[:300]}"
                        if answer.status_code not in _EXPECTED:
                            self.faults[f"{answer.status_code} to {method} {_route(path)}"] += 1
                        if not _is_for_now(answer):
                            return _content(answer)
                    self.repeats += 1
                    await asyncio.sleep(self._chance.uniform(*_PAUSE_S))
        except TimeoutError:
            raise NoAnswer(f"{method} {path}: {why}") from None


def _route(path: str) -> str:
    """The path without what differs from request to request."""
    noun, *rest = path.partition("?")[0].removeprefix("/v1").split("/")[1:]
    return f"/{noun}" + "/…" * len(rest)


def _is_for_now(answer: httpx.Response) -> bool:
    """Whether the same request may be answered otherwise in a moment."""
    return answer.status_code >= 500 or (answer.status_code == 409 and "in-progress" in answer.text)


def _content(answer: httpx.Response) -> Mapping[str, Any]:
    if answer.headers["content-type"].startswith("text/html"):
        answer.raise_for_status()
        return {}
    found: dict[str, Any] = answer.json()
    # A doubt that is settled already: the answer to the first request was lost.
    if not answer.is_success and not found["type"].endswith(("#coupon-refused", "#conflict")):
        raise NoAnswer(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:500]}")
    return found


def _since(path: Path, place: int) -> tuple[int, list[Mail]]:
    """The mails behind a place of the journal, and the place behind them."""
    if not path.exists():
        return place, []
    with path.open("rb") as file:
        file.seek(place)
        whole, _, _ = file.read().rpartition(b"\n")
    decoder = msgspec.json.Decoder(Mail)
    return place + len(whole) + (1 if whole else 0), [decoder.decode(line) for line in whole.splitlines()]
