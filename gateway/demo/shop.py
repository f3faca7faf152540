"""The shop's own systems: everything they want of the gateway they ask for over HTTP."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any, Final, Literal, TypeVar

import aiohttp
import msgspec
from msgspec import UNSET, Struct, UnsetType

from gateway.demo.bulk import BulkFile
from gateway.domain.job import JobInput
from gateway.domain.offer import Offer
from gateway.domain.specimen import DraftInput
from gateway.domain.till_list import PublicKeys
from gateway.services.report import JobReport

_T = TypeVar("_T")

_CHUNK_LINES: Final = 250


class Unexpected(Exception):
    """An answer that the demonstration has no use for."""


class RowError(Struct, frozen=True, kw_only=True):
    line: int
    pointer: str
    detail: str


class TakenIn(Struct, frozen=True, kw_only=True):
    received: int
    written: int
    errors: list[RowError]
    more_errors: int


class Count(Struct, frozen=True, kw_only=True):
    channel: str
    state: str
    reason: str | None
    recipients: int


class Sample(Struct, frozen=True, kw_only=True):
    recipient: str
    channel: str
    parts: dict[str, str] | None = None


class Forecast(Struct, frozen=True, kw_only=True):
    audience: int
    counts: list[Count]
    samples: list[Sample]


class Job(Struct, frozen=True, kw_only=True):
    id: str
    state: str


class PrintFile(Struct, frozen=True, kw_only=True):
    name: str
    records: int


class Batch(Struct, frozen=True, kw_only=True):
    id: str
    job: str
    state: str
    pieces: int
    printed: int
    mailing_at: datetime
    files: list[PrintFile]


class HandedOver(Struct, frozen=True, kw_only=True):
    """`pull`: what has to be taken out before mailing, by number."""

    batch: Batch
    pull: list[int]


class Redeemed(Struct, frozen=True, kw_only=True):
    """A code that was used. `cancelled_sends` are reminders that will not go out."""

    id: str
    code: str
    recipient: str
    cancelled_sends: int


class Refused(Struct, frozen=True, kw_only=True):
    """A code that was not, and what the till is told."""

    detail: str = ""
    reasons: tuple[str, ...] = ()


class TillReport(Struct, frozen=True, kw_only=True):
    """What became of the lines of tills without a network, counted. `replayed` were told before."""

    received: int
    redeemed: int
    replayed: int
    outcomes: dict[str, int]


class _Batches(Struct, frozen=True):
    batches: list[Batch]


class Shop:
    """A client of the gateway with an API key."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self._http = http
        self._url = url
        self._authorization = {"Authorization": f"Bearer {token}"}

    async def take_in(self, kind: str, file: BulkFile, sent: Callable[[int], None]) -> TakenIn:
        """Import a file; `sent` is told how many lines went out. The file is never in memory as a whole."""
        headers = self._authorization | {"Content-Type": "application/x-ndjson"}
        body = _lines(file, sent)
        async with self._http.post(f"{self._url}/v1/{kind}:bulk", data=body, headers=headers) as answer:
            return await _expected(answer, TakenIn)

    async def put_offer(self, offer: Offer) -> None:
        body = msgspec.to_builtins(offer)
        del body["key"]
        await self._call("PUT", f"/v1/offers/{offer.key}", Any, body=body)

    async def preview(self, job: JobInput) -> Forecast:
        return await self._call("POST", "/v1/jobs:preview", Forecast, body=job)

    async def submit(self, job: JobInput, key: str) -> Job:
        return await self._call("POST", "/v1/jobs", Job, body=job, key=key)

    async def job(self, job_id: str) -> Job:
        return await self._call("GET", f"/v1/jobs/{job_id}", Job)

    async def report(self, job_id: str) -> JobReport:
        return await self._call("GET", f"/v1/jobs/{job_id}/report", JobReport)

    async def report_file(self, job_id: str, form: Literal["json", "csv"]) -> bytes:
        url = f"{self._url}/v1/jobs/{job_id}/report?format={form}"
        async with self._http.get(url, headers=self._authorization) as answer:
            return await _good(answer)

    async def batches(self, job_id: str) -> list[Batch]:
        found = await self._call("GET", "/v1/batches", _Batches)
        return [batch for batch in found.batches if batch.job == job_id]

    async def close(self, batch_id: str) -> Batch:
        return await self._call("POST", f"/v1/batches/{batch_id}:close", Batch)

    async def batch(self, batch_id: str) -> Batch:
        return await self._call("GET", f"/v1/batches/{batch_id}", Batch)

    async def hand_over(self, batch_id: str) -> HandedOver:
        return await self._call("POST", f"/v1/batches/{batch_id}:hand-over", HandedOver, body={})

    async def mailed(self, batch_id: str, at: datetime) -> Batch:
        """The print shop's word that the cards went into the post at `at`."""
        return await self._call("POST", f"/v1/batches/{batch_id}:mailed", Batch, body={"at": at})

    async def withdraw(self, recipient: str, channel: str, at: datetime) -> None:
        """A consent withdrawn, or for post an objection, that reached the shop and not the gateway."""
        row = {
            "recipient": recipient,
            "channel": channel,
            "purpose": "marketing",
            "action": "objected" if channel == "postal" else "withdrawn",
            "at": at,
            "source": "letter",
        }
        await self._call("POST", "/v1/consents", Any, body=row)

    async def redeem(self, code: str, order_minor: int, *, key: str, order_id: str, place: str) -> Redeemed | Refused:
        """Use a code at a till. With the same `key` the same answer, however often."""
        body = {"code": code, "order_id": order_id, "order_minor": order_minor, "currency": "USD", "place": place}
        headers = self._authorization | {"Idempotency-Key": key, "Content-Type": "application/json"}
        url = f"{self._url}/v1/coupons:redeem"
        async with self._http.post(url, data=msgspec.json.encode(body), headers=headers) as answer:
            if answer.status == 409:
                return msgspec.json.decode(await answer.read(), type=Refused)
            return await _expected(answer, Redeemed)

    async def till_keys(self) -> PublicKeys:
        return await self._call("GET", "/v1/tills/keys", PublicKeys)

    async def till_list(self) -> bytes:
        """The coupons that are good now, signed, for tills without a network."""
        async with self._http.get(f"{self._url}/v1/tills/codes", headers=self._authorization) as answer:
            return await _good(answer)

    async def tell_sales(self, table: bytes) -> TillReport:
        """What such tills sold, as CSV."""
        headers = self._authorization | {"Content-Type": "text/csv"}
        url = f"{self._url}/v1/tills/redemptions:bulk"
        async with self._http.post(url, data=table, headers=headers) as answer:
            return await _expected(answer, TillReport)

    async def picture(self, draft: DraftInput) -> bytes:
        """A printed piece that is still being written, as a PNG."""
        headers = self._authorization | {"Content-Type": "application/json", "Accept": "image/png"}
        body = msgspec.json.encode(draft)
        async with self._http.post(f"{self._url}/v1/templates:preview", data=body, headers=headers) as answer:
            return await _good(answer)

    async def _call(
        self, method: str, path: str, shape: type[_T], *, body: Any | UnsetType = UNSET, key: str | None = None
    ) -> _T:
        headers: Mapping[str, str] = self._authorization
        content = None
        if body is not UNSET:
            headers, content = {**headers, "Content-Type": "application/json"}, msgspec.json.encode(body)
        if key is not None:
            headers = {**headers, "Idempotency-Key": key}
        async with self._http.request(method, self._url + path, data=content, headers=headers) as answer:
            return await _expected(answer, shape)


async def _lines(file: BulkFile, sent: Callable[[int], None]) -> AsyncIterator[bytes]:
    waiting: list[bytes] = []
    with file.path.open("rb") as lines:
        for line in lines:
            waiting.append(line)
            if len(waiting) == _CHUNK_LINES:
                yield b"".join(waiting)
                sent(len(waiting))
                waiting.clear()
    yield b"".join(waiting)
    sent(len(waiting))


async def _expected(answer: aiohttp.ClientResponse, shape: type[_T]) -> _T:
    return msgspec.json.decode(await _good(answer), type=shape)


async def _good(answer: aiohttp.ClientResponse) -> bytes:
    body = await answer.read()
    if answer.status >= 400:
        told = body.decode("utf-8", "replace")[:2000]
        raise Unexpected(f"{answer.method} {answer.url.path}: the gateway answered {answer.status}: {told}")
    return body
