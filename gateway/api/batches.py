"""Print batches."""

from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from litestar import Response, get, post
from litestar.response import File
from msgspec import Struct

from gateway.api.answers import answer
from gateway.api.operations import needs
from gateway.api.reading import read
from gateway.api.rooms import Call, Here, InPath
from gateway.services import printing
from gateway.services.printing import Batch, HandedOver
from gateway.services.problems import NotFound


class PrintFileView(Struct, frozen=True, kw_only=True):
    """A file for the print shop. `records` counts the pieces in it."""

    name: str
    media_type: str
    records: int
    bytes: int
    sha256: str


class BatchView(Struct, frozen=True, kw_only=True):
    """A batch. `pieces` were gathered, `printed` have a sequence number."""

    id: str
    channel: str
    job: str
    job_name: str
    state: str
    opened_at: datetime
    mailing_at: datetime
    exported_at: datetime | None
    handed_over_at: datetime | None
    pieces: int
    printed: int
    files: tuple[PrintFileView, ...]


class Batches(Struct, frozen=True, kw_only=True):
    """The newest batches first."""

    batches: tuple[BatchView, ...]


class Handover(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the print shop mails; as planned where left out."""

    mailing_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.mailing_at is not None and self.mailing_at.tzinfo is None:
            raise ValueError("mailing_at: needs a time zone, such as 2026-05-01T10:00:00Z")


class HandedOverView(Struct, frozen=True, kw_only=True):
    """The batch, and the sequence numbers that must be taken out of it before mailing."""

    batch: BatchView
    pull: tuple[int, ...]


@get("/v1/batches", opt=needs("batches:write", "The print batches", gives={200: Batches}))
async def all_of_them(rooms: Here) -> Response[bytes]:
    found = await rooms.db.read(printing.all_of_them)
    return answer(Batches(batches=tuple(_view(batch) for batch in found)))


@get("/v1/batches/{batch_id:str}", opt=needs("batches:write", "One print batch", gives={200: BatchView}))
async def one(batch_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(_view(await rooms.db.read(printing.get, batch_id)))


@post(
    "/v1/batches/{batch_id:str}/:export",
    opt=needs(
        "batches:write",
        "Close a batch; its files are written next, and it is exported then",
        gives={202: BatchView},
        refuses=("conflict",),
    ),
)
async def export(batch_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(_view(await rooms.db.write_urgently(printing.close, batch_id)), 202)


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
    said = await read(request, Handover)
    done: HandedOver = await rooms.db.write_urgently(printing.hand_over, rooms.installation, batch_id, said.mailing_at)
    return answer(HandedOverView(batch=_view(done.batch), pull=done.pull))


@get(
    "/v1/batches/{batch_id:str}/files/{name:str}",
    opt=needs(
        "batches:write",
        "One file of an exported batch",
        gives={200: bytes},
        gives_media_types=("application/octet-stream",),
    ),
)
async def file(batch_id: InPath, name: InPath, rooms: Here) -> File:
    batch = await rooms.db.read(printing.get, batch_id)
    found = next((each for each in _files(batch) if each.name == unquote(name)), None)
    # Only a name that the export wrote down is ever joined to the folder.
    path = Path(batch.folder) / found.name if batch.folder and found else None
    if found is None or path is None or not path.is_file():
        raise NotFound(f"batch {batch_id} has no such file")
    return File(path, filename=found.name, media_type=found.media_type, content_disposition_type="attachment")


def _view(batch: Batch) -> BatchView:
    return BatchView(
        id=batch.id,
        channel=batch.channel,
        job=batch.job_id,
        job_name=batch.job_name,
        state=batch.state,
        opened_at=batch.opened_at,
        mailing_at=batch.mailing_at,
        exported_at=batch.exported_at,
        handed_over_at=batch.handed_over_at,
        pieces=batch.pieces,
        printed=batch.printed,
        files=_files(batch),
    )


def _files(batch: Batch) -> tuple[PrintFileView, ...]:
    return tuple(
        PrintFileView(
            name=each["name"],
            media_type=each["media_type"],
            records=each["records"],
            bytes=each["bytes"],
            sha256=each["sha256"],
        )
        for each in batch.files
    )


HANDLERS: Final[tuple[Any, ...]] = (all_of_them, one, export, hand_over, file)
