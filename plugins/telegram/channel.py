"""The Telegram channel: several calls at once, in turn."""

import asyncio
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Struct

from gateway.contract import (
    API,
    Address,
    BadSignature,
    BadWebhook,
    Capabilities,
    ChannelMisconfigured,
    Context,
    Hear,
    Inbound,
    Outbound,
    Pace,
    Part,
    PermanentFailure,
    RateLimited,
    SideBySide,
    WebhookRequest,
    Weight,
)

from .config import TelegramConfig
from .updates import TYPES, Update, heard
from .wire import Wire, decoded

LONGEST_CHARS: Final = 4096

_CHAT: Final = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
_PER_CHAT: Final = 1.0
_CHATS_REMEMBERED: Final = 1000
_POLL_S: Final = 50


class Taken(Struct, frozen=True, kw_only=True):
    """A message that was sent. The private chats of a bot share one sequence of ids."""

    message_id: int


class Bot(Struct, frozen=True, kw_only=True):
    username: str


class Fetched(Struct, frozen=True, kw_only=True):
    """An update that is not read yet: one that cannot be must not come again for ever."""

    update_id: int
    message: Any = None
    my_chat_member: Any = None


class TelegramChannel(SideBySide):
    """The Bot API knows no idempotency key: a call whose answer was lost is never repeated here."""

    kind: ClassVar[str] = "telegram"
    api: ClassVar[int] = API
    config_type: ClassVar[type[Struct]] = TelegramConfig
    capabilities: ClassVar[Capabilities] = Capabilities(
        address_kind="telegram",
        parts={
            "text": Part(kind="text", max_chars=LONGEST_CHARS),
            "button": Part(kind="line", required=False, max_chars=64),
            "button_url": Part(kind="url", required=False, max_chars=2048),
        },
        window=50,
        timeout_s=30.0,
        receives=True,
        listens=True,
    )

    config: TelegramConfig

    def __init__(self, config: TelegramConfig, context: Context) -> None:
        super().__init__(config, context, concurrency=30, call_s=config.timeout_s)
        self._wire = Wire(config, context.http)
        self._pace = Pace(config.per_second)
        self._chats: dict[str, Pace] = {}

    @property
    def published(self) -> Mapping[str, str]:
        """`start_url` is where people start the bot; `?start=` takes up to 64 of A-Z a-z 0-9 _ - of your own."""
        return {} if self.config.username is None else {"start_url": f"https://t.me/{self.config.username}"}

    async def check(self) -> None:
        bot = await self._wire.ask("getMe", {}, Bot)
        if self.config.username is not None and bot.username.lower() != self.config.username.lower():
            raise ChannelMisconfigured("another-bot", "the token is another bot's than [channels.telegram] username")

    def weigh(self, message: Outbound) -> Weight:
        _check_content(message)
        return Weight(bytes=len(message.parts["text"].encode("utf-8", "replace")))

    def examine(self, address: Address) -> None:
        if not _CHAT.fullmatch(address.value):
            raise PermanentFailure("no-chat", "an address is the number of a private chat, such as 123456789")

    async def await_turn(self, message: Outbound, begin_by_s: float) -> None:
        await self._pace_of(message.address.value).turn(begin_by_s)
        await self._pace.turn(begin_by_s)

    def _pace_of(self, chat: str) -> Pace:
        """The chat's own pace. Those written to longest ago are forgotten: they would have no turn to wait for."""
        self._chats[chat] = pace = self._chats.pop(chat, None) or Pace(_PER_CHAT)
        if len(self._chats) > _CHATS_REMEMBERED:
            del self._chats[next(iter(self._chats))]
        return pace

    async def send_one(self, message: Outbound) -> str:
        """Telegram's id of the message."""
        self.examine(message.address)
        _check_content(message)
        taken = await self._wire.call("sendMessage", self._body(message), Taken)
        return str(taken.message_id)

    def _body(self, message: Outbound) -> dict[str, Any]:
        body: dict[str, Any] = {
            "chat_id": int(message.address.value),
            "text": message.parts["text"],
            "link_preview_options": {"is_disabled": not self.config.link_previews},
            "disable_notification": self.config.is_silent,
        }
        if url := message.parts.get("button_url"):
            body["reply_markup"] = {"inline_keyboard": [[{"text": message.parts["button"], "url": url}]]}
        return body

    def verify(self, request: WebhookRequest) -> None:
        expected = self.config.webhook_secret
        given = request.headers.get("x-telegram-bot-api-secret-token", "").encode("utf-8", "replace")
        if expected is None or not hmac.compare_digest(expected.reveal().encode(), given):
            raise BadSignature
        # The secret covers no body: what is no update at all does not come from Telegram either.
        if decoded(request.body, Update) is None:
            raise BadSignature

    def parse(self, request: WebhookRequest) -> Iterable[Inbound]:
        update = decoded(request.body, Update)
        if update is None:
            raise BadWebhook("not an update of the Bot API")
        return heard(update)

    async def listen(self, hear: Hear) -> None:
        try:
            if self.config.receive == "polling":
                await self._poll(hear)
            if self.config.webhook_secret is not None:
                await self._register(self.config.webhook_secret.reveal())
        except RateLimited as busy:
            # Whoever starts it again does not know how long Telegram asked for.
            await asyncio.sleep(busy.retry_after_s)
            raise
        await asyncio.Event().wait()

    async def _register(self, secret: str) -> None:
        hook = {"url": self.context.hook_url, "secret_token": secret, "allowed_updates": TYPES}
        await self._wire.ask("setWebhook", hook, bool)

    async def _poll(self, hear: Hear) -> None:
        """Fetch what was heard, and confirm it once it is on record.

        Telegram keeps for a day what is not confirmed, so that no place in the sequence is kept here. It is told once
        only: after a quiet week the ids begin anew, and what is below an old place would be lost.
        """
        await self._wire.ask("deleteWebhook", {}, bool)
        confirmed: dict[str, int] = {}
        while True:
            wanted = {"timeout": _POLL_S, "allowed_updates": TYPES, **confirmed}
            fetched = await self._wire.ask("getUpdates", wanted, list[Fetched], wait_s=_POLL_S)
            if fetched:
                await hear([each for update in fetched for each in _heard_in(update)])
            confirmed = {"offset": 1 + max(each.update_id for each in fetched)} if fetched else {}


def _heard_in(fetched: Fetched) -> Sequence[Inbound]:
    try:
        return tuple(heard(msgspec.convert(msgspec.structs.asdict(fetched), Update)))
    except msgspec.ValidationError:
        return ()


def _check_content(message: Outbound) -> None:
    """Raises PermanentFailure where Telegram would never take it."""
    text = message.parts["text"]
    if not text.strip():
        raise PermanentFailure("no-text", "the text is empty")
    if len(text) > LONGEST_CHARS:
        raise PermanentFailure("too-long", f"the text has {len(text)} characters; Telegram takes {LONGEST_CHARS}")
    if bool(message.parts.get("button", "").strip()) != bool(message.parts.get("button_url")):
        raise PermanentFailure("half-a-button", "a button needs both: button, its label, and button_url")
