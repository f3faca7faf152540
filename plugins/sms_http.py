"""SMS through any provider with an HTTP/JSON interface, told by configuration instead of code.

It takes the place of the built-in SMS channel where the table says `provider = "http"`. How fast the provider may be
called is said in policies.toml; what it calls us with must be JSON too.

    [channels.sms]
    provider = "http"
    url = "https://api.sms-provider.example/v2/messages"
    headers = { Authorization = "${SMS_AUTHORIZATION}" }     # Bearer 7c1...
    sender = "Caffe Rio"
    brands = { outlet = "RioOutlet" }
    idempotency_header = "Idempotency-Key"                   # only if the provider honours one

    [channels.sms.body]                                      # becomes the JSON of the call
    from = "{sender}"
    text = "{text}"
    recipients = ["{to}"]                                    # {to_digits} is the number without its +
    reference = "{id}"
    callback = "{callback_url}"                              # left out where there is none

    [channels.sms.answer]                                    # places are JSON pointers (RFC 6901)
    id = "/messages/0/id"
    status = "/messages/0/status"
    meanings = { QUEUED = "accepted", REJECTED = "permanent", BLACKLISTED = "opted-out" }
    http = { 402 = "misconfigured" }                         # beside what HTTP says itself

    [channels.sms.reports]                                   # to the callback, or https://GATEWAY/hooks/sms
    each = "/results"
    id = "/id"
    status = "/status/name"
    types = { DELIVERED = "delivered", EXPIRED = "failed", UNKNOWN_NUMBER = "gone", PENDING = "ignored" }
    at = "/done_at"

    [channels.sms.replies]                                   # to https://GATEWAY/hooks/sms
    id = "/id"
    sender = "/from"
    text = "/text"

    [channels.sms.signature]
    how = "hmac-sha256"                                      # or "header", "query": a secret said as it is
    name = "x-signature"
    prefix = "sha256="
    secrets = ["${SMS_WEBHOOK_SECRET}"]                      # several while one is replaced
"""

import base64
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Literal, get_args
from urllib.parse import urlsplit

import aiohttp
import msgspec
from msgspec import Meta, Struct

from gateway.contract import (
    API,
    BadSignature,
    BadWebhook,
    Capabilities,
    ChannelMisconfigured,
    Context,
    EventType,
    Failure,
    Heard,
    Inbound,
    OptedOut,
    Outbound,
    OutcomeUnknown,
    Part,
    PermanentFailure,
    ProviderEvent,
    RateLimited,
    RecipientGone,
    Secret,
    SideBySide,
    TransientFailure,
    WebhookRequest,
    retry_after_s,
)

_MOST_ANSWER_BYTES: Final = 65_536
_PAUSE_S: Final = 10.0
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
_KNOWN: Final = frozenset({"to", "to_digits", "text", "sender", "id", "callback_url"})
_NUMBER: Final = re.compile(r"\+?[1-9][0-9]{6,14}", re.ASCII)

Pointer = Annotated[str, Meta(pattern=r"^(/.*)?$", description="A JSON pointer, such as /messages/0/id.")]
Verdict = Literal["accepted", "permanent", "gone", "opted-out", "transient", "rate-limited", "misconfigured"]
Fate = Literal["accepted", "delayed", "delivered", "bounced", "gone", "blocked", "failed", "unsubscribed", "ignored"]
HttpStatus = Annotated[str, Meta(pattern=r"^[2-5][0-9]{2}$", description="An HTTP status, such as 402.")]


class Answer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to read the answer to a call. Without `status`, HTTP's own says all."""

    id: Pointer | None = None
    status: Pointer | None = None
    meanings: Mapping[str, Verdict] = {}
    http: Mapping[HttpStatus, Verdict] = {}


