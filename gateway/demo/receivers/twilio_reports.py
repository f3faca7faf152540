"""Status callbacks, signed as Twilio signs them, and repeated while nobody answers."""

import asyncio
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final, Literal, Self

import aiohttp
from msgspec import Struct
from twilio.request_validator import RequestValidator
from yarl import URL

from gateway.demo.receivers.journal import Journal

CALLBACKS: Final = "callbacks.ndjson"

AT_ONCE: Final = 20
"""How many callbacks are on the wire together."""

_ANSWER_WITHIN_S: Final = 15.0
_LONGEST_PAUSE_S: Final = 2.0


class Account(Struct, frozen=True, kw_only=True):
    sid: str
    auth_token: str

    def __repr__(self) -> str:
        return f"Account({self.sid})"


class Report(Struct, frozen=True, kw_only=True):
    """What will be told of one message: `sent`, then `last`."""

    sid: str
    to: str
    sender: str
    url: str
    last: Literal["delivered", "undelivered"]
    error_code: int | None


class Callback(Struct, frozen=True, kw_only=True):
    """A callback that was answered, with the answer's status and how many tries it took."""

    at: datetime
    sid: str
    status: str
    answer: int
    attempts: int


class Reporter:
    """Reports in the background. Each message's reports keep their order; those not yet
    answered when the process ends are lost."""

    def __init__(self, folder: Path, account: Account, pause_s: float) -> None:
        self._account = account
        self._signer = RequestValidator(account.auth_token)
        self._pause_s = pause_s
        self._journal = Journal(folder / CALLBACKS)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._reached: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S)
        self._http = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=AT_ONCE))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.close()
        self._journal.close()

    def report(self, report: Report) -> None:
        """Begin to report; returns at once."""
        task = asyncio.create_task(self._tell(report))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def reached(self, sid: str) -> str | None:
        """The last status that was reported on."""
        return self._reached.get(sid)

    async def _tell(self, report: Report) -> None:
        await asyncio.sleep(self._pause_s)
        for status in ("sent", report.last):
            answer, attempts = await self._until_answered(report.url, self._form(report, status))
            self._reached[report.sid] = status
            self._journal.append(
                Callback(at=datetime.now(UTC), sid=report.sid, status=status, answer=answer, attempts=attempts)
            )

    def _form(self, report: Report, status: str) -> dict[str, str]:
        form = {
            "AccountSid": self._account.sid,
            "ApiVersion": "2010-04-01",
            "MessageSid": report.sid,
            "MessageStatus": status,
            "SmsSid": report.sid,
            "SmsStatus": status,
            "To": report.to,
        }
        form["MessagingServiceSid" if report.sender.startswith("MG") else "From"] = report.sender
        if status == report.last and report.error_code is not None:
            form["ErrorCode"] = str(report.error_code)
        return form

    async def _until_answered(self, url: str, form: dict[str, str]) -> tuple[int, int]:
        """Post until the answer is not "away" (no connection, 429, 5xx); gives its status and the tries.

        Twilio itself gives up much sooner; here a gateway may be killed and come back.
        """
        for attempt in count(1):
            status = await self._post(url, form)
            if status is not None and status != 429 and status < 500:
                return status, attempt
            await asyncio.sleep(min(self._pause_s * 2**attempt, _LONGEST_PAUSE_S))
        raise AssertionError("unreachable")

    async def _post(self, url: str, form: dict[str, str]) -> int | None:
        headers = {"X-Twilio-Signature": self._signer.compute_signature(url, form)}
        # The signature is over the URL as given: it must not be quoted anew on its way.
        exact = URL(url, encoded=True)
        try:
            async with (
                self._slots,
                self._http.post(exact, data=form, headers=headers, allow_redirects=False) as answer,
            ):
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return None
