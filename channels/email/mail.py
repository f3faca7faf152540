"""From a message to the bytes of a mail and its envelope."""

import re
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from msgspec import Struct

from channels.email import header, metadata, mime
from channels.email.address import BadAddress, Mailbox, mailbox
from channels.email.brands import Brand
from channels.email.config import EmailConfig
from channels.email.dkim import Signer
from channels.email.header import Unfit
from channels.email.markup import css_inliner, with_picture
from channels.email.signing_keys import keys_for
from gateway.contract import Outbound, PermanentFailure

_LONGEST_LOCAL_PART: Final = 64
"""RFC 5321, 4.5.3.1.1."""

_NOT_IN_FEEDBACK_ID: Final = re.compile(r"[^A-Za-z0-9._-]+")


class Mail(Struct, frozen=True, kw_only=True):
    """A mail ready to be handed over.

    `content` is final and signed: lines end in CRLF, none is longer than 998 bytes, dots are
    not yet doubled. `message_id` has its angle brackets.
    """

    message_id: str
    envelope_id: str
    sender: str
    recipient: Mailbox
    content: bytes


class Composer:
    """Writes mails in the names of the channel's sender profiles. May be called from several threads at once."""

    def __init__(self, config: EmailConfig) -> None:
        self._config = config
        self._voices = {name: _Voice(config, config.profile(name)) for name in (None, *config.brands)}
        self._inlined: Callable[[str], str] | None = css_inliner() if config.inline_css else None

    @property
    def check_sender(self) -> str:
        """An envelope sender like those of the mails, for asking the server whether it takes it."""
        return self._voices[None].bounce_address

    @property
    def is_slow(self) -> bool:
        """Whether a mail takes long enough to be written in a thread."""
        return self._inlined is not None or any(
            voice.signer is not None and voice.signer.is_slow for voice in self._voices.values()
        )

    def message_id(self, message: Outbound) -> str:
        """The Message-ID follows from the message alone, so it is known before anything is sent."""
        return self._voice(message).message_id(message)

    def mail(self, message: Outbound, at: datetime) -> Mail:
        """The mail, dated `at`. Raises PermanentFailure where address, headers or texts are unfit."""
        voice = self._voice(message)
        try:
            to = mailbox(message.address.value)
            kind, body = mime.content(message.parts["text"], self._html(message), boundary=f"=_{message.id}")
            fields = [*self._fields(voice, message, to, at), *kind]
        except BadAddress as error:
            raise PermanentFailure("5.1.3", str(error)) from None
        except Unfit as error:
            raise PermanentFailure("unfit-content", str(error)) from None
        signatures = voice.signer.signatures(fields, body) if voice.signer is not None else b""
        return Mail(
            message_id=voice.message_id(message),
            envelope_id=message.id,
            sender=voice.envelope_sender(message),
            recipient=to,
            content=b"".join((signatures, *fields, b"\r\n", body)),
        )

    def _voice(self, message: Outbound) -> "_Voice":
        voice = self._voices.get(message.brand)
        if voice is None:
            raise PermanentFailure("unknown-brand", f"there is no [channels.email.brands.{message.brand}]")
        return voice

    def _html(self, message: Outbound) -> str | None:
        html = message.parts.get("html")
        if html is None:
            return None
        if self._inlined is not None:
            html = self._inlined(html)
        return html if message.open_url is None else with_picture(html, message.open_url)

    def _fields(self, voice: "_Voice", message: Outbound, to: Mailbox, at: datetime) -> list[bytes]:
        subject = message.parts["subject"]
        fields = [
            header.exact("Date", format_datetime(at)),
            voice.from_line,
            voice.reply_to_line,
            header.mailbox("To", message.name, to),
            header.unstructured("Subject", f"[test] {subject}" if message.is_test else subject),
            header.exact("Message-ID", voice.message_id(message)),
            *voice.list_lines(message),
            voice.feedback_id_line(message),
            # RFC 3834: automatic answers to a notice are held back; to a newsletter its list headers do that.
            b"Auto-Submitted: auto-generated\r\n" if message.purpose == "transactional" else b"",
            self._metadata(voice, message),
            b"MIME-Version: 1.0\r\n",
        ]
        return [field for field in fields if field]

    def _metadata(self, voice: "_Voice", message: Outbound) -> bytes:
        config = self._config
        if config.metadata is None:
            return b""
        return metadata.fields(config.metadata, message, config.configuration_set, voice.feedback_id)


class _Voice:
    """What all mails of one sender profile have in common."""

    def __init__(self, config: EmailConfig, brand: Brand) -> None:
        sender, reply_to = brand.sender, brand.reply_mailbox
        keys = keys_for(config.dkim, sender.domain)
        provider = config.metadata or ""
        self.signer = Signer(keys, metadata.WRITTEN_ANEW.get(provider, ())) if keys else None
        self.from_line = header.mailbox("From", brand.from_name or "", sender)
        self.reply_to_line = b"" if reply_to is None else header.mailbox("Reply-To", "", reply_to)
        self.feedback_id = brand.feedback_id
        self.bounce_address = str(sender) if brand.bounce_domain is None else f"b@{brand.bounce_domain}"
        self._bounce_domain = brand.bounce_domain
        self._id_domain = brand.message_id_domain or sender.domain
        self._list_id = b"" if brand.list_id is None else header.exact("List-ID", f"<{brand.list_id}>")
        self._writes_feedback_id = provider not in metadata.OWN_FEEDBACK_ID

    def message_id(self, message: Outbound) -> str:
        return f"<{message.id}@{self._id_domain}>"

    def envelope_sender(self, message: Outbound) -> str:
        # Where the id is too long, the bounce is matched by the Message-ID that it returns.
        return self._own_address("b", message) or self.bounce_address

    def list_lines(self, message: Outbound) -> tuple[bytes, ...]:
        """For what can be unsubscribed from, by one POST of the mail program itself (RFC 8058), or by mail."""
        if message.unsubscribe_url is None:
            return ()
        by_mail = self._own_address("u", message)
        mailto = None if by_mail is None else f"{by_mail}?subject=unsubscribe"
        return (
            self._list_id,
            header.https_link("List-Unsubscribe", message.unsubscribe_url, mailto),
            b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
        )

    def feedback_id_line(self, message: Outbound) -> bytes:
        """Four fields, the last of them constant (Gmail, "Feedback loop" for senders)."""
        if self.feedback_id is None or not self._writes_feedback_id:
            return b""
        fields = (message.job_id, message.purpose, "email", self.feedback_id)
        return header.exact("Feedback-ID", ":".join(_NOT_IN_FEEDBACK_ID.sub("-", field) for field in fields))

    def _own_address(self, role: str, message: Outbound) -> str | None:
        """An address at the bounce domain that is this message's alone."""
        local = f"{role}+{message.id}"
        if self._bounce_domain is None or len(local) > _LONGEST_LOCAL_PART:
            return None
        return f"{local}@{self._bounce_domain}"
