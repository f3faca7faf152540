"""WhatsApp through Twilio's Messages API.

Source: https://www.twilio.com/docs/content/send-templates-created-with-the-content-template-builder
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

import aiohttp
import msgspec
from msgspec import Meta, Struct

from gateway.contract import Heard, Outbound, OutcomeUnknown, Secret, WebhookRequest

from . import twilio_reports
from .base import WhatsApp
from .config import BrandName, Key, Language, Template, WhatsAppConfig, check_base_url, check_templates
from .template import Filled, filled
from .twilio_codes import CODES
from .verdicts import by_status, failure
from .wire import Answer, called, decoded

Sid = Annotated[
    str, Meta(pattern=r"^AC[0-9a-fA-F]{32}$", description="AC and 32 hexadecimal digits, from Twilio's console.")
]
ContentSid = Annotated[
    str, Meta(pattern=r"^HX[0-9a-fA-F]{32}$", description="HX and 32 hexadecimal digits, from the template's page.")
]
SenderName = Annotated[
    str,
    Meta(
        pattern=r"^(\+[1-9][0-9]{6,14}|MG[0-9a-fA-F]{32})$",
        description="An E.164 number that is a WhatsApp sender, or a messaging service: MG and 32 hexadecimal digits.",
    ),
]
MessageSid = Annotated[str, Meta(pattern=r"^(SM|MM)[0-9a-fA-F]{32}$")]


class TwilioTemplate(Template, frozen=True, kw_only=True):
    """By the message's language, the template approved in it: with Twilio, each language is a template of its own.

    The button's variable is the one after those of the text.
    """

    languages: Annotated[Mapping[Language, ContentSid], Meta(min_length=1)]


class TwilioConfig(WhatsAppConfig, frozen=True, kw_only=True):
    """Which account writes. The first of `auth_tokens` makes the calls; reports signed with any of them are taken."""

    account_sid: Sid
    auth_tokens: Annotated[tuple[Secret, ...], Meta(min_length=1, max_length=3)]
    sender: SenderName
    templates: Mapping[Key, TwilioTemplate]
    brands: Mapping[BrandName, SenderName] = {}
    base_url: str = "https://api.twilio.com"

    def __post_init__(self) -> None:
        check_base_url(self.base_url, "https://api.twilio.com")
        check_templates(self.templates)
        if not all(self.auth_tokens):
            raise ValueError("auth_tokens: a token is empty; set it or take it out of the list")


class Taken(Struct, frozen=True, kw_only=True):
    sid: MessageSid
    to: str


class Refusal(Struct, frozen=True, kw_only=True):
    code: int | None = None


class TwilioWhatsApp(WhatsApp):
    """As the channel `sms` does it, with a template in place of a text."""

    provider: ClassVar[str] = "twilio"
    config_type: ClassVar[type[Struct]] = TwilioConfig

    config: TwilioConfig

    @property
    def own_sender(self) -> str:
        return self.config.sender

    async def look(self) -> None:
        await self._call("GET", ".json")

    async def send_one(self, message: Outbound) -> str:
        """Twilio's id of the message."""
        sender, content = self.sender_of(message), filled(self.templates, message)
        to = f"whatsapp:{message.address.value}"
        service = sender.startswith("MG")
        form = {
            "To": to,
            "MessagingServiceSid" if service else "From": sender if service else f"whatsapp:{sender}",
            "ContentSid": content.version,
            "ContentVariables": _variables(content),
            **self._status_callback(message),
        }
        taken = decoded((await self._call("POST", "/Messages.json", data=form)).body, Taken)
        if taken is None or taken.to != to:
            raise OutcomeUnknown("unreadable-answer", "Twilio accepted, but its answer names no message of ours")
        return taken.sid

    def _status_callback(self, message: Outbound) -> dict[str, str]:
        if message.status_url is None:
            return {}
        query = f"?{urlencode([twilio_reports.ASKED])}" if self.asks(message) else ""
        return {"StatusCallback": message.status_url + query}

    async def _call(self, method: str, path: str, **body: Any) -> Answer:
        """The answer, where it is a 2xx. Raises the Failure that any other stands for."""
        config = self.config
        url = f"{config.base_url.rstrip('/')}/2010-04-01/Accounts/{config.account_sid}{path}"
        headers = {"Authorization": aiohttp.encode_basic_auth(config.account_sid, config.auth_tokens[0].reveal())}
        answer = await called(self.context.http, method, url, config.timeout_s, headers, **body)
        if 200 <= answer.status < 300:
            return answer
        refusal = decoded(answer.body, Refusal)
        code = None if refusal is None else refusal.code
        meaning = CODES.get(code or 0) or by_status(answer.status)
        raise failure(meaning, str(code or f"http-{answer.status}"), answer.retry_after)

    def verify(self, request: WebhookRequest) -> None:
        twilio_reports.verify(request, self.config.auth_tokens)

    def parse(self, request: WebhookRequest) -> Iterable[Heard]:
        return tuple(twilio_reports.heard(request, self.config.stop_buttons))


def _variables(content: Filled) -> str:
    """By number, that of the button last."""
    values = content.variables if content.suffix is None else (*content.variables, content.suffix)
    return msgspec.json.encode({str(number): value for number, value in enumerate(values, start=1)}).decode()
