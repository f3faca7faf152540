"""What the handlers are given."""

from ipaddress import IPv4Network, IPv6Network
from typing import Final

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, SkipValidation
from msgspec import Struct, field

from gateway.api.in_flight import InFlight
from gateway.api.misses import Misses
from gateway.api.readings import Readings
from gateway.api.turnstile import Turnstile
from gateway.registry import Registry
from gateway.rendering import RenderPool
from gateway.services.installation import Installation
from gateway.services.keys import Caller
from gateway.services.meters import Meters
from gateway.settings import Server
from gateway.storage.database import Database


class Rooms(Struct, frozen=True, kw_only=True):
    """The parts of one gateway process. Built by `gateway.app`, and closed by it."""

    db: Database
    installation: Installation
    registry: Registry
    pool: RenderPool
    server: Server
    allow: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that are not the internet and may be connected to."""
    meters: Meters = field(default_factory=Meters)


Call = Request[None, Caller, State]
"""A request whose caller is known."""

Visit = Request[None, None, State]
"""A request from anybody."""

InPath = FromPath[str]
Here = NamedDependency[SkipValidation[Rooms]]
Working = NamedDependency[SkipValidation[InFlight]]
Missed = NamedDependency[SkipValidation[Misses]]
Counted = NamedDependency[SkipValidation[Turnstile]]
Latest = NamedDependency[SkipValidation[Readings]]

ONE_MEGABYTE: Final = 1024 * 1024
"""What a body may have where the route says nothing else."""
