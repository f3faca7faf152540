"""The dialogue in groups, without a network: against servers that answer as they please, and break off anywhere."""

from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.email.address import Mailbox
from channels.email.dialogue import Dialogue
from channels.email.extensions import Extensions, dotted
from channels.email.mail import Mail
from gateway.contract import Failure, OutcomeUnknown, PermanentFailure, RecipientGone, TransientFailure

TAKEN = b"250 2.0.0 taken\r\n"
HEARD = b"250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go on\r\n"
REFUSED = b"250 2.1.0 ok\r\n550 5.1.1 no such user\r\n554 5.5.1 no valid recipients\r\n"


def mail_of(number: int, **changes: Any) -> Mail:
    values: dict[str, Any] = {
        "message_id": f"<m-{number}@shop.example>",
        "envelope_id": f"m-{number}",
        "sender": f"b+m-{number}@b.shop.example",
        "recipient": Mailbox(local=f"p{number}", domain="example.com"),
        "content": f"Message-ID: m-{number}\r\n\r\n.Ciao,\r\n.\r\n..caff=C3=A8\r\n".encode(),
    }
    return Mail(**(values | changes))


class Bag:
    """A load that remembers what became of each mail."""

    def __init__(self, *mails: Mail) -> None:
        self._left = deque(mails)
        self.taken: list[str] = []
        self.settled: dict[str, Failure | None] = {}
        self.given_back: dict[str, bool] = {}
        self.ends: Counter[str] = Counter()

    def take(self) -> Mail | None:
        mail = self._left.popleft() if self._left else None
        if mail is not None:
            self.taken.append(mail.envelope_id)
        return mail

    def settle(self, mail: Mail, failure: Failure | None) -> None:
        self.settled[mail.envelope_id] = failure
        self.ends[mail.envelope_id] += 1

    def give_back(self, mail: Mail, failure: Failure, *, on_its_turn: bool) -> None:
        assert type(failure) is TransientFailure
        self.given_back[mail.envelope_id] = on_its_turn
        self.ends[mail.envelope_id] += 1

    def refill(self, *mails: Mail) -> None:
        self._left.extend(mails)


def begun(*mails: Mail, **extensions: Any) -> tuple[Dialogue, Bag, bytes]:
    dialogue = Dialogue(Extensions(pipelining=True, **extensions), mails=100)
    bag = Bag(*mails)
    return dialogue, bag, dialogue.begin(bag)


def envelope(number: int) -> bytes:
    return f"MAIL FROM:<b+m-{number}@b.shop.example>\r\nRCPT TO:<p{number}@example.com>\r\nDATA\r\n".encode()


def test_a_mails_content_and_the_next_envelope_go_together() -> None:
    one, other = mail_of(1), mail_of(2)
    dialogue, bag, told = begun(one, other)
    assert told == envelope(1)
    assert dialogue.received(HEARD) == dotted(one.content) + envelope(2)
    assert bag.settled == {}
    assert dialogue.received(TAKEN + HEARD) == dotted(other.content)
    assert dialogue.received(TAKEN) == b""
    assert bag.settled == {"m-1": None, "m-2": None}
    assert dialogue.is_idle
    assert not dialogue.is_over


def test_a_refused_envelope_is_taken_back_together_with_the_next_one() -> None:
    dialogue, bag, _ = begun(mail_of(1), mail_of(2))
    assert dialogue.received(REFUSED) == b"RSET\r\n" + envelope(2)
    assert isinstance(bag.settled["m-1"], RecipientGone)
    assert dialogue.received(b"250 reset\r\n" + HEARD) == dotted(mail_of(2).content)


