"""Workers against a real SMTP server, in one process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog

from gateway.demo.receivers.journal import RECEIVED, read
from gateway.demo.receivers.processes import running
from gateway.demo.receivers.smtp import ReceivedMail
from gateway.domain.consent import ConsentRow
from gateway.domain.job import JobInput
from gateway.domain.policy import Policies
from gateway.domain.recipient import RecipientInput
from gateway.domain.tokens import KeyRing
from gateway.registry.registry import Loan, open_registry
from gateway.rendering import RenderPool
from gateway.services import accept, consent, people
from gateway.services.installation import Installation
from gateway.settings import Worker
from gateway.storage import clock, sends
from gateway.storage.database import Database
from gateway.workers import expander
from gateway.workers.crew import BusinessTime, Crew
from gateway.workers.deliverer import run_deliverer

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@contextlib.asynccontextmanager
async def crew_for(db: Database, tables: dict[str, dict[str, object]], tmp_path: Path) -> AsyncIterator[Crew]:
    time = BusinessTime()
    loan = Loan(
        now=time.now,
        log=structlog.get_logger(),
        files=tmp_path / "channels",
        hook_url=lambda kind: f"https://gateway.example.com/hooks/{kind}",
    )
    async with open_registry(tables, None, loan) as registry, RenderPool(processes=1) as pool:
        assert not registry.broken
        installation = Installation(
            policies=Policies(),
            keys=KeyRing(1, {1: b"k" * 32}, b"p" * 32),
            channels={kind: installed.capabilities for kind, installed in registry.ready.items()},
            public_url="https://gateway.example.com",
        )
        yield Crew(
            name="test",
            db=db,
            installation=installation,
            registry=registry,
            pool=pool,
            settings=Worker(poll_s=0.05),
            time=time,
        )


def prepare(db: Database, crew: Crew, count: int) -> None:
    with db.transaction() as tx:
        clock.move(tx, NOW)
        for n in range(count):
            raw = {
                "id": f"c-{n}",
                "name": f"Žofia {n} Иван",
                "addresses": [{"kind": "email", "value": f"c{n}@example.com"}],
            }
            people.put(tx, crew.installation, msgspec.convert(raw, RecipientInput))
        rows = [
            ConsentRow(
                recipient=f"c-{n}", channel="email", purpose="marketing", action="granted", at=NOW, source="form"
            )
            for n in range(count)
        ]
        consent.record(tx, crew.installation, rows, "test")
        content = {
            "email": {
                "en": {
                    "subject": "Hi {{ recipient.name }}",
                    "text": "{{ track('https://shop.example.com/') }} {{ unsubscribe_url }}",
                }
            }
        }
        job = {
            "name": "wake",
            "purpose": "marketing",
            "audience": {"kind": "matching", "where": {"op": "everyone"}},
            "steps": [{"name": "one", "channels": ["email"], "content": content}],
        }
        examined = accept.examine(crew.installation, msgspec.convert(job, JobInput))
        accept.accept(tx, crew.installation, "me", examined, "job_x")


async def test_every_recipient_gets_one_mail(db: Database, tmp_path: Path) -> None:
    async with running("smtp", tmp_path / "smtp") as receiver:
        tables = {
            "email": {"host": "127.0.0.1", "port": receiver.port, "tls": "none", "from_address": "shop@example.com"}
        }
        async with crew_for(db, tables, tmp_path) as crew:
            prepare(db, crew, 300)
            while await expander.expand_jobs(crew):
                pass
            stop = asyncio.Event()
            delivery = asyncio.create_task(run_deliverer(crew, "email", stop))
            async with asyncio.timeout(60):
                while True:
                    with db.snapshot() as tx:
                        counts = {(row.state, row.reason): row.count for row in sends.counts(tx, 1)}
                    if counts == {("accepted", None): 300}:
                        break
                    await asyncio.sleep(0.1)
            stop.set()
            await delivery
        mails = read(receiver.folder / RECEIVED, ReceivedMail)
        assert len(mails) == 300
        assert len({mail.message_id for mail in mails}) == 300
        assert len({mail.rcpt_tos[0] for mail in mails}) == 300
        assert all(mail.one_click for mail in mails)
