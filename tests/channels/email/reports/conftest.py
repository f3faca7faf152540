"""A channel that four providers report to."""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from channels.email import EmailChannel, EmailConfig
from gateway.contract import Context
from gateway.testkit.recorder import Recorder
from tests.channels.email.reports.callers import PASSWORD, SIGNING_KEY, TOPIC, Sendgrid, Sns, sns_running

NewSns = Callable[..., Sns]
Listening = Callable[..., EmailChannel]


@pytest.fixture(scope="session")
def _made() -> Sns:
    return Sns()


@pytest.fixture
async def sns(_made: Sns) -> AsyncIterator[Sns]:
    _made.asked, _made.status = [], 200
    async with sns_running(_made):
        yield _made


@pytest.fixture(scope="session")
def sendgrid() -> Sendgrid:
    return Sendgrid()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def tables(sendgrid: Sendgrid) -> dict[str, Any]:
    return {
        "ses": {"topics": [TOPIC]},
        "sendgrid": {"public_keys": [sendgrid.public_key]},
        "mailgun": {"signing_keys": [SIGNING_KEY]},
        "postmark": {"username": "postmark", "passwords": [PASSWORD]},
    }


@pytest.fixture
async def told(
    config: Callable[..., EmailConfig], tables: dict[str, Any], sns: Sns, recorder: Recorder, tmp_path: Path
) -> AsyncIterator[Listening]:
    """`told(mailgun={...})` is a channel to which these may report; all four unless it is said."""
    async with aiohttp.ClientSession() as http:

        def build(origin: str = re.escape(sns.url), **reports: Any) -> EmailChannel:
            class BesideSns(EmailChannel):
                sns_origin = origin

            context = Context(http=http, now=lambda: None, log=recorder.log, files=tmp_path, hook_url="")  # type: ignore[arg-type,return-value]
            return BesideSns(config(reports=reports or tables), context)

        yield build
