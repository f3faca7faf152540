"""An HTTP server shaped like Twilio's Messages API that keeps what it is given and reports on it.

Answers POST /2010-04-01/Accounts/{Sid}/Messages.json and the reads beside it. Each message
is then reported to its StatusCallback as sent and delivered, or as sent and undelivered
(30005) where the number ends in 99.
"""

import asyncio
import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from aiohttp import web
from msgspec import Struct

from gateway.demo.receivers.http import serve_http
from gateway.demo.receivers.journal import RECEIVED, REFUSED, Journal
from gateway.demo.receivers.lifetime import arguments, until_told
from gateway.demo.receivers.twilio_reports import Account, Report, Reporter

ACCOUNT_SID: Final = "AC" + 32 * "0"
AUTH_TOKEN: Final = "demonstration-token"  # noqa: S105 - a default for the demonstration, opens nothing

UNDELIVERED_ENDING: Final = "99"
UNKNOWN_DESTINATION: Final = 30005

LONGEST_BODY_CHARS: Final = 1600

_E164: Final = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_CALLBACK: Final = re.compile(r"https?://[^\s/]+/.*")
_GSM7: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€\f"
)
_GSM7_DOUBLE: Final = frozenset("^{}\\[~]|€\f")


class ReceivedMessage(Struct, frozen=True, kw_only=True):
    """A message that was taken. `sender` is the From or the MessagingServiceSid."""

    number: int
    at: datetime
    sid: str
    to: str
    sender: str
    body: str
    segments: int
    status_callback: str | None
    validity_period_s: int | None


class RefusedMessage(Struct, frozen=True, kw_only=True):
    at: datetime
    to: str
    status: int
    code: int


class Refusal(Exception):
    """A request that gets an error for an answer; `code` is from Twilio's list of errors."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class MessagesApi:
    def __init__(self, folder: Path, account: Account, reporter: Reporter) -> None:
        self._received = Journal(folder / RECEIVED)
        self._refused = Journal(folder / REFUSED)
        self._account = account
        self._reporter = reporter
        self._messages: dict[str, ReceivedMessage] = {}

    def close(self) -> None:
        self._received.close()
        self._refused.close()

    def app(self) -> web.Application:
        app = web.Application()
        root = "/2010-04-01/Accounts/{account}"
        app.router.add_post(f"{root}/Messages.json", self.create)
        app.router.add_get(f"{root}/Messages.json", self.find)
        app.router.add_get(f"{root}/Messages/{{sid}}.json", self.fetch)
        app.router.add_get(f"{root}.json", self.fetch_account)
        return app

    async def create(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        try:
            self._authenticate(request)
            message = _message(form, self._received.lines + 1)
        except Refusal as refusal:
            self._refused.append(
                RefusedMessage(at=datetime.now(UTC), to=form.get("To", ""), status=refusal.status, code=refusal.code)
            )
            return _refused(refusal)
        self._received.append(message)
        self._messages[message.sid] = message
        if message.status_callback is not None:
            self._reporter.report(_report(message, message.status_callback))
        return web.json_response(self._shown(message, "queued"), status=201)

    async def find(self, request: web.Request) -> web.Response:
        """Those to one number where `To` is given. One page; dates are not filtered by."""
        try:
            self._authenticate(request)
        except Refusal as refusal:
            return _refused(refusal)
        to = request.query.get("To")
        wanted = [message for message in self._messages.values() if to in {None, message.to}]
        page = {"messages": [self._shown(message, self._status(message)) for message in reversed(wanted)]}
        return web.json_response(page | {"page": 0, "page_size": len(wanted), "next_page_uri": None})

    async def fetch(self, request: web.Request) -> web.Response:
        try:
            self._authenticate(request)
            message = self._messages.get(request.match_info["sid"])
            if message is None:
                raise Refusal(404, 20404, "The requested resource was not found")
        except Refusal as refusal:
            return _refused(refusal)
        return web.json_response(self._shown(message, self._status(message)))

    async def fetch_account(self, request: web.Request) -> web.Response:
        try:
            self._authenticate(request)
        except Refusal as refusal:
            return _refused(refusal)
        return web.json_response({"sid": self._account.sid, "status": "active", "type": "Full"})

    def _authenticate(self, request: web.Request) -> None:
        """Basic authentication with the account's SID and token."""
        expected = b64encode(f"{self._account.sid}:{self._account.auth_token}".encode())
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic" or not hmac.compare_digest(
            given.strip().encode(errors="surrogateescape"), expected
        ):
            raise Refusal(401, 20003, "Authenticate")
        if request.match_info["account"] != self._account.sid:
            raise Refusal(404, 20404, "The requested resource was not found")

    def _status(self, message: ReceivedMessage) -> str:
        return self._reporter.reached(message.sid) or "queued"

    def _shown(self, message: ReceivedMessage, status: str) -> dict[str, Any]:
        """The message as Twilio's API would show it."""
        path = f"/2010-04-01/Accounts/{self._account.sid}/Messages/{message.sid}"
        by_service = message.sender.startswith("MG")
        at = format_datetime(message.at)
        return {
            "account_sid": self._account.sid,
            "api_version": "2010-04-01",
            "body": message.body,
            "date_created": at,
            "date_sent": at if status != "queued" else None,
            "date_updated": at,
            "direction": "outbound-api",
            "error_code": UNKNOWN_DESTINATION if status == "undelivered" else None,
            "error_message": None,
            "from": None if by_service else message.sender,
            "messaging_service_sid": message.sender if by_service else None,
            "num_media": "0",
            "num_segments": str(message.segments),
            "price": None,
            "price_unit": "USD",
            "sid": message.sid,
            "status": status,
            "subresource_uris": {"media": f"{path}/Media.json"},
            "to": message.to,
            "uri": f"{path}.json",
        }


