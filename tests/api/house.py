"""The API on a real database, called over ASGI, with callers of every scope."""

import hmac
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import structlog
from litestar import Litestar

from gateway.api.application import build
from gateway.api.rooms import Rooms
from gateway.contract import (
    BadSignature,
    BadWebhook,
    Capabilities,
    EventType,
    Failure,
    Heard,
    OneByOne,
    Outbound,
    Outcome,
    Part,
    ProviderEvent,
    TransientFailure,
    WebhookAnswer,
    WebhookRequest,
)
from gateway.domain.consent import ConsentRow
from gateway.domain.job import JobInput
from gateway.domain.offer import Offer
from gateway.domain.policy import Policies
from gateway.domain.recipient import RecipientInput
from gateway.domain.tokens import KeyRing
from gateway.registry import Guarded, Installed, Registry
from gateway.rendering import RenderPool
from gateway.services import accept, claim, compose, consent, expand, keys, people, record
from gateway.services.installation import Installation
from gateway.settings import Server
from gateway.storage import clock, offers
from gateway.storage.database import Database, Transaction

PUBLIC_URL = "https://gateway.example.com"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MOST_BYTES = 4 * 1024 * 1024
SECRET = "a secret of the provider"

TEXTS = Capabilities(
    address_kind="email",
    parts={"subject": Part(kind="line"), "text": Part(kind="text")},
    reports=frozenset({EventType.DELIVERED, EventType.BOUNCED}),
)
PAPER = Capabilities(address_kind="postal", parts={"text": Part(kind="text")}, batched=True)


class Post(OneByOne):
    """A channel whose provider reports in JSON, signed with a shared secret over URL and body."""

    kind = "email"
    api = 1
    config_type = msgspec.Struct
    capabilities = TEXTS

    def verify(self, request: WebhookRequest) -> None:
        wanted = signature(request.url, request.body)
        if not hmac.compare_digest(wanted, request.headers.get("x-signature", "")):
            raise BadSignature

    async def answer(self, request: WebhookRequest) -> WebhookAnswer | None:
        challenge = dict(request.query).get("challenge")
        if challenge == "later":
            raise TransientFailure("away", "who would know the answer is away")
        return None if challenge is None else WebhookAnswer(body=challenge)

    def parse(self, request: WebhookRequest) -> Sequence[Heard]:
        if request.method == "GET":
            return []
        try:
            told = msgspec.json.decode(request.body, type=dict[str, str])
        except msgspec.DecodeError:
            raise BadWebhook("not JSON") from None
        return [
            ProviderEvent(
                type=EventType(told["type"]),
                event_id=told["id"],
                message_id=request.message_id,
                provider_id=told.get("provider_id"),
            )
        ]


def signature(url: str, body: bytes) -> str:
    return hmac.digest(SECRET.encode(), url.encode() + body, "sha256").hex()


def installed(kind: str, capabilities: Capabilities, base: type[Post] = Post) -> Installed:
    channel = type("Channel", (base,), {"kind": kind, "capabilities": capabilities})(None, None)
    guarded = Guarded(channel, structlog.get_logger())
    return Installed(
        kind=kind,
        capabilities=capabilities,
        brands=guarded.brands,
        published=guarded.published,
        source="tests",
        version="1",
        channel=guarded,
    )


