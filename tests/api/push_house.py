"""A house whose channel is the real one for web push, with a push service of its own on this machine."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import structlog

from channels.webpush import VapidKeys, WebPushChannel, WebPushConfig, new_vapid_keys
from gateway.api.application import build
from gateway.contract import Context, Outcome, Secret
from gateway.registry import Guarded, Installed, Registry
from gateway.rendering import RenderPool
from gateway.services import claim, compose, record
from gateway.storage.database import Database
from tests.api.house import NOW, PUBLIC_URL, House
from tests.channels.webpush.peer import PushService

FORMER = new_vapid_keys()


def subscription(service: PushService, keys: VapidKeys) -> dict[str, Any]:
    """What a browser would hand in."""
    address = service.subscribe()
    return {
        "endpoint": address.value,
        "keys": {"p256dh": address.data["p256dh"], "auth": address.data["auth"]},
        "application_server_key": keys.public_key,
        "locale": "pl-PL",
    }


class PushHouse(House):
    """`vapid` is the current pair of keys; FORMER is one that still holds."""

    def __init__(
        self, db: Database, pool: RenderPool, http: aiohttp.ClientSession, files: Path, public_url: str = PUBLIC_URL
    ) -> None:
        super().__init__(db, pool)
        self.vapid = new_vapid_keys()
        table = {
            "vapid_private_key": self.vapid.private_key.reveal(),
            "former_keys": [FORMER.private_key.reveal()],
            "subject": "mailto:push@example.com",
            "allow_http": True,
        }
        config = msgspec.convert(table, WebPushConfig, dec_hook=lambda _, value: Secret(value))
        log, hook_url = structlog.get_logger(), f"{public_url}/hooks/webpush"
        context = Context(http=http, now=lambda: NOW, log=log, files=files, hook_url=hook_url)
        self.channel = WebPushChannel(config, context)
        installed = Installed(
            kind="webpush",
            capabilities=WebPushChannel.capabilities,
            source="tests",
            version="1",
            channel=Guarded(self.channel, log),
            published=self.channel.published,
        )
        self.installation = msgspec.structs.replace(
            self.installation, channels={"webpush": WebPushChannel.capabilities}, public_url=public_url
        )
        server = msgspec.structs.replace(
            self.rooms.server, public_url=public_url, allowed_hosts=("gateway.example.com", "127.0.0.1")
        )
        self.rooms = msgspec.structs.replace(
            self.rooms,
            installation=self.installation,
            registry=Registry(ready={"webpush": installed}, broken={}, faults={}),
            server=server,
        )
        self.app = build(self.rooms)

    async def push_token(self, recipient: str, **wanted: Any) -> str:
        """A push token for a recipient, as a shop's server asks for it."""
        async with self.client("recipients:write") as client:
            path = f"/v1/recipients/{recipient}/push-token"
            answer = await client.post(path, json={"purposes": ["marketing"]} | wanted)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def push(
        self, title: str = "Ci manchi ❤", body: str = "Wróć, мы ждём", leads_to: str = "https://shop.example/"
    ) -> list[Outcome]:
        """A job to everybody, handed over by the channel and recorded, as a worker would."""
        content = {"webpush": {"en": {"title": "x", "body": "y", "url": f"{{{{ track('{leads_to}') }}}}"}}}
        self.accept(steps=[{"name": "first", "channels": ["webpush"], "content": content}])
        with self.db.snapshot() as tx:
            places = claim.places_due(tx, self.installation, "webpush")
        return [outcome for place in places for outcome in await self._push(place, {"title": title, "body": body})]

    async def _push(self, place: tuple[int, int], parts: dict[str, str]) -> Sequence[Outcome]:
        lease, installation = timedelta(seconds=60), self.installation
        with self.db.transaction() as tx:
            taken = claim.claim(tx, installation, "webpush", place, worker="w", lease=lease, limit=200)
        assert isinstance(taken, claim.Claim)
        with self.db.transaction() as tx:
            drafts = compose.drafts_of(tx, installation, "webpush", taken.members).drafts
            record.start(tx, taken, list(taken.members), lease)
        made = {
            draft.key: compose.outbounds(
                installation, "webpush", draft, "it", parts | {"url": compose.click_url(installation, draft.key, 0)}
            )
            for draft in drafts
        }
        batch = [message for messages in made.values() for message in messages]
        outcomes = {outcome.message_id: outcome async for outcome in self.channel.send(batch)}
        answered = [
            record.Answered(
                key=draft.key,
                outcomes=tuple(
                    (id, outcomes[message.id])
                    for (id, _), message in zip(draft.addresses, made[draft.key], strict=True)
                ),
            )
            for draft in drafts
        ]
        with self.db.transaction() as tx:
            record.record(tx, installation, taken, answered, [], lease)
            record.close(tx, taken)
        return list(outcomes.values())
