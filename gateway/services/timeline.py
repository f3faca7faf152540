"""Everything that happened to a person."""

from datetime import datetime
from typing import Any

from msgspec import Struct

from gateway.services.installation import Installation
from gateway.storage.database import Transaction


class Item(Struct, frozen=True, kw_only=True):
    at: datetime
    kind: str
    text: str
    job: str | None = None
    send: str | None = None
    data: dict[str, Any] = {}


class Timeline(Struct, frozen=True, kw_only=True):
    recipient: str
    items: tuple[Item, ...]


def of_recipient(tx: Transaction, installation: Installation, external_id: str) -> Timeline:
    raise NotImplementedError
