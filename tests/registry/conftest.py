from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.registry import Loan
from gateway.testkit.recorder import Recorder
from gateway.testkit.samples import NOW


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def loan(recorder: Recorder, tmp_path: Path) -> Loan:
    return Loan(
        now=lambda: NOW,
        log=recorder.log,
        files=tmp_path / "files",
        hook_url=lambda kind: f"https://gateway.example/hooks/{kind}",
    )


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
