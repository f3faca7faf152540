"""Mailboxes that are looked into now and then: a maildir, and IMAP. Blocking; to be called in a thread."""

import contextlib
import imaplib
import os
import re
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from channels.email.inbound.config import InboundConfig
from channels.email.inbound.parts import LARGEST_BYTES
from gateway.contract import ChannelMisconfigured, TransientFailure

_AT_ONCE: Final = 500
_TIMEOUT_S: Final = 30.0
_FAULTS: Final = (imaplib.IMAP4.error, OSError, EOFError)


class Box(Protocol):
    """A mailbox. Raises a Failure where it cannot be looked into."""

    def waiting(self) -> Sequence[str]:
        """Some of the mails that have not been read, the oldest first."""
        ...

    def read(self, name: str) -> bytes | None:
        """A mail, up to a little more than may be read; None where another has taken it meanwhile."""
        ...

    def done(self, name: str) -> None:
        """Note that it has been read."""
        ...

    def close(self) -> None: ...


class Maildir:
    """A folder with `new` and `cur`, as most mail servers can deliver into (https://cr.yp.to/proto/maildir.html)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def waiting(self) -> Sequence[str]:
        try:
            names = sorted(entry.name for entry in os.scandir(self._folder / "new") if entry.is_file())
        except OSError as error:
            told = f"inbound.maildir: {self._folder / 'new'}: {error.strerror}"
            raise ChannelMisconfigured("no-maildir", told) from None
        return names[:_AT_ONCE]

    def read(self, name: str) -> bytes | None:
        try:
            with (self._folder / "new" / name).open("rb") as file:
                return file.read(LARGEST_BYTES + 1)
        except FileNotFoundError:
            return None

    def done(self, name: str) -> None:
        plain = name.partition(":2,")[0]
        # Another process that reads the same folder may have been quicker; what it recorded is the same.
        with contextlib.suppress(FileNotFoundError):
            (self._folder / "new" / name).rename(self._folder / "cur" / f"{plain}:2,S")

    def close(self) -> None:
        return None


class Imap:
    """A folder on an IMAP server, over TLS. What was read is marked as seen, and stays there."""

    def __init__(self, config: InboundConfig) -> None:
        self._config = config
        self._server: imaplib.IMAP4_SSL | None = None

    def waiting(self) -> Sequence[str]:
        try:
            found = self._answer("search", None, "UNSEEN")
        except _FAULTS as error:
            raise self._failure(error) from None
        return [name.decode("ascii") for name in found[0].split()][:_AT_ONCE] if found and found[0] else []

    def read(self, name: str) -> bytes | None:
        try:
            found = self._answer("fetch", name, f"(BODY.PEEK[]<0.{LARGEST_BYTES + 1}>)")
        except _FAULTS as error:
            raise self._failure(error) from None
        return next((bytes(part[1]) for part in found if isinstance(part, tuple)), None)

    def done(self, name: str) -> None:
        try:
            self._answer("store", name, "+FLAGS.SILENT", r"(\Seen)")
        except _FAULTS as error:
            raise self._failure(error) from None

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            with contextlib.suppress(*_FAULTS):
                server.logout()

    def _answer(self, command: str, *arguments: Any) -> list[Any]:
        """Mails are named by UID (RFC 3501 2.3.1.1): numbers would shift under us."""
        if self._server is None:
            self._server = self._opened()
        state, found = self._server.uid(command, *arguments)
        if state != "OK":
            raise imaplib.IMAP4.error("refused")
        return found

    def _opened(self) -> imaplib.IMAP4_SSL:
        config = self._config
        context = ssl.create_default_context(cafile=config.imap_ca_file)
        server = imaplib.IMAP4_SSL(config.imap_host or "", config.imap_port, ssl_context=context, timeout=_TIMEOUT_S)
        try:
            self._log_in(server)
            state, _ = server.select(f'"{config.imap_folder}"')
            if state != "OK":
                raise ChannelMisconfigured("no-folder", "inbound.imap_folder: there is no such folder")
        except BaseException:
            with contextlib.suppress(*_FAULTS):
                server.shutdown()
            raise
        return server

    def _log_in(self, server: imaplib.IMAP4_SSL) -> None:
        password = self._config.imap_password
        try:
            server.login(self._config.imap_username or "", password.reveal() if password else "")
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            if re.search(r"\[(UNAVAILABLE|INUSE|LIMIT)\]", str(error)):
                raise
            raise ChannelMisconfigured("login", "inbound.imap_username, inbound.imap_password: refused") from None

    def _failure(self, error: BaseException) -> TransientFailure:
        """The next look begins with a new connection. Servers' texts may name people: none is passed on."""
        self.close()
        kind = "certificate" if isinstance(error, ssl.SSLCertVerificationError) else type(error).__name__
        return TransientFailure("imap", f"inbound.imap_host: the mailbox cannot be read: {kind}")
