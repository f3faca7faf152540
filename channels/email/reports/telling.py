"""One vocabulary for what providers report: findings as those about bounces, made into events."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from channels.email.inbound.causes import cause_of
from channels.email.inbound.ids import Ids, chosen
from channels.email.inbound.statuses import Finding, finding
from gateway.contract import EventType, ProviderEvent, Visitor

ACCEPTED: Final = Finding(type=EventType.ACCEPTED)
DELIVERED: Final = Finding(type=EventType.DELIVERED)
COMPLAINED: Final = Finding(type=EventType.COMPLAINED)
UNSUBSCRIBED: Final = Finding(type=EventType.UNSUBSCRIBED)
OPENED: Final = Finding(type=EventType.OPENED)
CLICKED: Final = Finding(type=EventType.CLICKED)

# Whatever a provider makes of it, a full or disabled mailbox may come back, and so may a server.
_MAY_COME_BACK: Final = frozenset(cause_of(code, "").meaning for code in ("5.2.1", "5.2.2", "4.4.7"))

_PROXIES: Final = re.compile(r"googleimageproxy|yahoomailproxy|ymailproxy|edge/12\.246 mozilla/5\.0", re.IGNORECASE)
_APPLE: Final = "Mozilla/5.0"
"""All that Apple's Mail Privacy Protection says of itself."""


class Report(Struct, frozen=True, kw_only=True):
    """A provider's report on a mail of ours. `name` tells it from all others of this provider."""

    provider: str
    name: str
    message_id: str
    provider_id: str | None = None
    at: datetime | None = None

    def events(self, *findings: Finding, by: Visitor | None = None) -> Iterator[ProviderEvent]:
        """One for each finding. The first is known by the report's own name."""
        for number, found in enumerate(findings):
            yield ProviderEvent(
                type=found.type,
                event_id=f"{self.provider}:{self.name}" + (f":{found.type}" if number else ""),
                at=self.at,
                message_id=self.message_id,
                provider_id=self.provider_id,
                code=found.code,
                detail=found.meaning,
                address_gone=found.address_gone,
                by=by,
            )


def our_id(ids: Ids, echoed: str | None, *message_ids: str | None) -> str | None:
    """Our id of the mail: as the provider gives it back, or else in the Message-ID that we wrote."""
    return chosen(
        ids.in_envelope_id(echoed or ""), ids.in_message_id(f"<{(id or '').strip('<>')}>" for id in message_ids)
    )


def for_good(status: str | None, text: str | None, name: str) -> Finding:
    """A failure that the provider calls permanent: the address is gone, unless the server's words say otherwise.

    `name` is the provider's own short word, the code where the server's words hold none.
    """
    found = _failed(status, text, name)
    if found.type is not EventType.BOUNCED or found.address_gone or found.meaning in _MAY_COME_BACK:
        return found
    return gone(found.code or name, "the provider calls the failure permanent")


def for_now(status: str | None, text: str | None, name: str) -> Finding:
    """A failure that the provider does not call permanent. A false `gone` costs an address, a false `unwell` little."""
    return replace(_failed(status, text, name), address_gone=False)


def gone(name: str, meaning: str) -> Finding:
    return Finding(type=EventType.BOUNCED, address_gone=True, code=name, meaning=meaning)


def blocked(status: str | None, text: str | None, name: str) -> Finding:
    """A refusal that the provider lays at our door."""
    code = _failed(status, text, name).code
    return Finding(type=EventType.BLOCKED, code=code, meaning="refused because of the sender or the content")


def delayed(status: str | None, text: str | None, name: str) -> Finding:
    found = finding("delayed", status or "", text or "")
    return replace(found, code=found.code or name)


def given_up(name: str, meaning: str) -> Finding:
    return Finding(type=EventType.FAILED, code=name, meaning=meaning)


def opted_out(name: str) -> tuple[Finding, Finding]:
    """Not sent, because the provider has it on a list that the person wants no more: which we then did not know."""
    told = "the provider holds back what this person has opted out of"
    return given_up(name, told), Finding(type=EventType.UNSUBSCRIBED, code=name)


def visitor(agent: str | None) -> Visitor | None:
    """Whether a User-Agent is one of the mail providers' own, who load pictures for people. It seldom tells more."""
    told = (agent or "").strip()
    return "proxy" if told == _APPLE or _PROXIES.search(told) else None


def _failed(status: str | None, text: str | None, name: str) -> Finding:
    found = finding("failed", status or "", text or "")
    return replace(found, code=found.code or name)
