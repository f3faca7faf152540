"""The table of causes: every row is reached, and agrees with what the channel makes of answers during SMTP."""

import pytest

from channels.email.answers import failure
from channels.email.inbound.causes import CAUSES, Cause, cause_of
from channels.email.inbound.statuses import Finding, best, code_in, failed, finding, plain
from gateway.contract import EventType, RecipientGone

HARD = (EventType.BOUNCED, True)
SOFT = (EventType.BOUNCED, False)
BLOCKED = (EventType.BLOCKED, False)
FAILED = (EventType.FAILED, False)


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: f"{cause.sample[0]} {cause.sample[1][:30]}")
def test_each_row_is_the_one_that_its_sample_ends_at(cause: Cause) -> None:
    """A row that another one hides would be a rule that nobody keeps."""
    status, diagnostic = cause.sample
    found = finding("failed", status, diagnostic)
    assert found.meaning == cause.meaning
    assert found.address_gone == (cause.fault == "gone")
    code = found.code or ""
    assert cause_of(code.removeprefix("smtp-"), plain(diagnostic)) is cause
    assert cause.source


@pytest.mark.parametrize(
    "code",
    [
        f"{kind}.{subject}.{detail}"
        for kind in "45"
        for subject in "01234567"
        for detail in [*range(31), 310, 316, 350, 515]
    ],
)
def test_a_status_alone_kills_an_address_only_where_an_answer_during_smtp_does(code: str) -> None:
    is_gone = failed(code, "").address_gone
    answer = failure("RCPT", int(code[0]) * 100 + 50, f"{code} told")
    assert is_gone == isinstance(answer, RecipientGone)


@pytest.mark.parametrize(
    ("status", "diagnostic", "expected"),
    [
        ("5.1.1", "smtp; 550 5.1.1 User unknown", HARD),
        ("5.1.1", "smtp; 550 5.7.26 unauthenticated", BLOCKED),
        ("5.1.1", "SMTP; 550 mail refused by policy", BLOCKED),
        ("5.1.1", "SMTP; 550 No such user, see our policy", HARD),
        ("5.1.1", "SMTP; 550 Utente sconosciuto", SOFT),
        ("5.1.1", "", HARD),
        ("4.1.1", "smtp; 450 4.1.1 unverified address: user unknown", SOFT),
        ("5.0.0", "smtp; 450 user unknown, try later", SOFT),
        ("5.0.0", "smtp; 550 5.2.1 account disabled", SOFT),
        ("5.0.0", "smtp; 552-5.2.2 over quota\n 552 5.2.2 help", SOFT),
        ("5.0.0", "smtp; 554 delivery error: dd This user doesn't have a yahoo.example account", HARD),
        ("5.7.1", "smtp; 550 5.7.1 user unknown", BLOCKED),
        ("5.7.0", "smtp; 550 no such user", BLOCKED),
        ("4.7.0", "smtp; 421 4.7.0 unusual rate of unsolicited mail", BLOCKED),
        ("5.7.515", "smtp;550 5.7.515 Access denied", BLOCKED),
        ("5.3.4", "smtp; 552 5.3.4 too big", FAILED),
        ("5.4.4", "X-Postfix; Host or domain name not found", HARD),
        ("5.4.4", "X-Postfix; unable to route", SOFT),
        ("4.4.3", "X-Postfix; Host or domain name not found, try again", SOFT),
        ("5.4.1", "smtp; 550 5.4.1 Recipient address rejected: Access denied", SOFT),
        ("5.4.310", "smtp;550 5.4.310 DNS domain gone.example does not exist", HARD),
        ("5.4.0", "smtp;451 4.4.0 DNS query failed: SMTPSEND.DNS.NonExistentDomain; nonexistent domain", HARD),
        ("5.6.7", "", FAILED),
        ("5.5.0", "smtp; 550 5.1.1 no such user", HARD),
        ("9.9.9", "who knows", SOFT),
        ("", "", SOFT),
        ("5.1.1.1", "smtp; 250.5.1.1 is an address of a network", SOFT),
        ("5.0.0", "smtp; 550 refused by <no.such.user@example.com>", SOFT),
    ],
)
def test_codes_and_words_are_weighed(status: str, diagnostic: str, expected: tuple[EventType, bool]) -> None:
    found = finding("failed", status, diagnostic)
    assert (found.type, found.address_gone) == expected


def test_what_people_are_told_counts_where_the_fields_say_nothing() -> None:
    told = "<a@far.example>: host mx said: 550 5.1.1 Recipient unknown (in reply to RCPT TO)"
    assert finding("failed", "5.0.0", "", told).code == "5.1.1"
    assert finding("failed", "5.2.2", "", told).code == "5.2.2"


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("failed", EventType.BOUNCED),
        ("Failed ", EventType.BOUNCED),
        ("delayed", EventType.DELAYED),
        ("delivered", EventType.DELIVERED),
        ("relayed", EventType.DELIVERED),
        ("expanded", EventType.DELIVERED),
        ("", EventType.BOUNCED),
        ("surprised", EventType.BOUNCED),
    ],
)
def test_the_action_decides_whether_it_arrived(action: str, expected: EventType) -> None:
    assert finding(action, "5.1.1", "").type is expected


def test_without_an_action_the_class_of_the_status_decides() -> None:
    assert finding("", "4.4.1", "").type is EventType.DELAYED
    assert finding("", "2.0.0", "").type is EventType.DELIVERED


def test_where_there_is_no_code_none_is_told() -> None:
    assert finding("failed", "", "").code is None


def test_a_delay_kills_no_address() -> None:
    assert not finding("delayed", "5.1.1", "smtp; 550 5.1.1 no such user").address_gone


def test_an_address_that_leads_to_several_is_as_well_as_its_best() -> None:
    gone, full = failed("5.1.1", ""), failed("5.2.2", "")
    assert best([gone, full]) == full
    assert best([gone, Finding(type=EventType.DELIVERED)]) == Finding(type=EventType.DELIVERED)
    assert best([gone]) == gone
    assert best([]) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("550 5.1.1 no", "5.1.1"),
        ("550-5.7.26 a\n550 5.7.26 b", "5.7.26"),
        ("smtp;550 5.0.0 and 4.2.2", "4.2.2"),
        ("#5.1.1.", "5.1.1"),
        ("(#4.4.1)", "4.4.1"),
        ("550 no", "550"),
        ("host 192.0.2.5 said 550 no", "550"),
        ("5.1.1.7 is no status", ""),
        ("Exim 4.96.1 on port 587 today", ""),
        ("smtp; 250 2.0.0 ok", "2.0.0"),
    ],
)
def test_the_most_telling_code_of_a_text_is_found(text: str, code: str) -> None:
    assert code_in(text) == code
