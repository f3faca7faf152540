"""Templates: written in versions, approved, put away."""

import asyncio
from typing import Final

from litestar import Response, get, post
from msgspec import Struct

from gateway.api.answers import answer, linked
from gateway.api.cursors import PageQuery, cursor_of, place_of
from gateway.api.operations import needs
from gateway.api.reading import query, read
from gateway.api.rooms import Call, Here, InPath
from gateway.domain.library import NextVersionInput, TemplateInput
from gateway.domain.words import ChannelName
from gateway.services import templates
from gateway.services.problems import NotFound
from gateway.services.templates import Template, TemplateWithVersions, Version, WholeVersion


class TemplatesQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    channel: ChannelName | None = None
    archived: bool = False
    """Whether the archived ones are listed, too."""


class Templates(Struct, frozen=True, kw_only=True):
    """Some templates by their keys. `next` is the cursor of the page that follows."""

    templates: tuple[Template, ...]
    next: str | None


@post(
    "/v1/templates",
    opt=needs(
        "templates:write",
        "Make a template with its first version. The same again changes nothing",
        takes=TemplateInput,
        gives={200: WholeVersion, 201: WholeVersion},
        refuses=("conflict",),
    ),
)
async def make(request: Call, rooms: Here) -> Response[bytes]:
    wanted = await read(request, TemplateInput)
    await asyncio.to_thread(templates.examine, rooms.installation, wanted.channel, wanted)
    written = await rooms.db.write_urgently(templates.make, request.auth.client, wanted)
    location = {"Location": f"{rooms.installation.public_url}/v1/templates/{wanted.key}"}
    return answer(written.version, 201 if written.is_new else 200, location)


@get("/v1/templates", opt=needs("templates:read", "The templates", query=TemplatesQuery, gives={200: Templates}))
async def page(request: Call, rooms: Here) -> Response[bytes]:
    asked, keys = query(request, TemplatesQuery), rooms.installation.keys
    after = place_of(keys, "templates", asked.cursor, str)
    found = await rooms.db.read(templates.page, after, asked.limit + 1, channel=asked.channel, archived=asked.archived)
    shown, is_last = found[: asked.limit], len(found) <= asked.limit
    following = None if is_last else cursor_of(keys, "templates", shown[-1].key)
    more = {"channel": asked.channel, "archived": "true" if asked.archived else None, "limit": asked.limit}
    return answer(
        Templates(templates=tuple(shown), next=following), headers=linked(rooms, "/v1/templates", following, **more)
    )


@get(
    "/v1/templates/{key:str}",
    opt=needs("templates:read", "One template with its versions", gives={200: TemplateWithVersions}),
)
async def one(key: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.read(templates.whole, key))


@post(
    "/v1/templates/{key:str}/versions",
    opt=needs(
        "templates:write",
        "Add a version, after the latest that its author has seen. What that one says already makes no new one",
        takes=NextVersionInput,
        gives={200: WholeVersion, 201: WholeVersion},
        refuses=("conflict",),
    ),
)
async def add_version(request: Call, key: InPath, rooms: Here) -> Response[bytes]:
    wanted = await read(request, NextVersionInput)
    template = await rooms.db.read(templates.get, key)
    await asyncio.to_thread(templates.examine, rooms.installation, template.channel, wanted)
    written = await rooms.db.write_urgently(templates.add_version, request.auth.client, key, wanted)
    location = {"Location": f"{rooms.installation.public_url}/v1/templates/{key}/versions/{written.version.number}"}
    return answer(written.version, 201 if written.is_new else 200, location)


@get(
    "/v1/templates/{key:str}/versions/{number:str}",
    opt=needs("templates:read", "One version with its sources", gives={200: WholeVersion}),
)
async def one_version(key: InPath, number: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.read(templates.version, key, number_in(key, number)))


def number_in(key: str, routed: str) -> int:
    """A version's number in a path. Raises NotFound for what cannot be one."""
    if routed.isascii() and routed.isdecimal() and 0 < int(routed[:9]) <= 32_767 and len(routed) < 9:
        return int(routed)
    raise NotFound(f"there is no version {routed[:20]} of {key}; they are numbered from 1")


@post(
    "/v1/templates/{key:str}/versions/{number:str}/:approve",
    opt=needs(
        "templates:approve",
        "Let a version be sent where approval is asked for",
        gives={200: Version},
        refuses=("conflict",),
    ),
)
async def approve(request: Call, key: InPath, number: InPath, rooms: Here) -> Response[bytes]:
    policies, client = rooms.installation.policies, request.auth.client
    return answer(await rooms.db.write_urgently(templates.approve, policies, key, number_in(key, number), client))


@post(
    "/v1/templates/{key:str}/:archive",
    opt=needs("templates:write", "Let no new job use a template; accepted ones go on", gives={200: Template}),
)
async def archive(request: Call, key: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.write_urgently(templates.archive, key, request.auth.client))


@post(
    "/v1/templates/{key:str}/:restore",
    opt=needs("templates:write", "Let an archived template be used again", gives={200: Template}),
)
async def restore(request: Call, key: InPath, rooms: Here) -> Response[bytes]:
    return answer(await rooms.db.write_urgently(templates.restore, key, request.auth.client))


HANDLERS: Final = (make, page, one, add_version, one_version, approve, archive, restore)