@pytest.mark.parametrize("mail_refused", [True, False])
def test_a_server_that_wants_content_for_nobody_gets_a_lone_dot(mail_refused: bool) -> None:
    first = b"550 5.7.1 no\r\n503 5.5.1 no\r\n" if mail_refused else b"250 ok\r\n550 5.1.1 no\r\n"
    dialogue, bag, _ = begun(mail_of(1), mail_of(2))
    assert dialogue.received(first + b"354 go on\r\n") == b".\r\nRSET\r\n" + envelope(2)
    assert dialogue.received(b"554 5.5.1 nobody\r\n250 reset\r\n" + HEARD) == dotted(mail_of(2).content)
    assert list(bag.settled) == ["m-1"]


def test_the_first_refusal_is_why_and_those_behind_it_only_follow() -> None:
    dialogue, bag, _ = begun(mail_of(1))
    dialogue.received(b"452 4.3.1 full\r\n503 5.5.1 MAIL first\r\n503 5.5.1 RCPT first\r\n")
    failure = bag.settled["m-1"]
    assert type(failure) is TransientFailure
    assert failure.code == "4.3.1"


def test_the_last_refused_envelope_is_taken_back_too() -> None:
    dialogue, _, _ = begun(mail_of(1))
    assert dialogue.received(REFUSED) == b"RSET\r\n"
    assert not dialogue.is_idle
    dialogue.received(b"250 reset\r\n")
    assert dialogue.is_idle


def test_a_connection_lost_after_the_final_dot_leaves_one_mail_in_doubt_and_gives_the_next_back() -> None:
    dialogue, bag, _ = begun(mail_of(1), mail_of(2))
    dialogue.received(HEARD)
    dialogue.end("connection-lost", "the connection was lost")
    doubtful = bag.settled.pop("m-1")
    assert isinstance(doubtful, OutcomeUnknown)
    assert (doubtful.code, doubtful.provider_id) == ("connection-lost", "<m-1@shop.example>")
    assert (bag.settled, bag.given_back) == ({}, {"m-2": False})


def test_a_421_to_the_dot_refuses_one_mail_and_gives_the_next_back() -> None:
    dialogue, bag, _ = begun(mail_of(1), mail_of(2))
    dialogue.received(HEARD)
    assert dialogue.received(b"421 4.3.2 shutting down\r\n") == b""
    assert dialogue.is_over
    assert type(bag.settled["m-1"]) is TransientFailure
    assert bag.given_back == {"m-2": False}


@pytest.mark.parametrize("before", [b"", b"250 ok\r\n", b"250 ok\r\n250 ok\r\n"])
def test_a_421_elsewhere_gives_the_mail_back_whose_turn_it_was(before: bytes) -> None:
    dialogue, bag, _ = begun(mail_of(1))
    dialogue.received(before + b"421 4.3.2 shutting down\r\n")
    assert dialogue.is_over
    assert (bag.settled, bag.given_back) == ({}, {"m-1": True})


def test_a_kept_connection_that_had_died_is_not_the_mails_fault() -> None:
    dialogue, bag, _ = begun(mail_of(1))
    dialogue.received(HEARD)
    dialogue.received(TAKEN)
    dialogue.rest()
    later = Bag(mail_of(2))
    assert dialogue.begin(later) == envelope(2)
    dialogue.end("connection-lost", "the connection was lost")
    assert later.given_back == {"m-2": False}
    assert bag.ends == {"m-1": 1}


@pytest.mark.parametrize(
    "nonsense",
    [b"what?\r\n", b"250-one\r\n251 other\r\n", b"25x no\r\n", b"99 no\r\n", b"250_no\r\n", b"\r\n", b"700 no\r\n"],
)
def test_nonsense_ends_the_dialogue(nonsense: bytes) -> None:
    dialogue, bag, _ = begun(mail_of(1))
    assert dialogue.received(nonsense) == b""
    assert dialogue.is_over
    assert bag.given_back == {"m-1": True}


def test_an_answer_that_nobody_asked_for_ends_the_dialogue_and_confirms_nothing() -> None:
    dialogue, bag, _ = begun(mail_of(1))
    dialogue.received(HEARD)
    dialogue.received(TAKEN)
    dialogue.rest()
    dialogue.received(TAKEN)
    assert dialogue.is_over
    assert bag.ends == {"m-1": 1}


