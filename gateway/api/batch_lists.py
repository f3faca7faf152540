"""What people want to know of a print batch: what to pull, who was left out, and what it will look like."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from litestar import Response, get, post
from litestar.response import Stream
from msgspec import Meta, Struct

from gateway.api.answers import answer, linked
from gateway.api.cursors import PageQuery, cursor_of, place_of
from gateway.api.operations import needs
from gateway.api.reading import CSV, JSON, query, read
from gateway.api.rooms import Call, Here, InPath, Rooms
from gateway.services import batch_sheets, mailing, printing, proof
from gateway.services.batch_sheets import LeftOut
from gateway.services.mailing import Pulled
from gateway.services.problems import Conflict
from gateway.storage.batches import Place

Format = Literal["json", "csv"]
PDF: Final = "application/pdf"
_PAGE: Final = 1000


class PullList(Struct, frozen=True, kw_only=True):
    """What must be taken out of a batch, by number. It grows until the part is mailed."""

    pull: tuple[Pulled, ...]


class FormatQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: Format = "json"


class LeftOutQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As CSV there is one page."""

    format: Format = "json"


class LeftOutPage(Struct, frozen=True, kw_only=True):
    """Who was gathered and is not printed. `next` is the cursor of the page that follows."""

    left_out: tuple[LeftOut, ...]
    next: str | None


class ProofInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many of the first pieces the proof shows, beside the longest ones and one of each language."""

    first: Annotated[int, Meta(ge=1, le=50)] = 5


@get(
    "/v1/batches/{batch_id:str}/pull-list",
    opt=needs(
        "batches:read",
        "What must be taken out of a batch before it is mailed",
        query=FormatQuery,
        gives={200: PullList},
        gives_media_types=(JSON, CSV),
    ),
)
async def pull_list(request: Call, batch_id: InPath, rooms: Here) -> Response[bytes]:
    asked = query(request, FormatQuery)
    found = await rooms.db.read(mailing.pull_list, batch_id)
    if asked.format == "csv":
        return Response(batch_sheets.pull_sheet(found), media_type=CSV)
    return answer(PullList(pull=tuple(found)))


@get(
    "/v1/batches/{batch_id:str}/left-out",
    opt=needs(
        "batches:read",
        "Who was gathered into a batch and is not printed, and why",
        query=LeftOutQuery,
        gives={200: LeftOutPage},
        gives_media_types=(JSON, CSV),
    ),
)
async def left_out(request: Call, batch_id: InPath, rooms: Here) -> Response[bytes] | Stream:
    asked = query(request, LeftOutQuery)
    await rooms.db.read(printing.row_of, batch_id)
    if asked.format == "csv":
        return Stream(_left_out_lines(rooms, batch_id), media_type=CSV)
    listing = f"left-out {batch_id}"
    after = place_of(rooms.installation.keys, listing, asked.cursor, Place)
    found, last = await rooms.db.read(batch_sheets.left_out, batch_id, after, asked.limit)
    onward = None if last is None else cursor_of(rooms.installation.keys, listing, last)
    headers = linked(rooms, f"/v1/batches/{batch_id}/left-out", onward, limit=asked.limit)
    return answer(LeftOutPage(left_out=tuple(found), next=onward), headers=headers)


async def _left_out_lines(rooms: Rooms, batch_id: str) -> AsyncIterator[bytes]:
    yield batch_sheets.left_out_head()
    after: Place | None = None
    while True:
        found, after = await rooms.db.read(batch_sheets.left_out, batch_id, after, _PAGE)
        yield batch_sheets.left_out_lines(found)
        if after is None:
            return


@post(
    "/v1/batches/{batch_id:str}/:proof",
    opt=needs(
        "batches:read",
        "Some pieces of a batch as they will be, for somebody to look at; their codes cannot be redeemed",
        takes=ProofInput,
        gives={200: bytes},
        gives_media_types=(PDF,),
        refuses=("conflict",),
    ),
)
async def make_proof(request: Call, batch_id: InPath, rooms: Here) -> Response[bytes]:
    said = await read(request, ProofInput)
    laid = await rooms.db.read(proof.lay_out, rooms.installation, batch_id, said.first)
    installed = rooms.registry.ready.get(laid.batch.channel)
    if installed is None:
        raise Conflict(f"the channel {laid.batch.channel} is not ready")
    with tempfile.TemporaryDirectory(prefix="risveglio-proof-") as folder:
        target = Path(folder) / f"{batch_id}_proof.pdf"
        await proof.write(rooms.pool, installed.channel, rooms.installation, laid, target)
        body = target.read_bytes()
    named = {"Content-Disposition": f'attachment; filename="{batch_id}_proof.pdf"'}
    return Response(body, media_type=PDF, status_code=200, headers=named)


HANDLERS: Final[tuple[Any, ...]] = (pull_list, left_out, make_proof)
