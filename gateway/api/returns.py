"""Returned mail, as it is scanned or as the post tells it."""

from typing import Any, Final

from litestar import Response, get, post
from msgspec import Struct

from gateway.api.answers import answer
from gateway.api.bulk import MOST_ERRORS, broken_off, pages_of
from gateway.api.operations import needs
from gateway.api.reading import CSV, NDJSON, read
from gateway.api.rooms import Call, Here
from gateway.domain.returned import ReturnInput
from gateway.services import returned
from gateway.services.ndjson import RowError
from gateway.services.returned import Return, ToReview
from gateway.storage.database import Unavailable


class ReturnsTaken(Struct, frozen=True, kw_only=True):
    """What became of the lines: `recorded` are new, `known` were on record, `seeds` are the sender's own pieces,
    `suppressed` counts people who get no more letters there. `errors` are the first thousand."""

    received: int
    recorded: int
    known: int
    seeds: int
    suppressed: int
    errors: list[RowError]
    more_errors: int


class NewAddresses(Struct, frozen=True, kw_only=True):
    """Where the post says that people live now, the newest first. Nothing was changed by it."""

    new_addresses: tuple[ToReview, ...]


@post(
    "/v1/returns",
    opt=needs(
        "batches:write",
        "A printed piece came back; again changes nothing",
        takes=ReturnInput,
        gives={200: Return},
        refuses=("conflict",),
    ),
)
async def one(request: Call, rooms: Here) -> Response[bytes]:
    said, actor = await read(request, ReturnInput), request.auth.client
    return answer(await rooms.db.write_urgently(returned.record, rooms.installation, said, actor))


@post(
    "/v1/returns:bulk",
    # Taken in line by line: only the length of a line has a limit.
    request_max_body_size=None,
    opt=needs(
        "batches:write",
        "Printed pieces that came back, one in each line. A line that cannot be read stops no other",
        takes=ReturnInput,
        takes_media_type=NDJSON,
        takes_also=(CSV,),
        gives={200: ReturnsTaken},
    ),
)
async def many(request: Call, rooms: Here) -> Response[bytes]:
    """Page by page, each in one transaction: what is on record stays there where a later page fails."""
    received, told, errors, more = 0, [0, 0, 0, 0], list[RowError](), 0
    async for page in pages_of(request, "returns"):
        try:
            done = await rooms.db.write(returned.record_page, rooms.installation, page, request.auth.client)
        except Unavailable as error:
            raise broken_off(page, error) from None
        received += len(page)
        counts = (done.recorded, done.known, done.seeds, done.suppressed)
        told = [before + now for before, now in zip(told, counts, strict=True)]
        room = MOST_ERRORS - len(errors)
        errors += done.errors[:room]
        more += len(done.errors[room:])
    recorded, known, seeds, suppressed = told
    return answer(
        ReturnsTaken(
            received=received,
            recorded=recorded,
            known=known,
            seeds=seeds,
            suppressed=suppressed,
            errors=errors,
            more_errors=more,
        )
    )


@get(
    "/v1/returns/new-addresses",
    opt=needs(
        "recipients:read", "New addresses that came back with letters, to be looked at", gives={200: NewAddresses}
    ),
)
async def new_addresses(rooms: Here) -> Response[bytes]:
    return answer(NewAddresses(new_addresses=tuple(await rooms.db.read(returned.to_review))))


HANDLERS: Final[tuple[Any, ...]] = (one, many, new_addresses)
