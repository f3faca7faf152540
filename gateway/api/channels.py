"""Channels: which can send, why others cannot, and the switch."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Literal

from litestar import Response, get, post
from msgspec import Meta, Struct

from gateway.api.answers import answer
from gateway.api.operations import needs
from gateway.api.rooms import Call, Here, InPath, Rooms
from gateway.contract import Capabilities, Part
from gateway.services.problems import Conflict, NotFound
from gateway.storage import channels, clock
from gateway.storage.database import Transaction
from gateway.storage.types import Record


class CapabilitiesView(Struct, frozen=True, kw_only=True):
    """What a channel can do."""

    address_kind: str
    parts: Mapping[str, Part]
    per_address: bool
    batched: bool
    idempotent: bool
    reports: tuple[str, ...]


class ChannelView(Struct, frozen=True, kw_only=True):
    """A channel named in `channels.toml`.

    `paused` keeps its sends queued, for `reason`; `broken` cannot be used before its settings
    are put right and the gateway is started again. `paced_until` is the provider's wish, on machine time.
    """

    kind: str
    state: Literal["ready", "paused", "broken"]
    reason: str | None = None
    paused_at: datetime | None = None
    paced_until: datetime | None = None
    source: str | None = None
    version: str | None = None
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
    installed = rooms.registry.ready.get(kind)
    if installed is None:
        return ChannelView(kind=kind, state="broken", reason=rooms.registry.broken[kind])
    is_paused = row is not None and row.paused_at is not None
    return ChannelView(
        kind=kind,
        state="paused" if is_paused else "ready",
        reason=row.reason if row else None,
        paused_at=row.paused_at if row else None,
        paced_until=row.paced_until if row else None,
        source=installed.source,
        version=installed.version,
        capabilities=_capabilities(installed.capabilities),
    )


def _capabilities(given: Capabilities) -> CapabilitiesView:
    return CapabilitiesView(
        address_kind=given.address_kind,
        parts=given.parts,
        per_address=given.per_address,
        batched=given.batched,
        idempotent=given.idempotent,
        reports=tuple(sorted(event.value for event in given.reports)),
    )


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
    return answer(_view(rooms, kind, await rooms.db.write_urgently(_pause, kind, request.auth.client)))


def _pause(tx: Transaction, kind: str, client: str) -> Record | None:
    channels.pause(tx, kind, f"paused by {client}", clock.now(tx).machine)
    return channels.get(tx, kind)


@post(
    "/v1/channels/{kind:str}/:resume",
    opt=needs(
        "channels:write",
        "Let a channel send again, also one that a fault has paused",
        gives={200: ChannelView},
        refuses=("conflict",),
    ),
)
async def resume(kind: InPath, rooms: Here) -> Response[bytes]:
    _expect_ready(rooms, kind)
    return answer(_view(rooms, kind, await rooms.db.write_urgently(_resume, kind)))


def _resume(tx: Transaction, kind: str) -> Record | None:
    channels.resume(tx, kind)
    return channels.get(tx, kind)


def _expect_ready(rooms: Rooms, kind: str) -> None:
    if kind in rooms.registry.broken:
        raise Conflict(
            f"the channel is broken: {rooms.registry.broken[kind]}; put it right and start the gateway again"
        )
    if kind not in rooms.registry.ready:
        raise NotFound(f"there is no channel {kind}")


HANDLERS: Final = (all_of_them, pause, resume)
