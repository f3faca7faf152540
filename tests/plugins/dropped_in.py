"""Our own plugins, loaded from the folder as the gateway does it, and opened before a provider on this machine."""

import importlib
import re
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp

from gateway.contract import Context, Outbound, Outcome
from gateway.registry.configuration import decode
from gateway.registry.dropins import DropIn, load
from gateway.testkit import NOW
from gateway.testkit.recorder import Recorder

PLUGINS = Path(__file__).parents[2] / "plugins"


def loaded(name: str) -> ModuleType:
    """The plugin's package; `kit_of` finds its kit."""
    return load(DropIn(path=PLUGINS / name, source=f"plugins/{name}"))


def kit_of(plugin: ModuleType) -> ModuleType:
    return importlib.import_module(f"{plugin.__name__}.kit")


def documented(plugin: ModuleType, values: Mapping[str, str]) -> list[dict[str, Any]]:
    """The tables that the plugin's documentation shows, with the variables in them filled in."""
    told = re.findall(r"(?:^    .+\n|^\n(?=    ))+", plugin.__doc__ or "", re.MULTILINE)
    texts = (re.sub(r"^    ", "", each, flags=re.MULTILINE) for each in told if "[channels." in each)
    return [tomllib.loads(re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text))["channels"] for text in texts]


@asynccontextmanager
async def opened(channel: Any, table: Mapping[str, Any], folder: Path, log: Any = None) -> AsyncIterator[Any]:
    """The channel with this table, opened and closed again."""
    async with aiohttp.ClientSession() as http:
        context = Context(
            http=http,
            now=lambda: NOW,
            log=log or Recorder().log,
            files=folder,
            hook_url=f"https://gateway.example/hooks/{channel.kind}",
        )
        ready = channel(decode(channel.kind, table, channel.config_type), context)
        await ready.open()
        try:
            yield ready
        finally:
            await ready.close()


async def sent(channel: Any, *batch: Outbound) -> list[Outcome]:
    """What became of each, in order."""
    told = {outcome.message_id: outcome async for outcome in channel.send(batch)}
    return [told[message.id] for message in batch]