def _message(form: Mapping[str, str], number: int) -> ReceivedMessage:
    """Check a form as Twilio does. Codes: https://www.twilio.com/docs/api/errors."""
    to, body = form.get("To", ""), form.get("Body", "")
    sender = form.get("From") or form.get("MessagingServiceSid") or ""
    callback = form.get("StatusCallback")
    if not to:
        raise Refusal(400, 21604, "A 'To' phone number is required.")
    if not _E164.fullmatch(to):
        raise Refusal(400, 21211, "Invalid 'To' Phone Number")
    if not sender:
        raise Refusal(400, 21603, "A 'From' phone number is required.")
    if not body:
        raise Refusal(400, 21602, "Message body is required.")
    if len(body) > LONGEST_BODY_CHARS:
        raise Refusal(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
    if callback is not None and not _CALLBACK.fullmatch(callback):
        raise Refusal(400, 21609, "The 'StatusCallback' URL is not a valid URL.")
    return ReceivedMessage(
        number=number,
        at=datetime.now(UTC),
        sid=f"SM{uuid4().hex}",
        to=to,
        sender=sender,
        body=body,
        segments=segments(body),
        status_callback=callback,
        validity_period_s=_validity_period_s(form.get("ValidityPeriod")),
    )


def _validity_period_s(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 36_000):
        raise Refusal(400, 21626, "ValidityPeriod must be between 1 and 36000 seconds.")
    return int(text)


def segments(body: str) -> int:
    """How many short messages `body` takes: 160 (or 153 each) in GSM-7, else 70 (or 67) UTF-16 units."""
    if _GSM7.issuperset(body):
        units = len(body) + sum(char in _GSM7_DOUBLE for char in body)
        return 1 if units <= 160 else -(-units // 153)
    units = len(body.encode("utf-16-le")) // 2
    return 1 if units <= 70 else -(-units // 67)


def _report(message: ReceivedMessage, callback: str) -> Report:
    dead = message.to.endswith(UNDELIVERED_ENDING)
    return Report(
        sid=message.sid,
        to=message.to,
        sender=message.sender,
        url=callback,
        last="undelivered" if dead else "delivered",
        error_code=UNKNOWN_DESTINATION if dead else None,
    )


def _refused(refusal: Refusal) -> web.Response:
    answer = {
        "code": refusal.code,
        "message": refusal.message,
        "more_info": f"https://www.twilio.com/docs/errors/{refusal.code}",
        "status": refusal.status,
    }
    headers = {"WWW-Authenticate": 'Basic realm="Twilio API"'} if refusal.status == 401 else {}
    return web.json_response(answer, status=refusal.status, headers=headers)


async def serve(port: int, folder: Path, account: Account, pause_s: float) -> None:
    async with Reporter(folder, account, pause_s) as reporter:
        api = MessagesApi(folder, account, reporter)
        runner, bound_port = await serve_http(api.app(), port)
        try:
            await until_told(bound_port)
        finally:
            await runner.cleanup()
            api.close()


def main() -> None:
    parser = arguments("A server shaped like Twilio's Messages API.")
    parser.add_argument("--account-sid", default=ACCOUNT_SID)
    parser.add_argument("--auth-token", default=AUTH_TOKEN)
    parser.add_argument("--pause-s", type=float, default=0.05, help="between the answer and the first report")
    options = parser.parse_args()
    account = Account(sid=options.account_sid, auth_token=options.auth_token)
    asyncio.run(serve(options.port, options.folder, account, options.pause_s))


if __name__ == "__main__":
    main()
