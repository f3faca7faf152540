"""Calls of Amazon SNS: how they are signed, and by whose certificate.

Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import asyncio
import binascii
import re
from datetime import datetime
from typing import Any, Final

import aiohttp
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from msgspec import Struct, field
from yarl import URL

from channels.email.reports.provider import Id
from gateway.contract import BadSignature, TransientFailure

AMAZON: Final = r"https://sns\.[a-z0-9-]{3,30}\.amazonaws\.com(?:\.cn)?"
"""Where SNS lives, as a pattern: nothing else is ever asked for a certificate or told a confirmation."""

_NAMES: Final = re.compile(r"sns(?:[.-][a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?")
"""Whom a signing certificate may be made out to."""

_CERTIFICATE_PATH: Final = r"/[A-Za-z0-9_-]{1,200}\.pem"
_CONFIRMATION_PATH: Final = r"/\?Action=ConfirmSubscription&[!-~]{1,2000}"
_LARGEST_BYTES: Final = 32_768
_MOST_HELD: Final = 20
_PATIENCE: Final = aiohttp.ClientTimeout(total=5)
_SMALLEST_KEY_BITS: Final = 2048
_AWAY_FROM: Final = 500


class Envelope(Struct, frozen=True, kw_only=True, rename="pascal"):
    """What SNS calls with. `message` is what somebody has published to the topic."""

    type: str
    message_id: Id
    topic_arn: str
    message: str
    timestamp: str
    signature_version: str
    signature: str
    signing_cert_url: str = field(name="SigningCertURL")
    subject: str | None = None
    token: str | None = None
    subscribe_url: str | None = field(name="SubscribeURL", default=None)

    @property
    def asks_to_confirm(self) -> bool:
        return self.type == "SubscriptionConfirmation"

    def said(self) -> bytes:
        """What the signature is over. Raises BadSignature for a call of no known kind."""
        if self.type == "Notification":
            told = {"Message": self.message, "MessageId": self.message_id, "Subject": self.subject}
        elif self.type in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
            told = {"Message": self.message, "MessageId": self.message_id, "SubscribeURL": self.subscribe_url}
        else:
            raise BadSignature
        told |= {"Timestamp": self.timestamp}
        told |= {"Token": self.token} if self.type != "Notification" else {}
        told |= {"TopicArn": self.topic_arn, "Type": self.type}
        lines = "".join(f"{name}\n{value}\n" for name, value in told.items() if value is not None)
        return lines.encode("utf-8", "surrogatepass")


def check(envelope: Envelope, certificate: x509.Certificate) -> None:
    """Raises BadSignature unless the certificate's key has signed: version 1 is over SHA-1, version 2 over SHA-256."""
    algorithm = {"1": hashes.SHA1, "2": hashes.SHA256}.get(envelope.signature_version)  # Amazon's choice
    key = certificate.public_key()
    if algorithm is None or not isinstance(key, rsa.RSAPublicKey):
        raise BadSignature
    try:
        signature = binascii.a2b_base64(envelope.signature, strict_mode=True)
        key.verify(signature, envelope.said(), padding.PKCS1v15(), algorithm())
    except (ValueError, InvalidSignature):
        raise BadSignature from None


class Certificates:
    """The signing certificates that were fetched. `origin` is a pattern of where they may come from.

    What vouches for a certificate is the TLS connection to Amazon's own host.
    """

    def __init__(self, http: aiohttp.ClientSession, origin: str, names: re.Pattern[str] = _NAMES) -> None:
        self._http = http
        self._place = re.compile(origin + _CERTIFICATE_PATH)
        self._names = names
        self._held: dict[str, x509.Certificate] = {}
        # One at a time: strangers can make us ask, too.
        self._asking = asyncio.Lock()

    def held(self, url: str, at: datetime) -> x509.Certificate:
        """The certificate, valid at this time. Raises BadSignature where there is none."""
        certificate = self._held.get(url)
        if certificate is None or not _is_valid(certificate, at):
            raise BadSignature
        return certificate

    async def fetch(self, url: str) -> None:
        """Raises BadSignature where no certificate of Amazon's is there, TransientFailure where it cannot be known."""
        if not self._place.fullmatch(url):
            raise BadSignature
        if url in self._held:
            return
        async with self._asking:
            if url not in self._held:
                self._held[url] = self._examined(await _asked(self._http, url))
                while len(self._held) > _MOST_HELD:
                    del self._held[next(iter(self._held))]

    def _examined(self, content: bytes) -> x509.Certificate:
        try:
            certificate = x509.load_pem_x509_certificate(content)
            key = certificate.public_key()
            names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        except ValueError:
            raise BadSignature from None
        is_fit = isinstance(key, rsa.RSAPublicKey) and key.key_size >= _SMALLEST_KEY_BITS
        if not is_fit or not any(self._names.fullmatch(str(name.value)) for name in names):
            raise BadSignature
        return certificate


class Confirmations:
    """Says yes to subscriptions, at Amazon's own host only."""

    def __init__(self, http: aiohttp.ClientSession, origin: str, log: Any) -> None:
        self._http = http
        self._place = re.compile(origin + _CONFIRMATION_PATH)
        self._log = log

    async def confirm(self, envelope: Envelope) -> None:
        """Raises TransientFailure where it cannot be done now: SNS then asks again."""
        url = envelope.subscribe_url or ""
        if not self._place.fullmatch(url):
            self._log.warning("reports.foreign_confirmation", provider="ses")
            return
        try:
            await _asked(self._http, url)
        except BadSignature:
            # A confirmation that is too old, or was used: a new one has to be asked for in the console.
            self._log.error("reports.not_confirmed", provider="ses")
            return
        self._log.info("reports.confirmed", provider="ses")


async def _asked(http: aiohttp.ClientSession, url: str) -> bytes:
    """What stands there: only as it is spelled, and only there."""
    content = b""
    try:
        async with http.get(URL(url, encoded=True), allow_redirects=False, timeout=_PATIENCE) as answer:
            if answer.status >= _AWAY_FROM:
                raise TransientFailure("sns-away", "Amazon SNS could not answer")
            if answer.status != 200:
                raise BadSignature
            async for piece in answer.content.iter_chunked(8192):
                content += piece
                if len(content) > _LARGEST_BYTES:
                    raise BadSignature
    except (aiohttp.ClientError, TimeoutError):
        raise TransientFailure("sns-away", "Amazon SNS was not reached") from None
    return content


def _is_valid(certificate: x509.Certificate, at: datetime) -> bool:
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc
