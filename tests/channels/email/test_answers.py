"""What the answers of servers mean. The texts are in the style of the common servers."""

import pytest

from channels.email.answers import Stage, failure
from gateway.contract import (
    ChannelMisconfigured,
    Failure,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    RecipientGone,
    TransientFailure,
)

GONE = [
    ("RCPT", 550, "5.1.1 <lucia@example.com>: Recipient address rejected: User unknown"),
    ("RCPT", 550, "5.1.1 The email account that you tried to reach does not exist.\n5.1.1 Please check"),
    ("RCPT", 550, "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient lucia@example.com not found"),
    ("RCPT", 550, "5.1.2 no such domain"),
    ("RCPT", 553, "5.1.3 bad destination mailbox address syntax"),
    ("RCPT", 551, "5.1.6 has moved"),
    ("content", 550, "5.1.1 unknown user, learnt late"),
    ("RCPT", 550, "#5.1.1 bouncing, mailbox unknown"),
    ("RCPT", 550, "no such user here"),
    ("RCPT", 550, "User unknown in virtual alias table"),
    ("RCPT", 551, "Mailbox does not exist"),
]
PERMANENT = [
    ("RCPT", 550, "5.7.1 policy: User unknown to your kind"),
    ("RCPT", 554, "5.7.1 Service unavailable; Client host blocked"),
    ("content", 550, "5.7.26 This mail has been blocked because the sender is unauthenticated"),
    ("content", 550, "5.7.515 Access denied, sending domain does not meet the required level"),
    ("RCPT", 550, "5.2.1 mailbox disabled"),
    ("RCPT", 550, "5.1.0 Address rejected"),
    ("RCPT", 550, "mailbox unavailable"),
    ("RCPT", 550, "5.4.1 all recipient addresses rejected: access denied"),
    ("RCPT", 550, "4.1.1 an enhanced code that does not fit the reply code"),
    ("RCPT", 550, "refused by <no.such.user.here@example.com>"),
    ("content", 552, "5.3.4 message size exceeds fixed limit"),
    ("content", 552, "too big"),
    ("content", 554, "Transaction failed"),
    ("MAIL", 552, "message size exceeds the limit"),
    ("MAIL", 550, "5.6.7 SMTPUTF8 needed"),
]
TRANSIENT = [
    ("RCPT", 550, "5.2.2 mailbox full"),
    ("RCPT", 552, "exceeded storage allocation"),
    ("RCPT", 452, "4.2.2 The email account that you tried to reach is over quota"),
    ("RCPT", 450, "4.2.1 The user you are trying to contact is receiving mail at a rate that prevents more"),
    ("RCPT", 451, "4.3.0 try again"),
    ("RCPT", 452, "4.3.1 insufficient system storage"),
    ("RCPT", 450, "4.2.0 Greylisted, see http://postgrey.example/help/example.com.html"),
    ("RCPT", 451, "4.7.1 Greylisting in action, please come back later"),
    ("content", 451, "temporary local problem"),
    ("MAIL", 421, "4.7.0 too many messages on this connection"),
    ("RCPT", 421, "4.7.0 too many messages on this connection"),
    ("content", 421, "4.3.2 shutting down"),
    ("content", 451, "too many recipients in one session"),
    ("connection", 421, "too many connections"),
    ("AUTH", 454, "4.7.0 Temporary authentication failure"),
    ("STARTTLS", 454, "4.3.0 TLS not available due to local problem"),
    ("RCPT", 99, "nonsense"),
    ("DATA", 250, "not what was asked"),
]
RATE = [
    ("RCPT", 450, "4.7.1 Error: too much mail from 192.0.2.1"),
    ("content", 451, "4.7.650 The mail server has been temporarily rate limited due to IP reputation"),
    ("MAIL", 452, "Too many messages, slow down"),
    ("MAIL", 451, "hourly limit exceeded"),
    ("RCPT", 452, "4.3.2 throttled"),
    ("RCPT", 421, "4.7.28 unusual rate of mail"),
    ("content", 421, "4.7.0 [TSS04] Messages temporarily deferred due to unexpected volume"),
]
SET_UP = [
    ("MAIL", 530, "5.7.0 Must issue a STARTTLS command first"),
    ("MAIL", 530, "5.7.1 Authentication required"),
    ("AUTH", 535, "5.7.8 Error: authentication failed"),
    ("AUTH", 534, "5.7.9 Application-specific password required"),
    ("RCPT", 530, "authentication required"),
    ("MAIL", 553, "5.7.1 <hello@shop.example>: Sender address rejected: not owned by user"),
    ("MAIL", 550, "5.1.8 sender domain not found"),
    ("MAIL", 554, "5.7.1 you are not welcome"),
    ("connection", 554, "no SMTP service here"),
    ("EHLO", 550, "5.7.1 bad name"),
    ("RCPT", 554, "5.7.1 <lucia@example.com>: Relay access denied"),
    ("RCPT", 550, "relaying denied"),
]
UNKNOWN = [("content", 354, "go on"), ("content", 999, "nonsense")]

