"""What a visitor brings: a form, a language, and what their browser says of itself."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from gateway.api.pages.texts import language_wished
from gateway.api.problems import Refusal
from gateway.api.rooms import Visit
from gateway.contract import Visitor
from gateway.domain.languages import language_of
from gateway.domain.visitors import visitor

_MOST_FIELDS: Final = 500
_MOST_BYTES: Final = 64 * 1024
_FORM: Final = "application/x-www-form-urlencoded"


async def form_of(request: Visit) -> Mapping[str, Sequence[str]]:
    """The fields of a form by name. Raises Refusal for what no page of ours would send."""
    body = await request.body()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM or len(body) > _MOST_BYTES:
        raise Refusal("bad-request", "the page sends a form")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Refusal("bad-request", "the form cannot be read") from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def language_for(request: Visit, locale: str | None) -> str:
    """The recipient's own language, or else the one that the browser asks for."""
    return language_of(locale) or language_wished(request.headers.get("accept-language", ""))


def visitor_of(request: Visit) -> Visitor:
    """What a visitor seems to be. Nothing of what it says of itself is kept."""
    headers = request.headers
    return visitor(headers.get("user-agent", ""), headers.get("sec-purpose", "") + headers.get("purpose", ""))


def evidence_of(request: Visit) -> dict[str, Any]:
    """What may help to prove later who it was. Where the connection came from is the proxy's to know."""
    return {"user_agent": request.headers.get("user-agent", "")[:300]}
