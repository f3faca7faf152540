"""Many lines at once, as they come: the whole is never held in memory."""

from typing import Any, Final

from litestar import Response, post
from msgspec import Struct

from gateway.api.answers import answer
from gateway.api.operations import needs
from gateway.api.problems import RETRY_AWAY_S, Refusal
from gateway.api.reading import NDJSON, expect_media_type
from gateway.api.rooms import Call, Here, Rooms
from gateway.domain.consent import ConsentRow
from gateway.domain.recipient import ActivityInput, RecipientInput
from gateway.services import bulk
from gateway.services.bulk import Kind, RowError, SuppressionInput
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
    expect_media_type(request, NDJSON)
    received, written, errors = 0, 0, list[RowError]()
    more_errors = 0
    async for page in bulk.split(request.stream(), LONGEST_LINE_BYTES):
        try:
            result = await rooms.db.write(bulk.write_page, rooms.installation, kind, page, request.auth.client)
        except Unavailable:
            raise _broken_off(page[0][0]) from None
        received += len(page)
        written += result.written
        room = MOST_ERRORS - len(errors)
        errors += result.errors[:room]
        more_errors += len(result.errors[room:])
    return answer(BulkResult(received=received, written=written, errors=errors, more_errors=more_errors))


def _broken_off(line: int) -> Refusal:
    detail = f"the database does not answer: the lines before line {line} are done, send it and the rest again"
    return Refusal("unavailable", detail, headers={"Retry-After": str(RETRY_AWAY_S)})


HANDLERS: Final = (recipients, consents, activities, suppressions)