class Reports(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to read what became of messages. At `at` is a time: ISO 8601 with a zone, or seconds since 1970."""

    id: Pointer
    status: Pointer
    types: Annotated[Mapping[str, Fate], Meta(min_length=1)]
    each: Pointer = ""
    at: Pointer | None = None
    code: Pointer | None = None


class Replies(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to read what people write back."""

    id: Pointer
    sender: Pointer
    text: Pointer
    at: Pointer | None = None


class Signature(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the provider proves, in the header or parameter `name`, that a call is its own. Only HMAC covers the body."""

    how: Literal["hmac-sha256", "header", "query"]
    name: Annotated[str, Meta(min_length=1)]
    secrets: Annotated[tuple[Secret, ...], Meta(min_length=1, max_length=3)]
    prefix: str = ""
    encoding: Literal["hex", "base64"] = "hex"


class HttpSmsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider, and how to talk to it."""

    url: str
    body: Mapping[str, Any]
    method: Literal["POST", "PUT"] = "POST"
    headers: Mapping[str, Secret] = {}
    sender: Annotated[str, Meta(min_length=1, max_length=16)] | None = None
    brands: Mapping[str, Annotated[str, Meta(min_length=1, max_length=16)]] = {}
    answer: Answer = Answer()
    reports: Reports | None = None
    replies: Replies | None = None
    signature: Signature | None = None
    idempotency_header: str | None = None
    concurrency: Annotated[int, Meta(ge=1, le=100)] = 10
    timeout_s: Annotated[float, Meta(ge=0.1, le=10)] = 8.0

    def __post_init__(self) -> None:
        url = urlsplit(self.url)
        here = url.scheme == "http" and url.hostname in {"127.0.0.1", "localhost"}
        if not here and not (url.scheme == "https" and url.hostname and url.username is None):
            raise ValueError("url: must be https (http is allowed to this machine only)")
        used = set(_PLACEHOLDER.findall(msgspec.json.encode(self.body).decode()))
        if unknown := used - _KNOWN:
            raise ValueError(f"body: no placeholder {{{min(unknown)}}}; there are {', '.join(sorted(_KNOWN))}")
        if "text" not in used or not used & {"to", "to_digits"}:
            raise ValueError("body: needs {text}, and {to} or {to_digits}")
        if (self.reports or self.replies) and self.signature is None:
            raise ValueError("signature: without one nobody can tell the provider's calls from a stranger's")
        if not all(value and value.reveal().isprintable() for value in self.headers.values()):
            raise ValueError("headers: a value must be one line, and not empty")


class HttpSms(SideBySide):
    """One call per message. Only a provider with an idempotency key is asked again, once, after a lost answer."""

    kind: ClassVar[str] = "sms"
    provider: ClassVar[str] = "http"
    api: ClassVar[int] = API
    config_type: ClassVar[type[Struct]] = HttpSmsConfig
    capabilities: ClassVar[Capabilities] = Capabilities(
        address_kind="phone",
        parts={"text": Part(kind="text", max_chars=1600)},
        receives=True,
        short_links=True,
        reports=frozenset(EventType(type) for type in get_args(Fate) if type not in ("gone", "ignored")),
    )

    config: HttpSmsConfig

    def __init__(self, config: HttpSmsConfig, context: Context) -> None:
        calls = 1 if config.idempotency_header is None else 2
        super().__init__(config, context, concurrency=config.concurrency, call_s=calls * config.timeout_s)

    @property
    def brands(self) -> frozenset[str]:
        return frozenset(self.config.brands)

    async def send_one(self, message: Outbound) -> str | None:
        try:
            return await self._send(message)
        except OutcomeUnknown:
            if self.config.idempotency_header is None:
                raise
        try:
            return await self._send(message)
        except (TransientFailure, RateLimited, ChannelMisconfigured) as again:
            # It says nothing of the call before, which may have gone through.
            raise OutcomeUnknown(again.code, "an answer was lost, and asking again did not help") from None

    async def _send(self, message: Outbound) -> str | None:
        config, key = self.config, self.config.idempotency_header
        headers = {"Content-Type": "application/json", **({key: message.id} if key else {})}
        headers |= {name: value.reveal() for name, value in config.headers.items()}
        body = msgspec.json.encode(_filled(config.body, self._filling(message)))
        timeout = aiohttp.ClientTimeout(total=config.timeout_s, connect=config.timeout_s / 2)
        try:
            async with self.context.http.request(
                config.method, config.url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                return _judged(config.answer, response, await _json(response))
        except aiohttp.ClientConnectorError as error:
            raise TransientFailure("no-connection", f"no connection to the provider: {error.strerror}") from None
        except aiohttp.ConnectionTimeoutError:
            raise TransientFailure("no-connection", "the provider did not take the connection in time") from None
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise OutcomeUnknown("no-answer", "the provider gave no answer") from None

    def _filling(self, message: Outbound) -> dict[str, str | None]:
        return {
            "to": message.address.value,
            "to_digits": message.address.value.removeprefix("+"),
            "text": message.parts["text"],
            "sender": self._sender(message),
            "id": message.id,
            "callback_url": message.status_url,
        }

    def _sender(self, message: Outbound) -> str | None:
        if not message.parts["text"].strip():
            raise PermanentFailure("no-text", "the text is empty")
        if message.brand is None:
            return self.config.sender
        if message.brand not in self.config.brands:
            raise PermanentFailure("no-such-brand", f"[channels.sms] brands has no {message.brand}")
        return self.config.brands[message.brand]

    def verify(self, request: WebhookRequest) -> None:
        if self.config.signature is None or not _is_signed(self.config.signature, request):
            raise BadSignature

    def parse(self, request: WebhookRequest) -> Iterable[Heard]:
        content, replies, reports = _decoded(request.body), self.config.replies, self.config.reports
        if replies is not None and isinstance(_at(content, replies.text), str):
            return _inbound(replies, content)
        if reports is None:
            raise BadWebhook("no reply, and [channels.sms.reports] is not set")
        found = _at(content, reports.each)
        several = found if isinstance(found, list) else [found]
        # An address of one message that tells of several does not tell which is which.
        about = request.message_id if len(several) == 1 else None
        return [event for each in several for event in _event(reports, each, about)]


def _filled(template: Any, filling: Mapping[str, str | None]) -> Any:
    """The template with its strings filled in, each once: what is put in is never read as a template, nor as JSON."""
    match template:
        case str():
            whole = _PLACEHOLDER.fullmatch(template)
            return filling[whole[1]] if whole else _PLACEHOLDER.sub(lambda found: filling[found[1]] or "", template)
        case dict():
            pairs = ((key, _filled(value, filling)) for key, value in template.items())
            return {key: value for key, value in pairs if value is not None}
        case list():
            return [value for each in template if (value := _filled(each, filling)) is not None]
        case _:
            return template


async def _json(response: aiohttp.ClientResponse) -> Any:
    """The answer's content; None where it is no JSON, or longer than any answer should be."""
    body = b""
    async for chunk in response.content.iter_chunked(8192):
        body += chunk
        if len(body) > _MOST_ANSWER_BYTES:
            return None
    return _decoded(body)


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _judged(answer: Answer, response: aiohttp.ClientResponse, content: Any) -> str | None:
    """The provider's id of a message that it took. Raises the Failure that the answer stands for."""
    code, status = _text(_at(content, answer.status)) or "", str(response.status)
    verdict: str | None = answer.meanings.get(code)
    if verdict is None:
        # A word that nobody has explained may stand for anything.
        is_taken = response.status < 300 and answer.status is None
        of_class = "accepted" if is_taken else _BY_STATUS.get(status[0], "unknown")
        verdict, code = answer.http.get(status) or _BY_STATUS.get(status) or of_class, f"http-{status}"
    if verdict == "rate-limited":
        raise RateLimited(retry_after_s(response.headers.get("Retry-After"), datetime.now(UTC), _PAUSE_S), code)
    if verdict in _FAILURES:
        failure, detail = _FAILURES[verdict]
        raise failure(code, detail)
    found = _text(_at(content, answer.id))
    if answer.id is not None and found is None:
        raise OutcomeUnknown("unreadable-answer", "the provider accepted, but its answer has no id where it belongs")
    return found


_BY_STATUS: Final[Mapping[str, Verdict]] = {
    **dict.fromkeys(("401", "403", "404", "405", "410"), "misconfigured"),
    **dict.fromkeys(("408", "425"), "transient"),
    "429": "rate-limited",
    # All others of their kind.
    "3": "misconfigured",
    "4": "permanent",
}
_FAILURES: Final[Mapping[str, tuple[type[Failure], str]]] = {
    "gone": (RecipientGone, "the provider says that the number is dead"),
    "opted-out": (OptedOut, "the provider says that the recipient opted out"),
    "permanent": (PermanentFailure, "the provider refuses this message"),
    "transient": (TransientFailure, "the provider asks to try again"),
    "misconfigured": (ChannelMisconfigured, "the provider does not take our calls: check url, headers and account"),
    # An error page does not prove that the message was not taken.
    "unknown": (OutcomeUnknown, "the provider's answer does not say whether it took the message"),
}


def _is_signed(signature: Signature, request: WebhookRequest) -> bool:
    said = request.headers.get(signature.name.lower(), "")
    given = dict(request.query).get(signature.name, "") if signature.how == "query" else said
    proofs = [signature.prefix + _proof(signature, secret, request.body) for secret in signature.secrets]
    matches = [hmac.compare_digest(proof.encode(), given.encode("utf-8", "replace")) for proof in proofs]
    return any(matches)


def _proof(signature: Signature, secret: Secret, body: bytes) -> str:
    if signature.how != "hmac-sha256":
        return secret.reveal()
    mac = hmac.digest(secret.reveal().encode(), body, "sha256")
    return mac.hex() if signature.encoding == "hex" else base64.b64encode(mac).decode()


def _at(content: Any, pointer: str | None) -> Any:
    """What is at a JSON pointer (RFC 6901); None where nothing is, or where there is no pointer."""
    if pointer is None:
        return None
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(content, dict):
            content = content.get(name)
        elif isinstance(content, list) and name.isdecimal() and name.isascii() and int(name) < len(content):
            content = content[int(name)]
        else:
            return None
    return content


def _text(value: Any) -> str | None:
    """A string, or a number as one; None for anything that is no name."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if 0 < len(text) <= 200 and text.isprintable() else None


def _event(reports: Reports, told: Any, message_id: str | None) -> Iterator[ProviderEvent]:
    id, word = _text(_at(told, reports.id)), _text(_at(told, reports.status))
    type = reports.types.get(word or "")
    if type is None or (id is None and message_id is None):
        raise BadWebhook("the report names no message, or no status that `types` knows; `ignored` is a type too")
    if type != "ignored":
        yield ProviderEvent(
            type=EventType.BOUNCED if type == "gone" else EventType(type),
            event_id=f"{id or message_id}:{word}"[:255],
            at=_moment(_at(told, reports.at)),
            message_id=message_id,
            provider_id=id,
            code=_text(_at(told, reports.code)) or word,
            address_gone=type == "gone",
        )


def _inbound(replies: Replies, told: Any) -> Iterable[Inbound]:
    id, sender = _text(_at(told, replies.id)), _text(_at(told, replies.sender))
    if id is None or sender is None:
        raise BadWebhook("the reply has no id, or no sender")
    if not _NUMBER.fullmatch(sender):
        # A short code or a name is nobody that we write to.
        return ()
    number, text, at = f"+{sender.removeprefix('+')}", _at(told, replies.text), _moment(_at(told, replies.at))
    return (Inbound(event_id=f"{id}:received", sender=number, text=text, at=at, provider_id=id),)


def _moment(value: Any) -> datetime | None:
    """A time, where the provider gives one that cannot be misread."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return at if at.tzinfo else None
