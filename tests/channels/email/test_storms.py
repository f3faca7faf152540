"""Relays that answer as they please, in mid-batch and all at once: nothing is lost, and nothing goes out twice."""

import random
import re
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from channels.email import EmailChannel
from gateway.contract import Outbound, Outcome, OutcomeUnknown

Opened = Callable[..., AbstractAsyncContextManager[EmailChannel]]
Outcomes = Callable[..., Coroutine[Any, Any, dict[str, Outcome]]]
Message = Callable[..., Outbound]

_MESSAGE_ID = re.compile(r"^Message-ID: <(m-\d+)@", re.MULTILINE)

FRIENDLY = {"connection": "220 hello", "DATA": "354 go", "EHLO": "250-mx.example\r\n250 SIZE 1000000"}
TROUBLE = [
    "550 5.1.1 no such user",
    "550 5.7.26 unauthenticated",
    "451 4.3.0 later",
    "450 4.7.1 too much mail",
    "421 4.3.2 shutting down",
    "354 go on",
    "?!",
]


class Storm:
    """Answers like a friendly server most of the time. Notes what it has taken, and what it was given."""

    def __init__(self, seed: int, hang_up: object, silence: object) -> None:
        self._chance = random.Random(seed)
        self._trouble = [*TROUBLE, hang_up, hang_up, silence]
        self.taken: Counter[str] = Counter()
        self.given: Counter[str] = Counter()

    def answers(self) -> dict[str, Callable[[str], Any]]:
        verbs = ("connection", "EHLO", "MAIL", "RCPT", "DATA", "RSET", "NOOP")
        return {verb: lambda _, verb=verb: self._answer(verb) for verb in verbs} | {"content": self._content}

    def _answer(self, verb: str) -> Any:
        friendly = FRIENDLY.get(verb, "250 2.0.0 ok")
        return self._chance.choice(self._trouble) if self._chance.random() < 0.06 else friendly

    def _content(self, content: str) -> Any:
        answer = self._answer("content")
        found = _MESSAGE_ID.search(content)
        if found is not None:
            self.given[found[1]] += 1
            self.taken[found[1]] += isinstance(answer, str) and answer.startswith("250")
        return answer


@pytest.mark.parametrize("seed", range(15))
async def test_whatever_relays_do_each_mail_has_one_outcome_and_it_is_true(
    scripted: Any,
    opened: Opened,
    outbound: Message,
    outcomes: Outcomes,
    hang_up: object,
    silence: object,
    seed: int,
) -> None:
    storms = [Storm(seed * 10 + number, hang_up, silence) for number in range(2)]
    batch = [outbound(f"p{number}@d{number % 7}.example", id=f"m-{number}") for number in range(60)]
    rules = [
        {"domains": ["d1.example", "d2.example"], "connections": 1},
        {"domains": ["d3.example"], "per_minute": 100},
    ]
    async with scripted(**storms[0].answers()) as one, scripted(**storms[1].answers()) as other:
        common = {"host": "127.0.0.1", "tls": "none", "timeout_s": 0.4}
        relays = [common | {"port": one.port}, common | {"port": other.port, "connections": 2}]
        async with opened(None, relays=relays, domains=rules) as channel:
            told = await outcomes(channel, *batch)
    given = storms[0].given + storms[1].given
    taken = storms[0].taken + storms[1].taken
    for outcome in told.values():
        failure, id = outcome.failure, outcome.message_id
        if failure is None:
            assert taken[id] == 1
        elif not isinstance(failure, OutcomeUnknown):
            assert taken[id] == 0
        assert given[id] <= 1, "given to a server twice"
