"""The table `[channels.telegram]` of channels.toml."""

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from gateway.contract import Secret

_TOKEN: Final = re.compile(r"[0-9]{5,20}:[A-Za-z0-9_-]{30,80}", re.ASCII)
_WEBHOOK_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{16,256}", re.ASCII)
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})

Username = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]{4,31}$", description="The bot's name without its @, such as ExampleShopBot."),
]


class TelegramConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which bot sends, and how it hears what people answer.

    `per_second` is for all chats together, in each worker process: Telegram allows about 30. `link_previews` has
    Telegram fetch the first link of a text, which then counts as followed. `is_silent` sends without a sound.
    """

    token: Secret
    username: Username | None = None
    receive: Literal["polling", "webhook", "nothing"] = "polling"
    webhook_secret: Secret | None = None
    per_second: Annotated[float, Meta(gt=0, le=1000)] = 25.0
    link_previews: bool = False
    is_silent: bool = False
    base_url: str = "https://api.telegram.org"
    timeout_s: Annotated[float, Meta(ge=0.1, le=10)] = 8.0

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.token.reveal()):
            raise ValueError("token: is not a bot's token; @BotFather gives one, such as 123456789:AA...")
        if (self.receive == "webhook") != (self.webhook_secret is not None):
            raise ValueError('webhook_secret: belongs to receive = "webhook", and is needed there')
        if self.webhook_secret is not None and not _WEBHOOK_SECRET.fullmatch(self.webhook_secret.reveal()):
            raise ValueError("webhook_secret: must be 16 to 256 of A-Z, a-z, 0-9, _ and -")
        self._check_base_url()

    def _check_base_url(self) -> None:
        url = urlsplit(self.base_url)
        if not url.hostname or url.username or url.query or url.fragment:
            raise ValueError("base_url: give scheme and host only, such as https://api.telegram.org")
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
            raise ValueError("base_url: must be https (http is allowed to this machine only)")
