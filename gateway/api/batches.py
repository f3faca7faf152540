"""Print batches."""

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import unquote

from litestar import Response, get, post
from litestar.response import File
from msgspec import Meta, Struct

from gateway.api.answers import answer
from gateway.api.operations import needs
from gateway.api.reading import read
from gateway.api.rooms import Call, Here, InPath
from gateway.services import mailing, printing
from gateway.services.mailing import HandedOver
from gateway.services.printing import Batch
from gateway.services.problems import NotFound

_PART: Final = re.compile(r"[1-9][0-9]{0,4}")


class PrintFileView(Struct, frozen=True, kw_only=True):
    """A file for the print shop. `records` counts the pieces in it."""

    name: str
    media_type: str
    records: int
    bytes: int
    sha256: str


class PartView(Struct, frozen=True, kw_only=True):
    """A part that is written: its numbers stay. `seeds` counts the sender's own pieces in it."""

    number: int
    first_sequence: int
    last_sequence: int
    seeds: int
    written_at: datetime
    mailed_at: datetime | None
    voided_at: datetime | None


class BatchView(Struct, frozen=True, kw_only=True):
    """A batch. `pieces` were gathered, `printed` have a sequence number (`seeds` come on top), `pulled` of them must be
    taken out again. `left_out` counts the rest by reason. While it is written, `parts` and `printed` grow."""

    id: str
    channel: str
    job: str
    job_name: str
    step: str
    state: str
    opened_at: datetime
    cut_off_at: datetime | None
    closed_at: datetime | None
    mailing_at: datetime
    exported_at: datetime | None
    handed_over_at: datetime | None
    mailed_at: datetime | None
    pieces: int
    printed: int
    seeds: int
    pulled: int
    left_out: dict[str, int]
    parts: tuple[PartView, ...]
    files: tuple[PrintFileView, ...]
    files_removed_at: datetime | None
    files_removed_why: str | None


class Batches(Struct, frozen=True, kw_only=True):
    """The newest batches first."""

    batches: tuple[BatchView, ...]


def _expect_zone(name: str, at: datetime | None) -> None:
    if at is not None and at.tzinfo is None:
        raise ValueError(f"{name}: needs a time zone, such as 2026-05-01T10:00:00Z")


