"""A house whose channel is the real one for post."""

from pathlib import Path
from typing import Any

import msgspec
import structlog

from channels.postal import PostalChannel
from gateway.api.application import build
from gateway.contract import Context
from gateway.registry import Guarded, Installed, Registry
from tests.api.house import NOW, House

TABLE = {"sender_name": "Bottega Esempio", "sender_address": ["Via Esempio 9", "00100 Roma"], "sender_country": "IT"}


def let_print(house: House, files: Path) -> House:
    """The same house, with paper as its only channel and the offer `w15`."""
    log: Any = structlog.get_logger()
    context = Context(http=None, now=lambda: NOW, log=log, files=files, hook_url="")  # type: ignore[arg-type]
    channel = PostalChannel(msgspec.convert(TABLE, PostalChannel.config_type), context)
    guarded = Guarded(channel, log)
    installed = Installed(
        kind="postal",
        capabilities=channel.capabilities,
        source="tests",
        version="1",
        channel=guarded,
        published=guarded.published,
    )
    replace = msgspec.structs.replace
    house.installation = replace(house.installation, channels={"postal": channel.capabilities})
    registry = Registry(ready={"postal": installed}, broken={}, faults={})
    house.rooms = replace(house.rooms, installation=house.installation, registry=registry)
    house.app = build(house.rooms)
    house.add_offer(valid_for="PT72H")
    return house
