"""Channels: which can send, why others cannot, and the switch."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from litestar import Response, get, post
from msgspec import Meta, Struct, structs

from gateway.api.answers import answer
from gateway.api.operations import needs
from gateway.api.rooms import Call, Here, InPath, Rooms
from gateway.contract import Capabilities, Part
from gateway.registry import Setup
from gateway.registry.schema import table_schema
from gateway.services import channels as services
from gateway.services.problems import Conflict, NotFound
from gateway.storage import channels
from gateway.storage.types import Record


class CapabilitiesView(Struct, frozen=True, kw_only=True):
    """What a channel can do.

    `idempotent`: handed over twice, a message is delivered once. `reconciles`: it can ask the provider what became of
    a message. `receives`: people can write back. `listens`: it hears by other ways than calls. `reads_mail`: it
    understands bounces that come as mail. `window` is the most messages in one call, which takes `timeout_s` at most.
    """

    address_kind: str
    parts: Mapping[str, Part]
    per_address: bool
    batched: bool
    idempotent: bool
    reconciles: bool
    receives: bool
    listens: bool
    reads_mail: bool
    short_links: bool
    window: int
    timeout_s: float
    reports: tuple[str, ...]


class ChannelView(Struct, frozen=True, kw_only=True):
    """A channel named in `channels.toml`.

    `paused` keeps its sends queued, for `reason`; `held_by` says by whom. What a fault has paused comes back by
    itself: it is asked at `check_at` whether it is well. `resting` is a channel after too many `faults` in a row: at
    `paced_until` one message tries it out. Otherwise that is the provider's wish. All on machine time. `broken`
    cannot be used before its settings are put right and the gateway is started again.

    `provider` tells it from others of its kind; `keys` are set in its table (no value is ever shown); `brands` are the
    sender profiles that messages may be written as, and `published` is what anybody may know, such as a public key.
    """

    kind: str
    state: Literal["ready", "paused", "resting", "broken"]
    reason: str | None = None
    held_by: Literal["person", "fault", "restore"] | None = None
    paused_at: datetime | None = None
    check_at: datetime | None = None
    paced_until: datetime | None = None
    faults: int = 0
    source: str | None = None
    version: str | None = None
    provider: str | None = None
    keys: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    published: Mapping[str, str] = {}
    capabilities: CapabilitiesView | None = None


class Channels(Struct, frozen=True, kw_only=True):
    """All channels. `faults` is what else was found wrong with their code, by where it comes from."""

    channels: tuple[ChannelView, ...]
    faults: Annotated[Mapping[str, str], Meta(description="By source")]


@get("/v1/channels", opt=needs("channels:read", "All channels", gives={200: Channels}))
async def all_of_them(rooms: Here) -> Response[bytes]:
    rows = {row.channel: row for row in await rooms.db.read(channels.all_of_them)}
    kinds = sorted({*rooms.registry.ready, *rooms.registry.broken})
    views = tuple(_view(rooms, kind, rows.get(kind)) for kind in kinds)
    return answer(Channels(channels=views, faults=dict(rooms.registry.faults)))


def _view(rooms: Rooms, kind: str, row: Record | None) -> ChannelView:
    installed, setup = rooms.registry.ready.get(kind), rooms.registry.setups.get(kind, _UNKNOWN)
    if installed is None:
        return ChannelView(
            kind=kind, state="broken", reason=rooms.registry.broken[kind], provider=setup.provider, keys=setup.keys
        )
    view = ChannelView(
        kind=kind,
        state="ready",
        source=installed.source,
        version=installed.version,
        provider=setup.provider,
        keys=setup.keys,
        brands=tuple(sorted(installed.brands)),
        published=installed.published,
        capabilities=_capabilities(installed.capabilities),
    )
    return view if row is None else _with_state(view, row)


_UNKNOWN: Final = Setup(keys=())


def _with_state(view: ChannelView, row: Record) -> ChannelView:
    resting = "ready" if row.trying is None else "resting"
    return structs.replace(
        view,
        state=resting if row.paused_at is None else "paused",
        reason=row.reason,
        held_by=row.held_by,
        paused_at=row.paused_at,
        check_at=row.check_at,
        paced_until=row.paced_until,
        faults=row.faults,
    )


def _capabilities(given: Capabilities) -> CapabilitiesView:
    return CapabilitiesView(
        address_kind=given.address_kind,
        parts=given.parts,
        per_address=given.per_address,
        batched=given.batched,
        idempotent=given.idempotent,
        reconciles=given.reconciles,
        receives=given.receives,
        listens=given.listens,
        reads_mail=given.reads_mail,
        short_links=given.short_links,
        window=given.window,
        timeout_s=given.timeout_s,
        reports=tuple(sorted(event.value for event in given.reports)),
    )


@get(
    "/v1/channels/{kind:str}/schema",
    opt=needs("channels:read", "The JSON Schema of a channel's table in `channels.toml`", gives={200: dict[str, Any]}),
)
async def schema(kind: InPath, rooms: Here) -> Response[bytes]:
    setup = rooms.registry.setups.get(kind)
    if setup is None or setup.config_type is None:
        raise NotFound(f"there is no channel {kind}")
    return answer(table_schema(kind, setup.config_type, setup.provider))


@post(
    "/v1/channels/{kind:str}/:pause",
    opt=needs(
        "channels:write",
        "Hand over nothing more on a channel; what is queued stays queued",
        gives={200: ChannelView},
        refuses=("conflict",),
    ),
)
async def pause(request: Call, kind: InPath, rooms: Here) -> Response[bytes]:
    _expect_ready(rooms, kind)
    client = request.auth.client
    return answer(
        _view(rooms, kind, await rooms.db.write_urgently(services.pause, kind, f"paused by {client}", client))
    )


@post(
    "/v1/channels/{kind:str}/:resume",
    opt=needs(
        "channels:write",
        "Let a channel send again, also one that a fault has paused",
        gives={200: ChannelView},
        refuses=("conflict",),
    ),
)
async def resume(request: Call, kind: InPath, rooms: Here) -> Response[bytes]:
    _expect_ready(rooms, kind)
    return answer(_view(rooms, kind, await rooms.db.write_urgently(services.resume, kind, request.auth.client)))


def _expect_ready(rooms: Rooms, kind: str) -> None:
    if kind in rooms.registry.broken:
        raise Conflict(
            f"the channel is broken: {rooms.registry.broken[kind]}; put it right and start the gateway again"
        )
    if kind not in rooms.registry.ready:
        raise NotFound(f"there is no channel {kind}")


HANDLERS: Final = (all_of_them, schema, pause, resume)