class Handover(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the print shop mails; as planned where left out."""

    mailing_at: datetime | None = None

    def __post_init__(self) -> None:
        _expect_zone("mailing_at", self.mailing_at)


class HandedOverView(Struct, frozen=True, kw_only=True):
    """The batch, and the sequence numbers that must be taken out of it before mailing."""

    batch: BatchView
    pull: tuple[int, ...]


class Dispatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which parts the print shop has mailed, all that are left where none are named; and when, now where left out."""

    parts: Annotated[tuple[Annotated[int, Meta(ge=1)], ...], Meta(min_length=1, max_length=1000)] | None = None
    at: datetime | None = None

    def __post_init__(self) -> None:
        _expect_zone("at", self.at)


@get("/v1/batches", opt=needs("batches:read", "The print batches", gives={200: Batches}))
async def all_of_them(rooms: Here) -> Response[bytes]:
    found = await rooms.db.read(printing.all_of_them)
    return answer(Batches(batches=tuple(_view(batch) for batch in found)))


@get("/v1/batches/{batch_id:str}", opt=needs("batches:read", "One print batch", gives={200: BatchView}))
async def one(batch_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(_view(await rooms.db.read(printing.get, batch_id)))


@post(
    "/v1/batches/{batch_id:str}/:close",
    opt=needs(
        "batches:write",
        "Gather no more into a batch; its files are written next, and it is exported then",
        gives={202: BatchView},
        refuses=("conflict",),
    ),
)
async def close(request: Call, batch_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(_view(await rooms.db.write_urgently(printing.close, batch_id, request.auth.client)), 202)


@post(
    "/v1/batches/{batch_id:str}/:cancel",
    opt=needs(
        "batches:write",
        "Throw away a batch that no print shop has; its sends are decided anew and go into another one",
        gives={200: BatchView},
        refuses=("conflict",),
    ),
)
async def cancel(request: Call, batch_id: InPath, rooms: Here) -> Response[bytes]:
    actor = request.auth.client
    return answer(_view(await rooms.db.write_urgently(printing.cancel, rooms.installation, batch_id, actor)))


@post(
    "/v1/batches/{batch_id:str}/:hand-over",
    opt=needs(
        "batches:write",
        "The print shop has the files: its pieces count as sent. Answers which must be pulled",
        takes=Handover,
        gives={200: HandedOverView},
        refuses=("conflict",),
    ),
)
async def hand_over(request: Call, batch_id: InPath, rooms: Here) -> Response[bytes]:
    said, actor = await read(request, Handover), request.auth.client
    done: HandedOver = await rooms.db.write_urgently(
        mailing.hand_over, rooms.installation, batch_id, said.mailing_at, actor
    )
    return answer(HandedOverView(batch=_view(done.batch), pull=done.pull))


@post(
    "/v1/batches/{batch_id:str}/:mailed",
    opt=needs(
        "batches:write",
        "The print shop has mailed parts of a batch: from now on the codes in them can be used",
        takes=Dispatch,
        gives={200: BatchView},
        refuses=("conflict",),
    ),
)
async def mailed(request: Call, batch_id: InPath, rooms: Here) -> Response[bytes]:
    said, actor = await read(request, Dispatch), request.auth.client
    return answer(
        _view(await rooms.db.write_urgently(mailing.mailed, rooms.installation, batch_id, said.parts, said.at, actor))
    )


@post(
    "/v1/batches/{batch_id:str}/parts/{part:str}/:void",
    opt=needs(
        "batches:write",
        "A part was lost before it was mailed: codes that are only on its paper are void, its sends failed",
        gives={200: BatchView},
        refuses=("conflict",),
    ),
)
async def void_part(request: Call, batch_id: InPath, part: InPath, rooms: Here) -> Response[bytes]:
    actor, number = request.auth.client, _number(part)
    done = await rooms.db.write_urgently(mailing.void_part, rooms.installation, batch_id, number, actor)
    return answer(_view(done))


def _number(part: str) -> int:
    if not _PART.fullmatch(part):
        raise NotFound(f"there is no part {part}")
    return int(part)


@get(
    "/v1/batches/{batch_id:str}/files/{name:str}",
    opt=needs(
        "batches:read",
        "One file of an exported batch",
        gives={200: bytes},
        gives_media_types=("application/octet-stream",),
    ),
)
async def file(batch_id: InPath, name: InPath, rooms: Here) -> File:
    batch = await rooms.db.read(printing.get, batch_id)
    if batch.files_removed_at is not None:
        raise NotFound(f"the files of batch {batch_id} were removed: {batch.files_removed_why}")
    found = next((each for each in batch.files if each.name == unquote(name)), None)
    # Only a name that the export wrote down is ever joined to the folder.
    path = Path(batch.folder) / found.name if batch.folder and batch.exported_at and found else None
    if found is None or path is None or not path.is_file():
        raise NotFound(f"batch {batch_id} has no such file")
    return File(path, filename=found.name, media_type=found.media_type, content_disposition_type="attachment")


def _view(batch: Batch) -> BatchView:
    return BatchView(
        id=batch.id,
        channel=batch.channel,
        job=batch.job_id,
        job_name=batch.job_name,
        step=batch.step,
        state=batch.state,
        opened_at=batch.opened_at,
        cut_off_at=batch.cut_off_at,
        closed_at=batch.closed_at,
        mailing_at=batch.mailing_at,
        exported_at=batch.exported_at,
        handed_over_at=batch.handed_over_at,
        mailed_at=batch.mailed_at,
        pieces=batch.pieces,
        printed=batch.printed,
        seeds=batch.seeds,
        pulled=batch.pulled,
        left_out=batch.left_out,
        parts=tuple(_part(part) for part in batch.parts),
        files=tuple(
            PrintFileView(
                name=each.name,
                media_type=each.media_type,
                records=each.records,
                bytes=each.bytes,
                sha256=each.sha256,
            )
            for each in batch.files
        ),
        files_removed_at=batch.files_removed_at,
        files_removed_why=batch.files_removed_why,
    )


def _part(part: printing.Part) -> PartView:
    return PartView(
        number=part.number,
        first_sequence=part.first_sequence,
        last_sequence=part.last_sequence,
        seeds=len(part.seeds),
        written_at=part.written_at,
        mailed_at=part.mailed_at,
        voided_at=part.voided_at,
    )


HANDLERS: Final[tuple[Any, ...]] = (
    all_of_them,
    one,
    close,
    cancel,
    hand_over,
    mailed,
    void_part,
    file,
)
