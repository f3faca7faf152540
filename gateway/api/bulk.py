"""Many lines at once, as they come: the whole is never held in memory.

As JSON, one object in each line, or as CSV, whose columns `gateway.services.csv_columns` names.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from litestar import Response, post
from msgspec import Struct

from gateway.api.answers import answer
from gateway.api.operations import needs
from gateway.api.problems import KINDS, Refusal, answer_to
from gateway.api.reading import CSV, NDJSON, expect_media_type
from gateway.api.rooms import Call, Here, Rooms
from gateway.domain.consent import ConsentRow
from gateway.domain.recipient import ActivityInput, RecipientInput
from gateway.services import bulk, csv_rows
from gateway.services.bulk import Kind, RowError, SuppressionInput
from gateway.services.csv_columns import Table
from gateway.services.csv_rows import CsvPage
from gateway.services.ndjson import Line
from gateway.services.problems import Invalid, Problem
from gateway.storage.database import Unavailable

LONGEST_LINE_BYTES: Final = 256 * 1024
MOST_ERRORS: Final = 1000


class BulkResult(Struct, frozen=True, kw_only=True):
    """What became of the lines: `received` that were not blank, `written` that hold now.

    `errors` are the first thousand, `more_errors` counts the rest.
    """

    received: int
    written: int
    errors: list[RowError]
    more_errors: int


def _opt(kind: str, shape: type[Struct]) -> dict[str, Any]:
    return needs(
        "recipients:write",
        f"Write {kind}, one in each line. A line that cannot be written stops no other",
        takes=shape,
        takes_media_type=NDJSON,
        takes_also=(CSV,),
        gives={200: BulkResult},
    )


@post("/v1/recipients:bulk", opt=_opt("recipients", RecipientInput))
async def recipients(request: Call, rooms: Here) -> Response[bytes]:
    return await _taken_in(request, rooms, "recipients")


@post("/v1/consents:bulk", opt=_opt("consents", ConsentRow))
async def consents(request: Call, rooms: Here) -> Response[bytes]:
    return await _taken_in(request, rooms, "consents")


@post("/v1/activities:bulk", opt=_opt("activities", ActivityInput))
async def activities(request: Call, rooms: Here) -> Response[bytes]:
    return await _taken_in(request, rooms, "activities")


@post("/v1/suppressions:bulk", opt=_opt("suppressions", SuppressionInput))
async def suppressions(request: Call, rooms: Here) -> Response[bytes]:
    return await _taken_in(request, rooms, "suppressions")


async def _taken_in(request: Call, rooms: Rooms, kind: Kind) -> Response[bytes]:
    """Page by page, each in one transaction: what was written stays written where a later page fails."""
    received, written, errors = 0, 0, list[RowError]()
    more_errors = 0
    async for page in pages_of(request, kind):
        try:
            result = await rooms.db.write(bulk.import_page, rooms.installation, kind, page, request.auth.client)
        except Unavailable as error:
            raise broken_off(page, error) from None
        received += len(page)
        written += result.written
        room = MOST_ERRORS - len(errors)
        errors += result.errors[:room]
        more_errors += len(result.errors[room:])
    return answer(BulkResult(received=received, written=written, errors=errors, more_errors=more_errors))


async def pages_of(request: Call, kind: Table) -> AsyncIterator[Sequence[Line] | CsvPage]:
    """The lines of a body in either media type. Raises Refusal, and Invalid for CSV with a first row that is none."""
    expect_media_type(request, NDJSON, CSV)
    if not request.headers["content-type"].lower().startswith(CSV):
        async for lines in bulk.split(request.stream(), LONGEST_LINE_BYTES):
            yield lines
        return
    try:
        async for page in csv_rows.split(request.stream(), kind, LONGEST_LINE_BYTES):
            yield page
    except csv_rows.BadHeader as error:
        raise Invalid([Problem(pointer="", detail=str(error))]) from None


def broken_off(page: Sequence[Line] | CsvPage, error: Unavailable) -> Refusal:
    line = page.first if isinstance(page, CsvPage) else page[0][0]
    away = answer_to(error)
    detail = f"{KINDS[away.kind][1]} The lines before line {line} are done, send it and the rest again"
    return Refusal(away.kind, detail, headers=away.headers)


HANDLERS: Final = (recipients, consents, activities, suppressions)
