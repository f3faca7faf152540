"""WhatsApp through Meta's own Cloud API.

Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct

from gateway.contract import Heard, Outbound, OutcomeUnknown, Secret, WebhookAnswer, WebhookRequest

from . import meta_reports
from .base import WhatsApp
from .config import BrandName, Key, Language, Template, WhatsAppConfig, check_base_url, check_templates
from .meta_codes import refused
from .template import Filled, filled
from .verdicts import failure
from .wire import Answer, called, decoded

PhoneNumberId = Annotated[
    str, Meta(pattern=r"^[0-9]{5,20}$", description="The number's id in WhatsApp Manager, 5 to 20 digits.")
]
TemplateName = Annotated[
    str, Meta(pattern=r"^[a-z0-9_]{1,512}$", description="The template's name as approved: a-z, 0-9 and _.")
]
LanguageCode = Annotated[
    str, Meta(pattern=r"^[a-z]{2,3}(_[A-Z]{2,3})?$", description="A language code of Meta's, such as it or en_US.")
]
Version = Annotated[
    str, Meta(pattern=r"^v[0-9]{1,3}\.[0-9]$", description="A version of the Graph API, such as v23.0.")
]


class MetaTemplate(Template, frozen=True, kw_only=True):
    """The name that was approved, and by the message's language the one it was approved in."""

    name: TemplateName
    languages: Annotated[Mapping[Language, LanguageCode], Meta(min_length=1)]


class MetaConfig(WhatsAppConfig, frozen=True, kw_only=True):
    """Which number writes. Reports signed with any of `app_secrets` are taken, so that one can be replaced."""

    phone_number_id: PhoneNumberId
    access_token: Secret
    app_secrets: Annotated[tuple[Secret, ...], Meta(min_length=1, max_length=3)]
    verify_token: Secret
    templates: Mapping[Key, MetaTemplate]
    brands: Mapping[BrandName, PhoneNumberId] = {}
    base_url: str = "https://graph.facebook.com"
    version: Version = "v23.0"

    def __post_init__(self) -> None:
        check_base_url(self.base_url, "https://graph.facebook.com")
        check_templates(self.templates)
        if not self.access_token or not self.access_token.reveal().isprintable():
            raise ValueError("access_token: must be one line, and not empty")
        if not all(self.app_secrets) or not self.verify_token:
            raise ValueError("app_secrets, verify_token: one is empty; set it, or take it out of the list")


class Taken(Struct, frozen=True, kw_only=True):
    id: meta_reports.Wamid


class Sent(Struct, frozen=True, kw_only=True):
    """What Meta answers: the id of the one message."""

    messages: Annotated[tuple[Taken, ...], Meta(min_length=1, max_length=1)]


class Fault(Struct, frozen=True, kw_only=True):
    code: int | None = None
    error_subcode: int | None = None


class Refusal(Struct, frozen=True, kw_only=True):
    error: Fault


class MetaWhatsApp(WhatsApp):
    """Meta gives our id back with each status, so that a report finds its message even where the answer was lost."""

    provider: ClassVar[str] = "meta"
    config_type: ClassVar[type[Struct]] = MetaConfig

    config: MetaConfig

    @property
    def own_sender(self) -> str:
        return self.config.phone_number_id

    async def look(self) -> None:
        await self._call("GET", f"{self.own_sender}?fields=id")

    async def send_one(self, message: Outbound) -> str:
        """Meta's id of the message, as we keep it."""
        sender, content = self.sender_of(message), filled(self.templates, message)
        call = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": message.address.value,
            "type": "template",
            "template": self._template(content),
            "biz_opaque_callback_data": message.id + (meta_reports.ASKED if self.asks(message) else ""),
        }
        answer = await self._call("POST", f"{sender}/messages", data=msgspec.json.encode(call))
        sent = decoded(answer.body, Sent)
        if sent is None:
            raise OutcomeUnknown("unreadable-answer", "Meta accepted, but its answer names no message")
        return meta_reports.digest_of(sent.messages[0].id)

    def _template(self, content: Filled) -> dict[str, Any]:
        components: list[dict[str, Any]] = []
        if content.variables:
            components.append({"type": "body", "parameters": [_text(value) for value in content.variables]})
        if content.suffix is not None:
            button = {"type": "button", "sub_type": "url", "index": "0", "parameters": [_text(content.suffix)]}
            components.append(button)
        name = self.config.templates[content.key].name
        return {"name": name, "language": {"code": content.version}, "components": components}

    async def _call(self, method: str, path: str, **body: Any) -> Answer:
        """The answer, where it is a 2xx. Raises the Failure that any other stands for."""
        config = self.config
        url = f"{config.base_url.rstrip('/')}/{config.version}/{path}"
        headers = {"Authorization": f"Bearer {config.access_token.reveal()}", "Content-Type": "application/json"}
        answer = await called(self.context.http, method, url, config.timeout_s, headers, **body)
        if 200 <= answer.status < 300:
            return answer
        refusal = decoded(answer.body, Refusal)
        fault = Fault() if refusal is None else refusal.error
        code = f"http-{answer.status}" if fault.code is None else str(fault.code)
        raise failure(refused(answer.status, fault.code, fault.error_subcode), code, answer.retry_after)

    def verify(self, request: WebhookRequest) -> None:
        meta_reports.verify(request, self.config.app_secrets, self.config.verify_token)

    def parse(self, request: WebhookRequest) -> Iterable[Heard]:
        senders = {self.own_sender, *self.config.brands.values()}
        return tuple(meta_reports.heard(request, senders, self.config.stop_buttons))

    async def answer(self, request: WebhookRequest) -> WebhookAnswer | None:
        asked = meta_reports.challenge(request)
        return None if asked is None else WebhookAnswer(body=asked)


def _text(value: str) -> dict[str, str]:
    return {"type": "text", "text": value}
