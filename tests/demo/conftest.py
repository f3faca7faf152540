"""Starting the receivers as the demonstration does: as processes of their own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.demo.receivers.processes import Name, Receiver, running


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Receiver]]]:
    """`await start("smtp", "--disconnect-after-dot=2")`; everything is stopped at the end."""
    async with AsyncExitStack() as stack:

        async def start_one(name: Name, *options: str) -> Receiver:
            return await stack.enter_async_context(running(name, tmp_path / name, *options))

        yield start_one
