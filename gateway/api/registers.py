"""Opposition registers: how addresses stand, which ones to ask about, and what the register said."""

from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final

from litestar import Response, get, post
from litestar.response import Stream
from msgspec import Meta, Struct

from gateway.api.answers import answer
from gateway.api.bulk import MOST_ERRORS, BulkResult, broken_off, pages_of
from gateway.api.operations import needs
from gateway.api.problems import Fault, Refusal
from gateway.api.reading import CSV, NDJSON, expect_media_type, query
from gateway.api.rooms import Call, Here, InPath, Rooms
from gateway.services import registers
from gateway.services.ndjson import RowError
from gateway.services.registers import BadDay, RegisterState, ScreeningInput, ToScreen
from gateway.storage.database import Unavailable


class Registers(Struct, frozen=True, kw_only=True):
    """All registers of the settings."""

    registers: tuple[RegisterState, ...]


class ToScreenQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    within_days: Annotated[
        int, Meta(ge=0, le=366, description="Also addresses whose clearance ends within so many days")
    ] = 0


class ScreeningsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    screened_on: Annotated[date, Meta(description="The day on which the register answered, such as 2026-11-20")]


@get(
    "/v1/registers",
    opt=needs("registers:write", "All opposition registers, and how addresses stand", gives={200: Registers}),
)
async def all_of_them(rooms: Here) -> Response[bytes]:
    return answer(Registers(registers=tuple(await rooms.db.read(registers.all_of_them, rooms.installation))))


@get(
    "/v1/registers/{name:str}/to-screen",
    opt=needs(
        "registers:write",
        "The addresses that a register must be asked about, one in each line. That they were read is on record",
        query=ToScreenQuery,
        gives={200: ToScreen},
        gives_media_types=(NDJSON,),
        refuses=("conflict",),
    ),
)
async def to_screen(request: Call, name: InPath, rooms: Here) -> Stream:
    within = timedelta(days=query(request, ToScreenQuery).within_days)
    client = request.auth.client
    until = await rooms.db.write_urgently(registers.begin_export, rooms.installation, name, within, client)
    return Stream(_lines(rooms, name, until), media_type=NDJSON)


async def _lines(rooms: Rooms, name: str, until: datetime) -> AsyncIterator[bytes]:
    after: int | None = 0
    while after is not None:
        page = await rooms.db.read(registers.export, rooms.installation, name, until, after)
        yield b"".join(line + b"\n" for line in page.lines)
        after = page.after


@post(
    "/v1/registers/{name:str}/screenings",
    # Taken in line by line: only the length of a line has a limit.
    request_max_body_size=None,
    opt=needs(
        "registers:write",
        "What a register said of addresses, one in each line. A line that cannot be read stops no other",
        takes=ScreeningInput,
        takes_media_type=NDJSON,
        takes_also=(CSV,),
        query=ScreeningsQuery,
        gives={200: BulkResult},
    ),
)
async def screenings(request: Call, name: InPath, rooms: Here) -> Response[bytes]:
    """Page by page, each in one transaction: what was written stays written where a later page fails."""
    expect_media_type(request, NDJSON, CSV)
    screened_on = query(request, ScreeningsQuery).screened_on
    screened_at = await _begin(rooms, name, screened_on, request.auth.client)
    received, written, errors = 0, 0, list[RowError]()
    async for page in pages_of(request, "screenings"):
        try:
            result = await rooms.db.write(registers.write_page, rooms.installation, name, screened_at, page)
        except Unavailable as error:
            raise broken_off(page, error) from None
        received += len(page)
        written += result.written
        errors += result.errors[: MOST_ERRORS - len(errors)]
    refused = received - written
    await rooms.db.write(registers.end, name, written, refused, request.auth.client)
    return answer(BulkResult(received=received, written=written, errors=errors, more_errors=refused - len(errors)))


async def _begin(rooms: Rooms, name: str, screened_on: date, client: str) -> datetime:
    try:
        return await rooms.db.write_urgently(registers.begin, rooms.installation, name, screened_on, client)
    except BadDay as error:
        fault = Fault(parameter="screened_on", detail=str(error))
        raise Refusal("bad-request", "the query makes no sense", [fault]) from None


HANDLERS: Final[tuple[Any, ...]] = (all_of_them, to_screen, screenings)
