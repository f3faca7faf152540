"""Opens a connection to the server: greeting, EHLO, TLS, login. Nothing secret leaves before TLS stands."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Final, cast

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPHeloError,
    SMTPResponseException,
)

from channels.email import answers
from channels.email.answers import Stage
from channels.email.routing import RelayConfig
from gateway.contract import ChannelMisconfigured, Failure, TransientFailure

_MECHANISM_UNKNOWN: Final = 504


def tls_context(config: RelayConfig) -> ssl.SSLContext:
    """How the server's certificate is judged. Reads files. Raises ChannelMisconfigured."""
    try:
        context = ssl.create_default_context(cafile=None if config.ca_file is None else str(config.ca_file))
    except OSError:  # an ssl.SSLError too
        raise ChannelMisconfigured("ca-file", "ca_file: cannot be read, or holds no certificate in PEM") from None
    if not config.verify_certificates:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def opened(config: RelayConfig, ehlo_name: str, context: ssl.SSLContext) -> SMTP:
    """A client that may begin a transaction. Raises ChannelMisconfigured, TransientFailure or RateLimited."""
    client = SMTP(
        hostname=config.host,
        port=config.server_port,
        local_hostname=ehlo_name,
        timeout=None,
        use_tls=config.tls == "implicit",
        start_tls=False,  # its default would fall back to clear text
        tls_context=context,
    )
    opening = _Opening(client, config)
    try:
        async with asyncio.timeout(config.timeout_s):
            await opening.run()
    except TimeoutError:
        discard(client)
        raise TransientFailure("no-connection", f"no connection to the server in {config.timeout_s:g} s") from None
    except (SMTPException, OSError) as error:
        discard(client)
        raise _failure(opening.stage, error) from None
    except BaseException:
        discard(client)
        raise
    return client


def discard(client: SMTP) -> None:
    """End a connection at once, and with it whatever was still to be written."""
    if client.transport is not None:
        cast(asyncio.WriteTransport, client.transport).abort()
    client.close()


class _Opening:
    def __init__(self, client: SMTP, config: RelayConfig) -> None:
        self.stage: Stage = "connection"
        self._client = client
        self._config = config

    async def run(self) -> None:
        await self._client.connect(timeout=None)
        await self._greet()
        if self._config.tls == "required":
            await self._secure()
            await self._greet()
        if self._config.username is not None:
            await self._log_in(self._config.username)

    async def _greet(self) -> None:
        self.stage = "EHLO"
        try:
            await self._client.ehlo()
        except SMTPHeloError:
            if not self._client.is_connected:
                raise
            await self._client.helo()

    async def _secure(self) -> None:
        if not self._client.supports_extension("starttls"):
            raise ChannelMisconfigured(
                "tls-not-offered", "the server offers no STARTTLS: nothing was sent; set tls, or look who answers there"
            )
        self.stage = "STARTTLS"
        await self._client.starttls()

    async def _log_in(self, username: str) -> None:
        self.stage = "AUTH"
        mechanisms = self._mechanisms()
        if not mechanisms:
            raise ChannelMisconfigured("auth-not-offered", "the server offers no login by PLAIN, LOGIN or CRAM-MD5")
        password = "" if self._config.password is None else self._config.password.reveal()
        for log_in in mechanisms[:-1]:
            try:
                await log_in(username, password)
            except SMTPAuthenticationError as refused:
                # Tried once only: a wrong password tried by three mechanisms locks accounts sooner.
                if refused.code != _MECHANISM_UNKNOWN:
                    raise
            else:
                return
        await mechanisms[-1](username, password)

    def _mechanisms(self) -> list[Callable[[str, str], Awaitable[object]]]:
        known = {
            "plain": self._client.auth_plain,
            "login": self._client.auth_login,
            "cram-md5": self._client.auth_crammd5,
        }
        return [log_in for name, log_in in known.items() if name in self._client.server_auth_methods]


def _failure(stage: Stage, error: Exception) -> Failure:
    """Without the error's text: it quotes the server, and may quote what was sent."""
    cause = error if isinstance(error, ssl.SSLError) else error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ChannelMisconfigured("tls-certificate", f"the server's certificate is refused: {cause.verify_message}")
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
        return ChannelMisconfigured("tls-handshake", "the server does not speak TLS there, or none that we accept")
    if isinstance(error, SMTPResponseException) and error.code > 0:  # its -1 is for what is no reply
        return answers.failure(stage, error.code, error.message)
    return TransientFailure("no-connection", f"no connection to the server: it ended at {stage}")
