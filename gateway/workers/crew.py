"""What the workers of one process share."""

import os
import socket
from datetime import UTC, datetime, timedelta

from msgspec import Struct, field

from gateway.registry import Registry
from gateway.rendering import RenderPool
from gateway.services.installation import Installation
from gateway.services.meters import Meters
from gateway.settings import Worker
from gateway.storage.database import Database


class BusinessTime:
    """Business time as the latest claim of this process found it: channels are called with what was just claimed."""

    def __init__(self) -> None:
        self._offset = timedelta(0)

    def saw(self, business_now: datetime) -> None:
        self._offset = business_now - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset


class Crew(Struct, frozen=True, kw_only=True):
    """One process's share of the work. `name` is unique among all processes."""

    name: str
    db: Database
    installation: Installation
    registry: Registry
    pool: RenderPool
    settings: Worker
    time: BusinessTime
    meters: Meters = field(default_factory=Meters)

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.settings.lease_s)


def process_name() -> str:
    """Host, process and a little chance: a process that comes back under its old number is another one."""
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"