class House:
    """An installation with its API, and short ways to fill it."""

    def __init__(self, db: Database, pool: RenderPool) -> None:
        self.db = db
        self.installation = Installation(
            policies=Policies(),
            keys=KeyRing(1, {1: b"k" * 32}, b"p" * 32),
            channels={"email": TEXTS, "postal": PAPER},
            public_url=PUBLIC_URL,
        )
        ready = {"email": installed("email", TEXTS), "postal": installed("postal", PAPER)}
        self.rooms = Rooms(
            db=db,
            installation=self.installation,
            registry=Registry(ready=ready, broken={"sms": "config/channels.toml: no token"}, faults={}),
            pool=pool,
            server=Server(
                public_url=PUBLIC_URL, allowed_hosts=("gateway.example.com",), max_body_bytes=4 * 1024 * 1024
            ),
        )
        self.app: Litestar = build(self.rooms)

    def rebuild(self, rooms: Rooms) -> None:
        """Let the API have other rooms."""
        self.rooms, self.installation = rooms, rooms.installation
        self.app = build(rooms)

    def client(self, *scopes: str, name: str = "shop") -> httpx.AsyncClient:
        """A caller with these scopes; with none, a visitor."""
        headers = {}
        if scopes:
            with self.db.transaction() as tx:
                headers["Authorization"] = f"Bearer {self.token(tx, *scopes, name=name)}"
        transport = httpx.ASGITransport(app=self.app)  # type: ignore[arg-type]
        return httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL, headers=headers)

    def token(self, tx: Transaction, *scopes: str, name: str = "shop") -> str:
        return keys.create(tx, name, scopes).token

    def set_clock(self, at: datetime = NOW) -> None:
        with self.db.transaction() as tx:
            clock.move(tx, at)

    def later(self, **span: float) -> None:
        with self.db.transaction() as tx:
            clock.move(tx, clock.now(tx).business + timedelta(**span))

    def add_people(self, *ids: str, consents: Iterable[str] = ("email",), **profile: Any) -> None:
        with self.db.transaction() as tx:
            for id in ids:
                address = {"kind": "email", "value": f"{id}@example.com"}
                given = {"id": id, "name": id.title(), "addresses": [address]} | profile
                people.put(tx, self.installation, msgspec.convert(given, RecipientInput))
                rows = [
                    ConsentRow(
                        recipient=id, channel=channel, purpose="marketing", action="granted", at=NOW, source="form"
                    )
                    for channel in consents
                ]
                consent.record(tx, self.installation, rows, "tests")

    def add_offer(self, key: str = "w15", **more: Any) -> Offer:
        given = {"key": key, "title": "15 % off", "kind": "percentage", "value": 15} | more
        offer = msgspec.convert(given, Offer)
        with self.db.transaction() as tx:
            offers.add(tx, offer, NOW)
        return offer

    def accept(self, public_id: str = "job_a", **changes: Any) -> None:
        """A job, expanded."""
        examined = accept.examine(self.installation, msgspec.convert(job_input(**changes), JobInput))
        with self.db.transaction() as tx:
            accept.accept(tx, self.installation, "shop", examined, public_id)
        with self.db.transaction() as tx:
            for job_id in expand.due_jobs(tx):
                expand.expand_page(tx, self.installation, job_id, 1000)

    def send_all(self, failure: Failure | None = None) -> list[Outbound]:
        """What a worker would do: claim everything due on `email`, and have it accepted, or let it fail."""
        sent: list[Outbound] = []
        with self.db.snapshot() as tx:
            places = claim.places_due(tx, self.installation, "email")
        for place in places:
            sent += self._send(place, failure)
        return sent

    def _send(self, place: tuple[int, int], failure: Failure | None) -> Sequence[Outbound]:
        lease = timedelta(seconds=60)
        with self.db.transaction() as tx:
            taken = claim.claim(tx, self.installation, "email", place, worker="w", lease=lease, limit=200)
        if not isinstance(taken, claim.Claim):
            return []
        sent, answered = [], []
        with self.db.transaction() as tx:
            drafts = compose.drafts_of(tx, self.installation, "email", taken.members)
            record.start(tx, taken, list(taken.members), lease)
            for draft in drafts.drafts:
                [message] = compose.outbounds(self.installation, "email", draft, "en", {"subject": "x", "text": "y"})
                sent.append(message)
                accepted = Outcome.accepted(message, f"provider-{message.recipient_id}")
                outcome = Outcome.failed(message, failure) if failure else accepted
                answered.append(record.Answered(key=draft.key, outcomes=((draft.addresses[0][0], outcome),)))
            record.record(tx, self.installation, taken, answered, [], lease)
            record.close(tx, taken)
        return sent


def job_input(**changes: Any) -> dict[str, Any]:
    """A body for POST /v1/jobs that is in order."""
    content = {
        "en": {"subject": "Hello {{ recipient.name }}", "text": "Come back: {{ track('https://shop.example/') }}"}
    }
    return {
        "name": "wake up",
        "purpose": "marketing",
        "audience": {"kind": "matching", "where": {"op": "everyone"}},
        "steps": [{"name": "first", "channels": ["email"], "content": {"email": content}}],
    } | changes


def with_coupon() -> dict[str, Any]:
    """Changes to a job: its message shows a coupon of `w15`, and so does its reminder, a day later."""
    content = {"en": {"subject": "A gift", "text": "{{ coupon.code }}"}}
    first = {"name": "first", "channels": ["email"], "content": {"email": content}}
    reminder = {"name": "reminder", "channels": ["email"], "content": {"email": content}, "after": "P1D"}
    return {"steps": [first, reminder], "offer": "w15"}
