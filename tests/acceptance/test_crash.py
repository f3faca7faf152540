"""Real processes, a real mail server, and workers that are killed in the middle of their work."""

import asyncio
from collections import Counter
from pathlib import Path

import httpx
import msgspec
import pytest

from gateway.demo.receivers.journal import RECEIVED, read
from gateway.demo.receivers.processes import Receiver, running
from gateway.demo.receivers.smtp import ReceivedMail
from gateway.storage.database import Database
from tests.acceptance.processes import Installation, installation

pytestmark = pytest.mark.acceptance

PEOPLE = 400
FINAL = {"accepted", "in_doubt", "skipped"}

CHANNELS = """
[channels.email]
host = "127.0.0.1"
port = {port}
tls = "none"
from_address = "shop@example.com"
timeout_s = 4.0
connections = 2
"""
POLICIES = """
[[caps]]
name = "one-a-week"
max = 1
window = "P7D"
"""


def job(name: str) -> dict[str, object]:
    return {
        "name": name,
        "purpose": "marketing",
        "audience": {"kind": "matching", "where": {"op": "everyone"}},
        "over_cap": "skip",
        "steps": [
            {
                "name": "one",
                "channels": ["email"],
                "content": {"email": {"en": {"subject": f"{name} for {{{{ recipient.name }}}}", "text": "Come back."}}},
            }
        ],
    }


def lines(*rows: dict[str, object]) -> bytes:
    return b"\n".join(msgspec.json.encode(row) for row in rows)


async def fill(client: httpx.AsyncClient) -> None:
    people = [
        {"id": f"c-{n}", "name": f"Łucja {n}", "addresses": [{"kind": "email", "value": f"c{n}@example.com"}]}
        for n in range(PEOPLE)
    ]
    grant = {"channel": "email", "purpose": "marketing", "action": "granted", "source": "form"}
    consents = [{"recipient": f"c-{n}", "at": "2026-01-01T00:00:00Z", **grant} for n in range(PEOPLE)]
    for noun, rows in (("recipients", people), ("consents", consents)):
        answer = await client.post(
            f"/v1/{noun}:bulk", content=lines(*rows), headers={"Content-Type": "application/x-ndjson"}
        )
        assert answer.json()["errors"] == [], answer.text


def states(db: Database) -> list[tuple[str, int, str, str | None]]:
    """(recipient, job, state, reason) of the whole ledger."""
    with db.snapshot() as tx:
        query = (
            "SELECT r.external_id, s.job_id, s.state, s.reason FROM sends s JOIN recipients r ON r.id = s.recipient_id"
        )
        return [tuple(row) for row in tx.exec_driver_sql(query)]


async def mails(receiver: Receiver, at_least: int) -> None:
    async with asyncio.timeout(60):
        while len(read(receiver.folder / RECEIVED, ReceivedMail)) < at_least:
            await asyncio.sleep(0.02)


async def settled(db: Database, expected: int) -> list[tuple[str, int, str, str | None]]:
    async with asyncio.timeout(120):
        while True:
            found = await asyncio.to_thread(states, db)
            if len(found) == expected and {state for _, _, state, _ in found} <= FINAL:
                return found
            await asyncio.sleep(0.3)


async def kill_in_mid_job(place: Installation, receiver: Receiver) -> None:
    """Two workers share the work; one is killed, then its successor, each after some more mails."""
    await place.start("worker")
    for target in (60, 150):
        victim = await place.start("worker")
        await mails(receiver, target)
        victim.kill()
        await victim.wait()
    await place.start("worker")


async def test_killed_workers_lose_nobody_and_repeat_nothing(
    db: Database, database_url: str, tmp_path: Path, unused_tcp_port: int
) -> None:
    async with (
        running("smtp", tmp_path / "smtp") as receiver,
        installation(tmp_path / "gateway", database_url, unused_tcp_port) as place,
    ):
        place.write("channels.toml", CHANNELS.format(port=receiver.port))
        place.write("policies.toml", POLICIES)
        place.append("gateway.toml", "\n")
        text = (place.config / "gateway.toml").read_text()
        place.write("gateway.toml", text.replace("[worker]", "[worker]\npoll_s = 0.1\nlease_s = 6\ndrain_s = 5"))
        token = (await place.run("key", "create", "shop", "--scope", "admin")).strip()
        await place.start("api")
        await place.start("clock")
        await place.wait_for_api()
        async with httpx.AsyncClient(
            base_url=place.url, headers={"Authorization": f"Bearer {token}"}, timeout=60
        ) as client:
            await fill(client)
            for name in ("first", "second"):
                answer = await client.post("/v1/jobs", json=job(name), headers={"Idempotency-Key": name})
                assert answer.status_code == 201, answer.text
            try:
                await kill_in_mid_job(place, receiver)
                ledger = await settled(db, 2 * PEOPLE)
            except TimeoutError:
                pytest.fail(f"{Counter(state for _, _, state, _ in states(db))}\n{place.logs()}")
        assert await place.stop() == [0] * 4

        _check(ledger, read(receiver.folder / RECEIVED, ReceivedMail))


def _check(ledger: list[tuple[str, int, str, str | None]], received: list[ReceivedMail]) -> None:
    taken = Counter(recipient for recipient, _, state, _ in ledger if state in ("accepted", "in_doubt"))
    assert set(taken.values()) == {1}, "the cap of one a week holds across both jobs"
    assert len(taken) == PEOPLE
    assert {reason for _, _, state, reason in ledger if state == "skipped"} == {"cap:one-a-week"}

    got = Counter(mail.rcpt_tos[0].partition("@")[0].replace("c", "c-") for mail in received)
    in_doubt = {recipient for recipient, _, state, _ in ledger if state == "in_doubt"}
    assert {recipient for recipient, count in got.items() if count > 1} == set()
    assert set(taken) - set(got) <= in_doubt
    assert len(in_doubt) <= 2 * 50, "only windows in flight can be in doubt"