def test_an_endless_answer_ends_the_dialogue() -> None:
    dialogue, bag, _ = begun(mail_of(1))
    for _ in range(2000):
        dialogue.received(b"250-and another line, and another\r\n")
    assert dialogue.is_over
    assert bag.given_back == {"m-1": True}


@pytest.mark.parametrize("code", [200, 250, 354])
def test_an_answer_to_data_that_is_neither_is_another_try(code: int) -> None:
    dialogue, bag, _ = begun(mail_of(1))
    dialogue.received(b"250 ok\r\n550 5.1.1 no\r\n" if code == 354 else b"250 ok\r\n250 ok\r\n")
    dialogue.received(f"{code} go\r\n".encode())
    assert dialogue.is_over == (code != 354)
    assert bag.ends == {"m-1": 1}


def test_what_the_server_cannot_take_is_refused_without_a_word_and_the_next_goes() -> None:
    large = mail_of(1, content=b"x" * 600 + b"\r\n")
    foreign = mail_of(2, recipient=Mailbox(local="żaneta", domain="example.com"))
    _, bag, told = begun(large, foreign, mail_of(3), size=True, limit_bytes=500)
    assert told.startswith(b"MAIL FROM:<b+m-3@b.shop.example> SIZE=")
    codes = [failure.code for failure in bag.settled.values() if isinstance(failure, PermanentFailure)]
    assert codes == ["5.3.4", "5.6.7"]


@pytest.mark.parametrize("sender", ["a@b>\r\nRCPT TO:<evil@example.org", "a b@shop.example", "a\x00@shop.example"])
def test_an_address_that_would_be_a_command_is_never_told(sender: str) -> None:
    _, bag, told = begun(mail_of(1, sender=sender))
    assert told == b""
    assert type(bag.settled["m-1"]) is PermanentFailure


@pytest.mark.parametrize("ending", [b"\n.\n", b"\r.\r", b"\n.\r\n", b"no end"])
def test_lines_that_servers_end_in_different_places_are_never_told(ending: bytes) -> None:
    """Else the rest of a mail could pass for commands of ours (SMTP smuggling)."""
    smuggled = b"Subject: x\r\n\r\ntext" + ending + b"MAIL FROM:<evil@example.org>"
    _, bag, told = begun(mail_of(1, content=smuggled))
    assert told == b""
    assert type(bag.settled["m-1"]) is PermanentFailure


def test_after_the_agreed_number_of_mails_no_further_is_taken() -> None:
    dialogue = Dialogue(Extensions(pipelining=True), mails=2)
    bag = Bag(*(mail_of(number) for number in range(5)))
    dialogue.begin(bag)
    dialogue.received(HEARD)
    dialogue.received(TAKEN + HEARD)
    dialogue.received(TAKEN)
    assert bag.taken == ["m-0", "m-1"]
    assert dialogue.is_idle


def test_a_mail_that_had_to_wait_for_an_answer_goes_when_it_came() -> None:
    dialogue, bag, _ = begun(mail_of(1))
    dialogue.received(HEARD)
    bag.refill(mail_of(2))
    assert dialogue.received(TAKEN) == envelope(2)