CASES = [
    pytest.param(stage, code, text, meaning, id=f"{stage}-{code}-{text[:32]}")
    for meaning, answers in (
        (RecipientGone, GONE),
        (PermanentFailure, PERMANENT),
        (TransientFailure, TRANSIENT),
        (RateLimited, RATE),
        (ChannelMisconfigured, SET_UP),
        (OutcomeUnknown, UNKNOWN),
    )
    for stage, code, text in answers
]


@pytest.mark.parametrize(("stage", "code", "text", "meaning"), CASES)
def test_an_answer_means(stage: Stage, code: int, text: str, meaning: type[Failure]) -> None:
    assert type(failure(stage, code, text)) is meaning


def test_an_address_that_reads_like_an_opinion_is_not_the_servers() -> None:
    for text in ("<relay.access.denied@example.com>: no", "rejected: no.such.user@example.com"):
        assert type(failure("RCPT", 550, text)) is PermanentFailure
    assert type(failure("RCPT", 450, "<rate@example.com>: later")) is TransientFailure
    assert type(failure("RCPT", 451, "4.7.1 <greylist@example.com>: later")) is RateLimited


def test_the_code_is_the_enhanced_one_or_else_the_reply_code() -> None:
    assert failure("RCPT", 550, "5.1.1 no").code == "5.1.1"
    assert failure("RCPT", 550, "5.01.001 no").code == "5.1.1"
    assert failure("RCPT", 550, "4.1.1 no").code == "smtp-550"
    assert failure("RCPT", 550, "5.1.1.9 is no code").code == "smtp-550"
    assert failure("RCPT", 550, "first line\n5.2.1 second line").code == "5.2.1"


def test_the_detail_names_number_stage_and_meaning_and_none_of_the_servers_words() -> None:
    told = failure("RCPT", 550, "5.1.1 <lucia@example.com>: kanarek unknown")
    assert told.detail == "the server answered 550 5.1.1 to RCPT: there is no such mailbox"


@pytest.mark.parametrize(
    ("stage", "scope"), [("MAIL", "channel"), ("RCPT", "message"), ("DATA", "message"), ("content", "message")]
)
def test_a_server_that_knows_the_destination_asks_for_less_mail_to_it_alone(stage: Stage, scope: str) -> None:
    limited = failure(stage, 451, "4.7.1 too much mail")
    assert isinstance(limited, RateLimited)
    assert limited.scope == scope


@pytest.mark.parametrize("code", ["5.7.1", "5.7.25", "5.7.26", "5.7.28", "5.7.29", "5.7.515"])
def test_refusals_by_policy_are_told_apart_and_blame_no_address(code: str) -> None:
    refused = failure("content", 550, f"{code} not like this")
    assert (type(refused), refused.code) == (PermanentFailure, code)


def test_a_rate_limit_asks_for_minutes() -> None:
    limited = failure("RCPT", 450, "4.7.1 too much mail")
    assert isinstance(limited, RateLimited)
    assert limited.retry_after_s >= 300
