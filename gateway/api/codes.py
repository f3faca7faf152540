"""The codes of partners, offer by offer: brought in as they come, and counted; and what came of offers."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from litestar import Response, get, post
from msgspec import Struct

from gateway.api.answers import answer
from gateway.api.bulk import MOST_ERRORS, broken_off
from gateway.api.operations import needs
from gateway.api.reading import CSV, NDJSON, expect_media_type
from gateway.api.rooms import Call, Here, InPath
from gateway.services import csv_rows, earnings, import_codes, ndjson
from gateway.services.csv_rows import CsvPage
from gateway.services.earnings import OfferTotals
from gateway.services.import_codes import CodeInput, Stock
from gateway.services.ndjson import Line, RowError
from gateway.services.problems import Invalid, Problem
from gateway.storage.database import Unavailable

PLAIN: Final = "text/plain"


class CodesTaken(Struct, frozen=True, kw_only=True):
    """What became of the lines: `received` that were not blank, codes `added`, and those `known` in this pool before.

    `errors` are the first thousand, `more_errors` counts the rest.
    """

    received: int
    added: int
    known: int
    errors: list[RowError]
    more_errors: int


@post(
    "/v1/offers/{key:str}/codes:bulk",
    # Taken in line by line: only the length of a line has a limit.
    request_max_body_size=None,
    opt=needs(
        "offers:write",
        "Bring a partner's codes into an offer's pool, one in each line. A code that is there already stays as it is",
        takes=CodeInput,
        takes_media_type=NDJSON,
        takes_also=(CSV, PLAIN),
        gives={200: CodesTaken},
        refuses=("conflict",),
    ),
)
async def bring_in(request: Call, key: InPath, rooms: Here) -> Response[bytes]:
    """Page by page, each in one transaction: what was added stays where a later page fails."""
    expect_media_type(request, NDJSON, CSV, PLAIN)
    await rooms.db.read(import_codes.pool_of, key)
    received, added, known, errors = 0, 0, 0, list[RowError]()
    async for page in _pages(request):
        try:
            result = await rooms.db.write(import_codes.write_page, key, page, request.auth.client)
        except Unavailable as error:
            raise broken_off(page, error) from None
        received += len(page)
        added += result.added
        known += result.known
        errors += result.errors[: MOST_ERRORS - len(errors)]
    more = received - added - known - len(errors)
    return answer(CodesTaken(received=received, added=added, known=known, errors=errors, more_errors=more))


async def _pages(request: Call) -> AsyncIterator[Sequence[Line] | CsvPage]:
    """The lines of a body in any of the media types. Raises Invalid for CSV with a first row that names no columns."""
    media_type = request.headers["content-type"].lower()
    longest = import_codes.LONGEST_LINE_BYTES
    if media_type.startswith(CSV):
        try:
            async for page in csv_rows.split(request.stream(), "codes", longest):
                yield page
        except csv_rows.BadHeader as error:
            raise Invalid([Problem(pointer="", detail=str(error))]) from None
        return
    async for lines in ndjson.split(request.stream(), longest):
        yield import_codes.of_plain(lines) if media_type.startswith(PLAIN) else lines


@get(
    "/v1/offers/{key:str}/codes",
    opt=needs(
        "coupons:read", "How many codes an offer's pool has, and has left", gives={200: Stock}, refuses=("conflict",)
    ),
)
async def stock(key: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.read(import_codes.stock_of, key))


@get(
    "/v1/offers/{key:str}/report",
    opt=needs("coupons:read", "What an offer brought over all jobs, and what is left of it", gives={200: OfferTotals}),
)
async def report(key: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.read(earnings.over_all_jobs, key))


HANDLERS: Final = (bring_in, stock, report)
