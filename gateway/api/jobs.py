"""Jobs: handed in, looked at, paused and ended."""

import asyncio
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, get, post
from msgspec import Meta, Struct

from gateway.api.answers import answer, encoded, linked
from gateway.api.auth import demand
from gateway.api.cursors import PageQuery, cursor_of, place_of
from gateway.api.idempotent import REPLAYED, answer_once
from gateway.api.operations import needs
from gateway.api.previews import Preview, preview_of
from gateway.api.reading import CSV, query, read, read_body
from gateway.api.rooms import Call, Here, InPath, Rooms, Working
from gateway.api.views import JobPage, JobView, Rejects, RejectView, SendPage, SendView, job_view
from gateway.domain.ids import new_id
from gateway.domain.job import JobInput
from gateway.domain.states import State
from gateway.domain.words import SendKey
from gateway.services import accept, compose, control, preview, report, resolve, tabulate, weighing
from gateway.services.accept import Examined
from gateway.services.idempotent import Answer
from gateway.services.installation import Installation
from gateway.services.problems import Invalid, NotFound
from gateway.storage import jobs, recipients, sends
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job


class SendsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    state: State | None = None


class ReportQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: Annotated[Literal["json", "csv"], Meta(description="Stands above the Accept header")] | None = None


@post(
    "/v1/jobs",
    opt=needs(
        "jobs:write",
        "Hand in a job. Writing to people who never agreed needs jobs:transactional too",
        takes=JobInput,
        gives={201: JobView},
        needs_key=True,
        refuses=("in-progress", "key-reused"),
    ),
)
async def add(request: Call, rooms: Here, working: Working) -> Response[bytes]:
    body = await read_body(request, JobInput)
    _demand_transactional(request, rooms, body.value)
    examined = await _examined(rooms, body.value)
    public_id = new_id("job")

    def act(tx: Transaction) -> Answer:
        # Raised here and not before: a job that was accepted once is answered as it was then.
        if isinstance(examined, Invalid):
            raise examined
        job = accept.accept(tx, rooms.installation, request.auth.client, examined, public_id)
        return Answer(201, msgspec.json.encode(job_view(job)))

    answered = await answer_once(request, rooms, working, "POST /v1/jobs", body.fingerprint, act)
    job_id = msgspec.json.decode(answered.body, type=_Named).id
    location = {"Location": f"{rooms.installation.public_url}/v1/jobs/{job_id}"}
    return encoded(answered.body, answered.status, location | (REPLAYED if answered.replayed else {}))


class _Named(Struct):
    id: str


def _demand_transactional(request: Call, rooms: Rooms, job: JobInput) -> None:
    if accept.bypasses_consent(rooms.installation, job):
        demand(request.auth, "jobs:transactional")


async def _examined(rooms: Rooms, job: JobInput) -> Examined | Invalid:
    """In a thread: checking every template of a large job takes its time."""
    resolved = await rooms.db.read(resolve.in_job, rooms.installation.policies, job)
    try:
        examined = await asyncio.to_thread(accept.examine, rooms.installation, job, resolved)
    except Invalid as invalid:
        return invalid
    problems = await weighing.problems_of(rooms.registry, rooms.pool, rooms.installation, examined)
    return Invalid(problems) if problems else examined


@post(
    "/v1/jobs:preview",
    opt=needs(
        "jobs:write",
        "Count who a job would write to and why not to others, with samples. Sends and stores nothing",
        takes=JobInput,
        gives={200: Preview},
        refuses=("unavailable",),
    ),
)
async def look_ahead(request: Call, rooms: Here) -> Response[bytes]:
    job = await read(request, JobInput)
    _demand_transactional(request, rooms, job)
    examined = await _examined(rooms, job)
    if isinstance(examined, Invalid):
        raise examined
    forecast = await rooms.db.read(preview.preview, rooms.installation, request.auth.client, examined)
    return answer(await preview_of(rooms, examined, forecast))


@get("/v1/jobs", opt=needs("jobs:read", "The jobs, the newest first", query=PageQuery, gives={200: JobPage}))
async def page(request: Call, rooms: Here) -> Response[bytes]:
    asked, keys = query(request, PageQuery), rooms.installation.keys
    found = await rooms.db.read(jobs.page, place_of(keys, "jobs", asked.cursor, int), asked.limit + 1)
    shown, is_last = found[: asked.limit], len(found) <= asked.limit
    following = None if is_last else cursor_of(keys, "jobs", shown[-1].id)
    listed = JobPage(jobs=tuple(job_view(job) for job in shown), next=following)
    return answer(listed, headers=linked(rooms, "/v1/jobs", following, limit=asked.limit))


