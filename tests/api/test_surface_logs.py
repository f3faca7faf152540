"""No log names anybody or gives a secret away, at the level at which everything is said."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from litestar.routes import HTTPRoute
from structlog.testing import LogCapture

from gateway.api.operations import PLACE, Operation
from gateway.contract import OutcomeUnknown
from gateway.services import preferences
from gateway.storage import recipients
from tests.api.house import PUBLIC_URL, House, signature

CANARY = "canary-7f3a"
PERSON = "canary-7f3a-Шура"
PROFILE: dict[str, Any] = {
    "name": PERSON,
    "attributes": {CANARY: PERSON},
    "addresses": [
        {"kind": "email", "value": f"{CANARY}@example.com"},
        {"kind": "phone", "value": "+12025550142"},
        {"kind": "postal", "data": {"name": PERSON, "street": f"Via {CANARY} 1", "postcode": "20121",
                                    "city": CANARY, "country": "IT"}},
    ],
}  # fmt: skip
HEADERS = {"User-Agent": CANARY, "Idempotency-Key": CANARY, "X-Signature": CANARY, "Cookie": CANARY}


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture) -> Iterator[LogCapture]:
    """Every event of ours, and of libraries what the settings let through: warnings and worse."""
    capture, before = LogCapture(), structlog.get_config()
    structlog.configure(processors=[capture], wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    caplog.set_level(logging.WARNING)
    yield capture
    structlog.configure(**before)


def routes(house: House) -> list[tuple[str, str, Operation | None]]:
    return [
        (str(method), route.path_format.replace("/:", ":"), handler.opt.get(PLACE))
        for route in house.app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if str(method) != "OPTIONS"
    ]


async def test_what_is_sent_to_any_route_stays_out_of_the_logs(
    house: House, logs: LogCapture, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    bodies: list[tuple[bytes, str]] = [
        (b'{"' + CANARY.encode() + b'": "' + PERSON.encode() + b'"}', "application/json"),
        (PERSON.encode() + b"\xff\0", "application/json"),
        (b'{"id": "' + CANARY.encode() + b'"}\n', "application/x-ndjson"),
        (f"id,{CANARY}\n{PERSON}\n".encode(), "text/csv"),
        (f"do={CANARY}".encode(), "application/x-www-form-urlencoded"),
    ]
    capfd.readouterr()
    async with house.client("admin") as client:
        for method, path, _ in routes(house):
            url = re.sub(r"\{[^}]*\}", CANARY, path)
            for body, media_type in bodies if method in ("POST", "PUT") else [(b"", "")]:
                headers = HEADERS | ({"Content-Type": media_type} if media_type else {})
                answer = await client.request(method, f"{url}?q={CANARY}", content=body, headers=headers)
                assert answer.status_code < 500, (method, path)
    expect_silence(logs, caplog, capfd, CANARY, "Шура")


async def test_what_people_are_and_do_stays_out_of_the_logs(
    house: House, logs: LogCapture, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    secrets = [f"{CANARY}", "Шура", "12025550142"]
    capfd.readouterr()
    async with house.client("admin") as client:
        secrets += [client.headers["authorization"].removeprefix("Bearer ")]
        secrets += await _lived(house, client)
    assert "hook.bad_signature" in [each["event"] for each in logs.entries]
    expect_silence(logs, caplog, capfd, *secrets)


async def _lived(house: House, client: httpx.AsyncClient) -> list[str]:
    """A life with everything in it. Returns the secrets that were handed out on the way."""
    keyed = {"Idempotency-Key": CANARY}
    consent = {"recipient": CANARY, "channel": "email", "purpose": "marketing", "action": "granted",
               "at": "2026-11-01T10:00:00Z", "source": PERSON, "evidence": {"ip": CANARY}}  # fmt: skip
    assert (await client.put(f"/v1/recipients/{CANARY}", json=PROFILE)).status_code == 201
    assert (await client.put("/v1/recipients/other", json={"name": PERSON})).status_code == 201
    assert (await client.put("/v1/recipients/else", json=PROFILE)).status_code == 422
    assert (await client.post("/v1/consents", json=consent)).status_code == 201
    made = (await client.post("/v1/webhooks", json={"url": f"https://{CANARY}.example.com/"})).json()
    rotated = (await client.post(f"/v1/webhooks/{made['endpoint']['id']}:rotate")).json()
    house.accept()
    [message] = house.send_all(OutcomeUnknown("timeout", f"no answer about {CANARY}"))
    hook = f"{PUBLIC_URL}/hooks/email/{message.id}"
    body = f'{{"type": "bounced", "id": "1", "provider_id": "{CANARY}"}}'.encode()
    assert (await client.post(hook, content=body, headers={"X-Signature": CANARY})).status_code == 403
    [doubt] = (await client.get("/v1/doubts")).json()["doubts"]
    assert (await client.post(f"/v1/sends/{doubt['send']}:settle", json={"as": "sent"})).status_code == 200
    signed = {"X-Signature": signature(hook, body)}
    assert (await client.post(hook, content=body, headers=signed)).status_code == 204
    asked = {"recipient": CANARY, "channel": "email", "purposes": ["marketing"], "source": PERSON}
    assert (await client.post("/v1/consents:request", json=asked, headers=keyed)).status_code == 201
    with house.db.snapshot() as tx:
        person = recipients.ids_of(tx, [CANARY])[CANARY]
    links = [preferences.url_of(house.installation, person), message.unsubscribe_url or "",
             f"{PUBLIC_URL}/o/{house.installation.keys.sign_id('opt_in', 1)}"]  # fmt: skip
    for link in links:
        form = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": CANARY}
        assert (await client.post(link, content=b"do=stop", headers=form)).status_code == 200
    for rest in ("", "/export", "/timeline", "/consents", "/preferences"):
        assert (await client.get(f"/v1/recipients/{CANARY}{rest}")).status_code == 200
    assert (await client.get(f"/v1/jobs/job_a/explain/{CANARY}")).status_code == 200
    assert (await client.post("/v1/recipients/other:merge", json={"into": CANARY})).status_code == 200
    assert (await client.post(f"/v1/recipients/{CANARY}:erase", headers=keyed)).status_code == 200
    tokens = [link.rpartition("/")[2] for link in links]
    return [made["secret"], rotated["secret"], message.id, *tokens]


def expect_silence(
    logs: LogCapture, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], *secrets: str
) -> None:
    written = capfd.readouterr()
    heard = f"{logs.entries}{caplog.text}{written.out}{written.err}"
    assert [secret for secret in secrets if secret in heard] == []
