"""Every row of the failure taxonomy is reached by a real server, over TLS and with a login, in both ways of talking."""

import itertools
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

import pytest

from channels.email import EmailChannel
from gateway.contract import (
    UNREACHABLE,
    ChannelMisconfigured,
    Failure,
    Outbound,
    Outcome,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    RecipientGone,
    TransientFailure,
    failures,
)

Opened = Callable[..., AbstractAsyncContextManager[EmailChannel]]
Outcomes = Callable[..., Coroutine[Any, Any, dict[str, Outcome]]]
Message = Callable[..., Outbound]

ELENI = "eleni@example.com"
HANGS_UP = "(hangs up)"
IS_SILENT = "(is silent)"

BEFORE_TLS = "250-mx.example\r\n250 STARTTLS"
AFTER_TLS = "250-mx.example\r\n250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN"

Row = tuple[str, str, type[Failure], str]
"""Where, what the server answers there, the failure, its code."""

OPENING: list[Row] = [
    ("connection", "554 5.7.1 no service for you", ChannelMisconfigured, "5.7.1"),
    ("connection", "421 4.3.2 too busy", TransientFailure, "4.3.2"),
    ("connection", HANGS_UP, TransientFailure, "no-connection"),
    ("connection", IS_SILENT, TransientFailure, "no-connection"),
    ("connection", "?!", TransientFailure, "no-connection"),
    ("EHLO", "550 5.7.1 old friends say HELO", ChannelMisconfigured, "tls-not-offered"),
    ("EHLO", HANGS_UP, TransientFailure, "no-connection"),
    ("EHLO", IS_SILENT, TransientFailure, "no-connection"),
    ("STARTTLS", "454 4.3.0 not now", TransientFailure, "4.3.0"),
    ("STARTTLS", "502 5.5.1 never", ChannelMisconfigured, "5.5.1"),
    ("STARTTLS", HANGS_UP, TransientFailure, "no-connection"),
    ("STARTTLS", IS_SILENT, TransientFailure, "no-connection"),
    ("AUTH", "535 5.7.8 wrong", ChannelMisconfigured, "5.7.8"),
    ("AUTH", "534 5.7.9 another mechanism", ChannelMisconfigured, "5.7.9"),
    ("AUTH", "454 4.7.0 not now", TransientFailure, "4.7.0"),
    ("AUTH", HANGS_UP, TransientFailure, "no-connection"),
    ("AUTH", IS_SILENT, TransientFailure, "no-connection"),
]
ENVELOPE: list[Row] = [
    ("MAIL", "451 4.3.0 later", TransientFailure, "4.3.0"),
    ("MAIL", "450 4.7.1 too much mail from you", RateLimited, "4.7.1"),
    ("MAIL", "530 5.7.0 log in first", ChannelMisconfigured, "5.7.0"),
    ("MAIL", "553 5.7.1 not your sender", ChannelMisconfigured, "5.7.1"),
    ("MAIL", "552 5.3.4 too large", PermanentFailure, "5.3.4"),
    ("MAIL", "421 4.3.2 shutting down", TransientFailure, "4.3.2"),
    ("MAIL", HANGS_UP, TransientFailure, "connection-lost"),
    ("MAIL", IS_SILENT, TransientFailure, "no-answer"),
    ("MAIL", "?!", TransientFailure, "malformed-answer"),
    ("RCPT", "550 5.1.1 no such user", RecipientGone, "5.1.1"),
    ("RCPT", "550 5.7.1 policy", PermanentFailure, "5.7.1"),
    ("RCPT", "550 5.2.1 disabled", PermanentFailure, "5.2.1"),
    ("RCPT", "554 5.7.1 relay access denied", ChannelMisconfigured, "5.7.1"),
    ("RCPT", "452 4.2.2 full", TransientFailure, "4.2.2"),
    ("RCPT", "552 5.2.2 full", TransientFailure, "5.2.2"),
    ("RCPT", "450 4.7.28 unusual rate", RateLimited, "4.7.28"),
    ("RCPT", "421 4.7.28 unusual rate", RateLimited, "4.7.28"),
    ("RCPT", "421 4.3.2 shutting down", TransientFailure, "4.3.2"),
    ("RCPT", HANGS_UP, TransientFailure, "connection-lost"),
    ("RCPT", IS_SILENT, TransientFailure, "no-answer"),
    ("RCPT", "?!", TransientFailure, "malformed-answer"),
    ("DATA", "451 4.3.0 later", TransientFailure, "4.3.0"),
    ("DATA", "554 5.7.1 no", PermanentFailure, "5.7.1"),
    ("DATA", "250 neither", TransientFailure, "smtp-250"),
    ("DATA", "421 4.3.2 shutting down", TransientFailure, "4.3.2"),
    ("DATA", HANGS_UP, TransientFailure, "connection-lost"),
    ("DATA", IS_SILENT, TransientFailure, "no-answer"),
    ("DATA", "?!", TransientFailure, "malformed-answer"),
]
CONTENT: list[Row] = [
    ("content", "550 5.7.26 unauthenticated", PermanentFailure, "5.7.26"),
    ("content", "550 5.7.515 unauthenticated", PermanentFailure, "5.7.515"),
    ("content", "550 5.1.1 learnt late", RecipientGone, "5.1.1"),
    ("content", "451 4.3.0 later", TransientFailure, "4.3.0"),
    ("content", "421 4.3.2 shutting down", TransientFailure, "4.3.2"),
    ("content", "421 4.7.28 unusual rate", RateLimited, "4.7.28"),
    ("content", "354 go on", OutcomeUnknown, "smtp-354"),
    ("content", HANGS_UP, OutcomeUnknown, "connection-lost"),
    ("content", IS_SILENT, OutcomeUnknown, "no-answer"),
    ("content", "?!", OutcomeUnknown, "malformed-answer"),
]
ROWS = [*OPENING, *ENVELOPE, *CONTENT]