class Server:
    """Hears commands and contents, and answers each as `choose` says. Knows what it has really taken."""

    def __init__(self, choose: Callable[[str], bytes | None]) -> None:
        self._choose = choose
        self._heard = b""
        self._in_content = False
        self._has_recipient = False
        self.told = b""
        self.left = False
        self.contents: list[bytes] = []
        self.taken: list[bytes] = []
        self.commands: list[str] = []

    def hear(self, data: bytes) -> None:
        self._heard += data
        while not self.left and self._understood():
            pass

    def _understood(self) -> bool:
        if self._in_content:
            end = 0 if self._heard.startswith(b".\r\n") else self._heard.find(b"\r\n.\r\n") + 2
            if end == 1:
                return False
            content, self._heard = self._heard[:end], self._heard[end + 3 :]
            self._in_content = False
            self.contents.append(content)
            reply = self._answer("content")
            if content and reply is not None and reply.startswith(b"2"):
                self.taken.append(content)
            return True
        line, found, rest = self._heard.partition(b"\r\n")
        if not found:
            return False
        self._heard = rest
        verb = line[:4].decode()
        self.commands.append(verb)
        reply = self._answer(verb)
        positive = reply is not None and reply.startswith(b"2")
        if verb in ("MAIL", "RSET"):
            self._has_recipient = False
        if verb == "RCPT":
            self._has_recipient = positive
        self._in_content = verb == "DATA" and reply is not None and reply.startswith(b"354")
        return True

    def _answer(self, verb: str) -> bytes | None:
        reply = self._choose(verb if verb != "DATA" or self._has_recipient else "DATA for nobody")
        if reply is None:
            self.left = True
        else:
            self.told += reply
        return reply


WELL = {
    "DATA": [b"354 go\r\n"],
    "DATA for nobody": [b"554 5.5.1 no\r\n", b"503 5.5.1 no\r\n", b"451 no\r\n", b"354 go\r\n"],
}
ILL = [
    b"550 5.1.1 no\r\n",
    b"451 4.3.0 later\r\n",
    b"550-5.7.26 not\r\n550 5.7.26 you\r\n",
    b"421 4.3.2 bye\r\n",
    b"421 4.7.28 too much mail\r\n",
    b"354 go\r\n",
    b"250 ok\r\n250 twice\r\n",
    b"?!\r\n",
    b"999 no\r\n",
    None,
]


def answer_of(draw: Callable[[Any], Any], verb: str) -> bytes | None:
    if draw(st.integers(0, 5)):
        told: bytes = draw(
            st.sampled_from(WELL.get(verb, [b"250 2.0.0 ok\r\n", b"250-2.0.0 ok\r\n250 2.0.0 very\r\n"]))
        )
        return told
    ill: bytes | None = draw(st.sampled_from(ILL))
    return ill


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_whatever_a_server_does_each_mail_ends_once_and_is_called_what_it_is(data: st.DataObject) -> None:
    mails = [mail_of(number) for number in range(data.draw(st.integers(1, 6)))]
    server = Server(lambda verb: answer_of(data.draw, verb))
    dialogue, bag, told = begun(*mails, size=True)
    written = [told]
    server.hear(told)
    read = 0
    breaks_off_after = data.draw(st.integers(0, 2000))
    while not dialogue.is_over and read < min(len(server.told), breaks_off_after):
        piece = server.told[read : min(read + data.draw(st.integers(1, 200)), breaks_off_after)]
        read += len(piece)
        written.append(dialogue.received(piece))
        server.hear(written[-1])
    if not dialogue.is_idle:
        dialogue.end("connection-lost", "the connection was lost")
    judge(mails, bag, server, b"".join(written))


def judge(mails: list[Mail], bag: Bag, server: Server, written: bytes) -> None:
    assert bag.ends == Counter(bag.taken)
    really_taken = Counter(server.taken)
    for mail in mails:
        content = dotted(mail.content)
        has_left = content in written
        outcome = bag.settled.get(mail.envelope_id, "not settled")
        if really_taken[content[:-3]]:
            assert outcome is None or isinstance(outcome, OutcomeUnknown), "the server has it"
        if outcome is None:
            assert really_taken[content[:-3]] == 1, "the server never took it"
        if isinstance(outcome, OutcomeUnknown):
            assert has_left, "its dot was never written"
        if mail.envelope_id in bag.given_back:
            assert not has_left, "it may have arrived"
        assert written.count(content) <= 1
    assert not [content for content in server.contents if content and content + b".\r\n" not in dotted_of(mails)]


def dotted_of(mails: list[Mail]) -> set[bytes]:
    return {dotted(mail.content) for mail in mails}
