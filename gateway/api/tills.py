"""Tills without a network: what they take along, and what they bring back."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import IO, Annotated, Any, Final, Literal

import msgspec
from litestar import Response, get, post
from litestar.response import Stream
from msgspec import Meta, Struct

from gateway.api.answers import answer, linked
from gateway.api.bulk import broken_off, pages_of
from gateway.api.cursors import PageQuery, cursor_of, place_of
from gateway.api.operations import needs
from gateway.api.reading import CSV, JSON, NDJSON, query
from gateway.api.rooms import Call, Here, Rooms
from gateway.domain import till_list
from gateway.domain.till_list import LONGEST_SPAN, USUAL_SPAN, Codes, ListedCoupon, PublicKeys, Writer
from gateway.domain.words import Key
from gateway.services import till_codes, till_lines
from gateway.services.csv_rows import CsvPage
from gateway.services.ndjson import Line
from gateway.services.till_codes import Making
from gateway.services.till_lines import Conflict, Outcome, TillLine
from gateway.services.till_report import Report, UploadReport
from gateway.storage.database import Unavailable
from gateway.storage.till_lines import Wanted

SHORTEST_SPAN: Final = timedelta(minutes=1)
CHUNK_BYTES: Final = 64 * 1024


class ListQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    valid_for: Annotated[timedelta, Meta(description="For how long the list may be used, a week at most")] = USUAL_SPAN
    codes: Annotated[
        Codes, Meta(description="`plain` for tills that cannot hash: whoever has the file has the codes")
    ] = "hashed"
    offer: Key | None = None
    job: Annotated[str, Meta(max_length=64)] | None = None

    def __post_init__(self) -> None:
        if not SHORTEST_SPAN <= self.valid_for <= LONGEST_SPAN:
            raise ValueError("valid_for: is between a minute and a week, such as PT24H")


@get(
    "/v1/tills/codes",
    opt=needs(
        "tills:read",
        "The coupons that may be redeemed now, signed, for a till without a network. That it was made is on record",
        query=ListQuery,
        gives={200: ListedCoupon},
        gives_media_types=(NDJSON,),
    ),
)
async def codes(request: Call, rooms: Here) -> Stream:
    asked = query(request, ListQuery)
    wanted = (asked.valid_for, asked.codes, asked.offer, asked.job)
    making = await rooms.db.write_urgently(till_codes.begin, *wanted, request.auth.client)
    headers = {"Content-Disposition": f'attachment; filename="{making.header.list}.ndjson"'}
    return Stream(_lines(rooms, making), media_type=NDJSON, headers=headers)


async def _lines(rooms: Rooms, making: Making) -> AsyncIterator[bytes]:
    """Where it breaks off, the seal is missing, and nobody takes the list for a whole one."""
    writer, after = Writer(rooms.installation.keys), None
    yield writer.begin(making.header)
    while True:
        page = await rooms.db.read(till_codes.page, making, after)
        hidden = await asyncio.to_thread(till_codes.hidden, making.header, page.coupons)
        yield b"".join(map(writer.coupon, hidden))
        after = page.after
        if after is None:
            break
    yield writer.seal()


@get(
    "/v1/tills/keys",
    opt=needs("tills:read", "The public keys that check the lists of coupons", gives={200: PublicKeys}),
)
async def keys(rooms: Here) -> Response[bytes]:
    return answer(till_list.public_keys(rooms.installation.keys))


class ReportQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: Annotated[Literal["json", "csv"], Meta(description="Stands above the Accept header")] | None = None


@post(
    "/v1/tills/redemptions:bulk",
    # Taken in line by line: only the length of a line has a limit.
    request_max_body_size=None,
    opt=needs(
        "tills:write",
        "Redeem what tills without a network took, one use in each line, each once. As CSV, what became of every line",
        takes=TillLine,
        takes_media_type=NDJSON,
        takes_also=(CSV,),
        query=ReportQuery,
        gives={200: UploadReport},
        gives_media_types=(JSON, CSV),
    ),
)
async def redemptions(request: Call, rooms: Here) -> Response[bytes] | Stream:
    """Some lines at a time, each lot in one transaction: what is redeemed stays so where a later one fails."""
    asked = query(request, ReportQuery).format
    as_table = asked == "csv" or (asked is None and CSV in request.headers.get("accept", ""))
    report, client = Report(as_table=as_table), request.auth.client
    async for page in pages_of(request, "redemptions"):
        try:
            await _take_in(rooms, page, client, report)
        except Unavailable as error:
            raise broken_off(page, error) from None
    counted = report.counted()
    await rooms.db.write(till_lines.end, counted.received, counted.redeemed, client)
    if not as_table:
        return answer(counted, headers={"Vary": "Accept"})
    headers = {"Content-Disposition": 'attachment; filename="tills.csv"', "Vary": "Accept"}
    return Stream(_chunks(report.table()), media_type=CSV, headers=headers, status_code=200)


async def _take_in(rooms: Rooms, page: Sequence[Line] | CsvPage, client: str, report: Report) -> None:
    for lot in till_lines.lots(page):
        told = await rooms.db.write(till_lines.take_in, lot, client)
        report.add(told)
        for each in told:
            # Counted as guesses are, and not throttled: what a till took must come in.
            if each.outcome in ("unknown", "mistyped") and not each.replayed:
                rooms.meters.missed(each.outcome)


def _chunks(table: IO[bytes]) -> Iterator[bytes]:
    with table:
        while chunk := table.read(CHUNK_BYTES):
            yield chunk


class ConflictsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    client: Annotated[str, Meta(max_length=64)] | None = None
    till: Annotated[str, Meta(max_length=64)] | None = None
    outcome: Outcome | None = None


class Conflicts(Struct, frozen=True, kw_only=True):
    """Uses that came to nothing, the last that came in first. `next` is the cursor of the page that follows."""

    conflicts: tuple[Conflict, ...]
    next: str | None


@get(
    "/v1/tills/conflicts",
    opt=needs(
        "tills:read",
        "What tills without a network took, and could not be redeemed",
        query=ConflictsQuery,
        gives={200: Conflicts},
    ),
)
async def conflicts(request: Call, rooms: Here) -> Response[bytes]:
    asked = query(request, ConflictsQuery)
    wanted = Wanted(asked.client, asked.till, asked.outcome)
    listing = f"till conflicts {msgspec.json.encode(wanted).decode()}"
    before_id = place_of(rooms.installation.keys, listing, asked.cursor, int)
    found = await rooms.db.read(till_lines.conflicts, wanted, before_id, asked.limit)
    follows = None if found.after is None else cursor_of(rooms.installation.keys, listing, found.after)
    headers = linked(rooms, "/v1/tills/conflicts", follows, **wanted._asdict(), limit=asked.limit)
    return answer(Conflicts(conflicts=found.conflicts, next=follows), headers=headers)


HANDLERS: Final[tuple[Any, ...]] = (codes, keys, redemptions, conflicts)
