"""From a message to the bytes of a mail and its envelope."""

import re
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from msgspec import Struct

from channels.email import header, mime
from channels.email.address import BadAddress, Mailbox, mailbox
from channels.email.config import EmailConfig
from channels.email.header import Unfit
from gateway.contract import Outbound, PermanentFailure

_LONGEST_LOCAL_PART: Final = 64
"""RFC 5321, 4.5.3.1.1."""

_NOT_IN_FEEDBACK_ID: Final = re.compile(r"[^A-Za-z0-9._-]+")


class Mail(Struct, frozen=True, kw_only=True):
    """A mail ready to be handed over.

    `content` is final: lines end in CRLF, none is longer than 998 bytes, dots are not yet
    doubled; what signs mail signs these bytes. `message_id` has its angle brackets.
    """

    message_id: str
    envelope_id: str
    sender: str
    recipient: Mailbox
    content: bytes


class Composer:
    """Writes mails in the name of one sender."""

    def __init__(self, config: EmailConfig) -> None:
        sender, reply_to = config.sender, config.reply_mailbox
        self._config = config
        self._sender = str(sender)
        self._id_domain = config.message_id_domain or sender.domain
        self._from = header.mailbox("From", config.from_name, sender)
        self._reply_to = b"" if reply_to is None else header.mailbox("Reply-To", "", reply_to)
        self._list_id = b"" if config.list_id is None else header.exact("List-ID", f"<{config.list_id}>")

    @property
    def check_sender(self) -> str:
        """An envelope sender like those of the mails, for asking the server whether it takes it."""
        return self._sender if self._config.bounce_domain is None else f"b@{self._config.bounce_domain}"

    def message_id(self, message: Outbound) -> str:
        """The Message-ID follows from the message's id alone, so it is known before anything is sent."""
        return f"<{message.id}@{self._id_domain}>"

    def mail(self, message: Outbound, at: datetime) -> Mail:
        """The mail, dated `at`. Raises PermanentFailure where address, headers or texts are unfit."""
        try:
            to = mailbox(message.address.value)
            content = self._headers(message, to, at) + mime.body(
                message.parts["text"], message.parts.get("html"), boundary=f"=_{message.id}"
            )
        except BadAddress as error:
            raise PermanentFailure("5.1.3", str(error)) from None
        except Unfit as error:
            raise PermanentFailure("unfit-content", str(error)) from None
        return Mail(
            message_id=self.message_id(message),
            envelope_id=message.id,
            sender=self._envelope_sender(message),
            recipient=to,
            content=content,
        )

    def _headers(self, message: Outbound, to: Mailbox, at: datetime) -> bytes:
        return b"".join(
            (
                header.exact("Date", format_datetime(at)),
                self._from,
                self._reply_to,
                header.mailbox("To", message.name, to),
                header.unstructured("Subject", message.parts["subject"]),
                header.exact("Message-ID", self.message_id(message)),
                *self._list_headers(message),
                self._feedback_id(message),
                # RFC 3834: automatic answers to a notice are held back; to a newsletter its list headers do that.
                b"Auto-Submitted: auto-generated\r\n" if message.purpose == "transactional" else b"",
                b"MIME-Version: 1.0\r\n",
            )
        )

    def _list_headers(self, message: Outbound) -> tuple[bytes, ...]:
        """For what can be unsubscribed from, by one POST of the mail program itself (RFC 8058)."""
        if message.unsubscribe_url is None:
            return ()
        return (
            self._list_id,
            header.https_link("List-Unsubscribe", message.unsubscribe_url),
            b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
        )

    def _feedback_id(self, message: Outbound) -> bytes:
        """Four fields, the last of them constant (Gmail, "Feedback loop" for senders)."""
        if self._config.feedback_id is None:
            return b""
        fields = (message.job_id, message.purpose, "email", self._config.feedback_id)
        return header.exact("Feedback-ID", ":".join(_NOT_IN_FEEDBACK_ID.sub("-", field) for field in fields))

    def _envelope_sender(self, message: Outbound) -> str:
        local = f"b+{message.id}"
        if self._config.bounce_domain is None or len(local) > _LONGEST_LOCAL_PART:
            # Too long for its own: the bounce is then matched by the Message-ID that it returns.
            return self.check_sender
        return f"{local}@{self._config.bounce_domain}"
