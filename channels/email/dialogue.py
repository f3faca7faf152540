"""The dialogue with a server that takes commands in groups (RFC 2920): bytes in, bytes out, no clock and no socket.

When the server asks for a mail's content, one write carries it together with the envelope of the mail behind. So
at most two mails are under way: one whose content was written, and one of which the server knows the envelope only.
"""

from collections import deque
from typing import Final

from channels.email import answers
from channels.email.answers import Stage
from channels.email.extensions import Extensions, dotted
from channels.email.load import Load
from channels.email.mail import Mail
from channels.email.replies import NONSENSE, Replies
from gateway.contract import Failure, OutcomeUnknown, PermanentFailure, RateLimited, TransientFailure

_MAIL, _RCPT, _DATA, _CONTENT, _DOT, _RESET, _NOOP = range(7)
"""What a reply answers. `_DOT` ends the content of a mail that was refused, where the server wants content
nevertheless."""

_STAGES: Final[tuple[Stage, ...]] = ("MAIL", "RCPT", "DATA", "content", "content", "RSET", "NOOP")


class Dialogue:
    """Carries loads, one at a time. Once `is_over` it carries nothing more, and the connection must be ended.

    `settled` counts, so that who keeps the time sees that it goes on.
    """

    def __init__(self, extensions: Extensions, *, mails: int) -> None:
        self.is_over = False
        self.settled = 0
        self.mails_left = mails
        self._extensions = extensions
        self._replies = Replies()
        self._expected: deque[int] = deque()
        self._load: Load | None = None
        self._ahead: Mail | None = None
        """Its envelope was written, and is not refused."""
        self._content = b""
        """What will be written of it."""
        self._written: Mail | None = None
        """Its content was written, and is not answered."""
        self._is_blameless = False
        """Should the connection end now, it is not because of the mail ahead: the server has not come to it."""
        self._speak = self._envelope
        """What is to be said once all replies are there."""
        self._hear = (
            self._heard_mail,
            self._heard_rcpt,
            self._heard_data,
            self._heard_content,
            self._heard_dot,
            self._heard_plain,
            self._heard_plain,
        )

    @property
    def is_idle(self) -> bool:
        return not self._expected

    def begin(self, load: Load) -> bytes:
        """What to write to begin with a load. Nothing where it is empty."""
        self._load = load
        return self._envelope()

    def ask(self) -> bytes:
        """What to write to learn whether the server is still there."""
        self._expected.append(_NOOP)
        return b"NOOP\r\n"

    def received(self, data: bytes) -> bytes:
        """What to write in answer to what came."""
        expected, hear = self._expected, self._hear
        for reply in self._replies.read(data):
            if not expected or reply is NONSENSE:
                return self._misled()
            self._is_blameless = False
            hear[expected.popleft()](*reply)
            if self.is_over:
                return b""
        if expected:
            return b""
        if not self._replies.is_complete:
            # Nothing is expected before we have spoken again: the replies do not match what was said.
            return self._misled()
        speak, self._speak = self._speak, self._envelope
        return speak()

    def _misled(self) -> bytes:
        self.end("malformed-answer", "there came nonsense")
        return b""

    def end(self, code: str, what: str) -> None:
        """The connection is over, because of `what`. Tells what that means for the mails that are under way."""
        self.is_over = True
        written, self._written = self._written, None
        if written is not None:
            detail = f"the mail was written, but {what} instead of an answer"
            self._settle(written, OutcomeUnknown(code, detail, provider_id=written.message_id))
        ahead, self._ahead = self._ahead, None
        if ahead is not None and self._load is not None:
            at = _STAGES[self._expected[0]] if self._expected and written is None else "MAIL"
            lost = TransientFailure(code, f"nothing was sent: {what} at {at}")
            self._load.give_back(ahead, lost, on_its_turn=written is None and not self._is_blameless)
        self._expected.clear()

    def rest(self) -> None:
        """Nothing is under way: what is heard next belongs to another load. The server may leave meanwhile."""
        self._load = None
        self._is_blameless = True

    def _envelope(self) -> bytes:
        """The envelope of the next mail that this server can be told of.

        Asked again after the last answer: there may be one by now that had to wait for it.
        """
        load = self._load
        while load is not None and self.mails_left > 0:
            mail = load.take()
            if mail is None:
                break
            try:
                envelope = self._extensions.envelope(mail)
                self._content = dotted(mail.content)
            except PermanentFailure as unfit:
                self._settle(mail, unfit)
                continue
            self.mails_left -= 1
            self._ahead = mail
            self._expected += (_MAIL, _RCPT, _DATA)
            return envelope
        return b""

    def _heard_mail(self, code: int, text: bytes) -> None:
        if code // 100 != 2:
            self._refused("MAIL", code, text)

    def _heard_rcpt(self, code: int, text: bytes) -> None:
        if code // 100 != 2:
            self._refused("RCPT", code, text)

    def _heard_data(self, code: int, text: bytes) -> None:
        if code == 354:
            self._speak = self._go_on
        else:
            self._refused("DATA", code, text)
            self._speak = self._begin_anew

    def _heard_content(self, code: int, text: bytes) -> None:
        mail, self._written = self._written, None
        if mail is not None:
            self._settle(mail, None if code // 100 == 2 else _judged(mail, code, text))
        if code == 421 or not (200 <= code < 300 or 400 <= code < 600):
            self._is_blameless = True
            self._leave(code)

    def _heard_dot(self, code: int, text: bytes) -> None:
        """Whatever it is, it is about no mail of ours."""
        if code == 421:
            self._leave(code)

    def _heard_plain(self, code: int, text: bytes) -> None:
        if code // 100 != 2:
            self._leave(code)

    def _go_on(self) -> bytes:
        """The server wants the content: it gets it, and the next envelope with it."""
        mail, self._ahead = self._ahead, None
        if mail is None:
            # Refused before, but this server wants content nevertheless: nobody gets an empty one.
            self._expected.append(_DOT)
            return b".\r\n" + self._begin_anew()
        self._written, content = mail, self._content
        self._expected.append(_CONTENT)
        return content + self._envelope()

    def _begin_anew(self) -> bytes:
        """After a refusal the envelope may still be open."""
        self._expected.append(_RESET)
        return b"RSET\r\n" + self._envelope()

    def _refused(self, stage: Stage, code: int, text: bytes) -> None:
        """The first refusal of an envelope is why; those behind it only follow from it."""
        mail, self._ahead = self._ahead, None
        is_refusal = 400 <= code < 600 and code != 421
        if mail is not None:
            failure = answers.failure(stage, code, text.decode("utf-8", "replace"))
            if is_refusal or isinstance(failure, RateLimited):
                self._settle(mail, failure)
            elif self._load is not None:
                self._load.give_back(mail, failure, on_its_turn=True)
        if not is_refusal:
            self._leave(code)

    def _leave(self, code: int) -> None:
        """RFC 5321, 3.8: 421 closes the connection. An answer out of order leaves us nothing to trust."""
        self.end("closing" if code == 421 else "malformed-answer", f"there came {code}")

    def _settle(self, mail: Mail, failure: Failure | None) -> None:
        self.settled += 1
        if self._load is not None:
            self._load.settle(mail, failure)


def _judged(mail: Mail, code: int, text: bytes) -> Failure:
    failure = answers.failure("content", code, text.decode("utf-8", "replace"))
    if isinstance(failure, OutcomeUnknown):
        failure.provider_id = mail.message_id
    return failure