@get("/v1/jobs/{job_id:str}", opt=needs("jobs:read", "One job", gives={200: JobView}))
async def one(job_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(job_view(await rooms.db.read(_found, job_id)))


def _found(tx: Transaction, public_id: str) -> Job:
    job = jobs.get(tx, public_id)
    if job is None:
        raise NotFound(f"there is no job {public_id}")
    return job


_CHANGES: dict[str, Any] = {"gives": {200: JobView}, "refuses": ("conflict",)}


@post(
    "/v1/jobs/{job_id:str}/:pause",
    opt=needs("jobs:write", "Hand over nothing more of a job until it is resumed", **_CHANGES),
)
async def pause(request: Call, job_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(job_view(await rooms.db.write_urgently(control.pause, job_id, request.auth.client)))


@post("/v1/jobs/{job_id:str}/:resume", opt=needs("jobs:write", "Go on with a paused job", **_CHANGES))
async def resume(request: Call, job_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(job_view(await rooms.db.write_urgently(control.resume, job_id, request.auth.client)))


@post("/v1/jobs/{job_id:str}/:cancel", opt=needs("jobs:write", "End a job for good", **_CHANGES))
async def cancel(request: Call, job_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(job_view(await rooms.db.write_urgently(control.cancel, job_id, request.auth.client)))


@get(
    "/v1/jobs/{job_id:str}/report",
    opt=needs(
        "jobs:read",
        "What became of a job, whom it gave way to, and what it brought against those held out",
        query=ReportQuery,
        gives={200: report.JobReport},
        gives_media_types=("application/json", CSV),
    ),
)
async def show_report(request: Call, job_id: InPath, rooms: Here) -> Response[Any]:
    asked = query(request, ReportQuery).format
    found = await rooms.db.read(report.of_job, job_id)
    if asked == "csv" or (asked is None and CSV in request.headers.get("accept", "")):
        headers = {"Content-Disposition": f'attachment; filename="{found.id}.csv"', "Vary": "Accept"}
        return Response(tabulate.to_csv(found).encode(), media_type=CSV, headers=headers)
    return answer(found, headers={"Vary": "Accept"})


@get(
    "/v1/jobs/{job_id:str}/sends",
    opt=needs("jobs:read", "The sends of a job, one by one", query=SendsQuery, gives={200: SendPage}),
)
async def sends_of_job(request: Call, job_id: InPath, rooms: Here) -> Response[bytes]:
    asked = query(request, SendsQuery)
    found = await rooms.db.read(_sends, rooms.installation, job_id, asked)
    path, state = f"/v1/jobs/{job_id}/sends", asked.state and str(asked.state)
    return answer(found, headers=linked(rooms, path, found.next, state=state, limit=asked.limit))


def _sends(tx: Transaction, installation: Installation, public_id: str, asked: SendsQuery) -> SendPage:
    job = _found(tx, public_id)
    listing = f"sends of {job.id} {asked.state or ''}"
    after = place_of(installation.keys, listing, asked.cursor, tuple[int, int, int, str])
    rows = sends.page_of_job(tx, job.id, after, asked.limit + 1, [asked.state] if asked.state else ())
    shown, is_last = rows[: asked.limit], len(rows) <= asked.limit
    people = recipients.profiles(tx, [row.recipient_id for row in shown])
    last = None if is_last else (shown[-1].recipient_id, shown[-1].run, shown[-1].step, shown[-1].channel)
    return SendPage(
        sends=tuple(
            SendView(
                id=compose.send_id(installation, SendKey(*row[:5])),
                recipient=people[row.recipient_id].external_id,
                step=job.spec.steps[row.step].name,
                channel=row.channel,
                state=row.state,
                reason=row.reason,
                due_at=row.due_at,
                changed_at=row.changed_at,
            )
            for row in shown
        ),
        next=last and cursor_of(installation.keys, listing, last),
    )


@get(
    "/v1/jobs/{job_id:str}/rejects",
    opt=needs("jobs:read", "Who of the audience could not enter", gives={200: Rejects}),
)
async def rejects_of_job(job_id: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.read(_rejects, job_id))


def _rejects(tx: Transaction, public_id: str) -> Rejects:
    job = _found(tx, public_id)
    reasons = jobs.reject_counts(tx, job.id)
    return Rejects(
        rejects=tuple(
            RejectView(position=row.position, recipient=row.external_id, reason=row.reason)
            for row in jobs.rejects(tx, job.id)
        ),
        total=sum(reasons.values()),
        reasons=reasons,
    )


HANDLERS: Final = (add, look_ahead, page, one, pause, resume, cancel, show_report, sends_of_job, rejects_of_job)
