"""The website that offers push, beside a gateway. Its pages in a browser: tests/api/test_push_in_a_browser.py."""

import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import aiohttp
import pytest

START_S = 60


@pytest.mark.acceptance
async def test_the_website_and_its_gateway_start_together_and_end_together(tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "gateway.demo.push_site", "--folder", str(tmp_path / "site")]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    assert process.stdout is not None
    try:
        said = (await asyncio.wait_for(process.stdout.readline(), START_S)).decode()
        site, gateway = re.findall(r"http://[a-z0-9.:]+", said)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as visitor:
            async with visitor.get(site) as page:
                assert f"script-src 'self' {gateway};" in page.headers["Content-Security-Policy"]
                assert f'data-gateway="{gateway}"' in await page.text()
            async with visitor.get(f"{site}/risveglio-worker.js") as worker:
                assert f'importScripts("{gateway}/push/worker.js");' in await worker.text()
            async with visitor.post(f"{site}/token") as token:
                assert re.fullmatch(r"[\w-]{50,}", (await token.json())["token"])
            async with visitor.post(f"{site}/send") as sent:
                assert (await sent.json())["job"].startswith("job_")
        async with aiohttp.ClientSession() as stranger, stranger.post(f"{site}/token") as refused:
            assert refused.status == 403
    finally:
        process.send_signal(signal.SIGINT)
        ended = await asyncio.wait_for(process.wait(), START_S)
    assert ended == 0
