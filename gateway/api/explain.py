"""Why a person gets a job's messages, or does not."""

from typing import Final

from litestar import Response, get

from gateway.api.answers import answer
from gateway.api.operations import needs
from gateway.api.reading import external_id_in
from gateway.api.rooms import Here, InPath
from gateway.services import explain
from gateway.services.explain import Explained


@get(
    "/v1/jobs/{job_id:str}/explain/{recipient:str}",
    opt=needs(
        "recipients:read",
        "Why a person gets a job's messages or does not: what is on record, and the decision asked once more",
        gives={200: Explained},
    ),
)
async def why(job_id: InPath, recipient: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.read(explain.explain, rooms.installation, job_id, external_id_in(recipient)))


HANDLERS: Final = (why,)