CERTIFICATES: dict[str, dict[str, Any]] = {
    "expired": {"expired": True},
    "another host's": {"host": "mx.example"},
    "its own authority": {"self_signed": True},
}

Tls = Literal["required", "implicit"]


@pytest.fixture
def safely(opened: Opened, certificates: Any, password: str) -> Opened:
    def open_channel(server: Any, **changes: Any) -> AbstractAsyncContextManager[EmailChannel]:
        login = {"username": "risveglio", "password": password}
        table = {"tls": "required", "ca_file": str(certificates.ca_file), "timeout_s": 2.0} | login
        return opened(server, **(table | changes))

    return open_channel


@pytest.fixture
def guarded(scripted: Any, certificates: Any, hang_up: object, silence: object) -> Callable[..., Any]:
    """A server with STARTTLS that wants a login, which it offers over TLS only."""

    def run(step: str = "", told: str = "", **certificate: Any) -> Any:
        greetings = itertools.cycle([BEFORE_TLS, AFTER_TLS])
        friendly = {"EHLO": lambda _: next(greetings), "AUTH": "235 2.7.0 ok"}
        answer = {HANGS_UP: hang_up, IS_SILENT: silence}.get(told, told)
        return scripted(tls=certificates.server(**certificate), **(friendly | ({step: answer} if step else {})))

    return run


@pytest.mark.parametrize(("step", "told", "meaning", "code"), ROWS, ids=[f"{row[0]}: {row[1]}" for row in ROWS])
async def test_what_a_server_does_means(
    guarded: Callable[..., Any],
    safely: Opened,
    outbound: Message,
    outcomes: Outcomes,
    step: str,
    told: str,
    meaning: type[Failure],
    code: str,
) -> None:
    async with guarded(step, told) as server, safely(server, timeout_s=0.5 if told == IS_SILENT else 5.0) as channel:
        outcome = (await outcomes(channel, outbound(ELENI, id="m-1")))[ELENI]
        failure = outcome.failure
        assert failure is not None
        assert (type(failure), failure.code) == (meaning, code)
        assert failure.maybe_sent == (outcome.provider_id is not None)
        if failure.maybe_sent:
            assert outcome.provider_id == "<m-1@shop.example>"
            assert len(server.mails) == 1, "what may have gone out is never sent again"
        if isinstance(failure, RateLimited):
            assert failure.paces_channel == (step == "MAIL")


def test_the_table_reaches_every_row_of_the_taxonomy() -> None:
    known = {each for each in vars(failures).values() if isinstance(each, type) and issubclass(each, Failure)}
    # Nobody can tell a mail server to be left alone: who does not want our mail says so to us.
    assert {row[2] for row in ROWS} == known - {Failure, failures.OptedOut}
    assert {row[0] for row in ROWS if row[2] is RateLimited} == {"MAIL", "RCPT", "content"}
    assert {row[3] for row in ROWS} >= UNREACHABLE


async def test_a_login_that_is_offered_over_tls_only_is_used(
    guarded: Callable[..., Any], safely: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with guarded() as server, safely(server) as channel:
        assert (await outcomes(channel, outbound(ELENI)))[ELENI].failure is None
        assert server.verbs()[:4] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]


@pytest.mark.parametrize("fault", CERTIFICATES)
@pytest.mark.parametrize("tls", ["required", "implicit"])
async def test_a_certificate_that_proves_nothing_gets_neither_password_nor_mail(
    guarded: Callable[..., Any],
    safely: Opened,
    outbound: Message,
    outcomes: Outcomes,
    certificates: Any,
    fault: str,
    tls: Tls,
) -> None:
    from tests.channels.email.conftest import Mailroom, running

    if tls == "implicit":
        context = certificates.server(**CERTIFICATES[fault])
        async with running(Mailroom(), implicit_tls=context) as mailroom, safely(mailroom, tls=tls) as channel:
            failure = (await outcomes(channel, outbound(ELENI)))[ELENI].failure
            heard = mailroom.envelopes
    else:
        async with guarded(**CERTIFICATES[fault]) as server, safely(server) as channel:
            failure = (await outcomes(channel, outbound(ELENI)))[ELENI].failure
            heard = [verb for verb in server.verbs() if verb not in ("EHLO", "STARTTLS")]
    assert isinstance(failure, ChannelMisconfigured)
    assert failure.code == "tls-certificate"
    assert heard == []


@pytest.mark.parametrize(
    ("step", "told"), [("MAIL", HANGS_UP), ("RCPT", HANGS_UP), ("DATA", HANGS_UP), ("DATA", "421 4.3.2 shutting down")]
)
async def test_what_happens_in_mid_batch_over_tls_costs_no_mail(
    guarded: Callable[..., Any],
    safely: Opened,
    outbound: Message,
    outcomes: Outcomes,
    hang_up: object,
    step: str,
    told: str,
) -> None:
    """The third mail's connection ends; the mails before it stay taken, the others go by another."""
    friendly = "354 go" if step == "DATA" else "250 ok"
    end = hang_up if told == HANGS_UP else told
    answers = [friendly, friendly, end, friendly]
    async with guarded() as server, safely(server, connections=1) as channel:
        server.answer(step, answers)
        batch = [outbound(f"p{number}@example.com", id=f"m-{number}") for number in range(6)]
        taken = await outcomes(channel, *batch)
        assert all(outcome.failure is None for outcome in taken.values())
        assert (server.connections, len(server.mails)) == (2, 6)
