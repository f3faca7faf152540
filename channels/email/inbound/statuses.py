"""What a delivery report says of one recipient, put into the gateway's words (RFC 3464 2.3)."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from channels.email.inbound.causes import Fault, cause_of
from gateway.contract import EventType

_STATUS: Final = re.compile(r"(?<![\d.])([245])\.([0-7])\.(\d{1,3})(?![\d.]*\d)")
_REPLY: Final = re.compile(r"(?:^|[;:\s(#])(4[2-5]\d|5[0-5]\d)(?=[\s-])")
_ADDRESSES: Final = re.compile(r"\S*@\S*|\[[\d.:a-f]*\]")

_LONGEST_CHARS: Final = 2000

_TYPES: Final[Mapping[Fault, EventType]] = {
    "gone": EventType.BOUNCED,
    "unwell": EventType.BOUNCED,
    "refused": EventType.BLOCKED,
    "unfit": EventType.FAILED,
}
_ARRIVED: Final = frozenset({"delivered", "relayed", "expanded"})
_BEST_FIRST: Final = (EventType.DELIVERED, EventType.DELAYED, EventType.BOUNCED, EventType.BLOCKED, EventType.FAILED)


class Finding(Struct, frozen=True, kw_only=True):
    """What became of a mail. `code` is the enhanced status, or `smtp-550` where there is none; no text of others."""

    type: EventType
    address_gone: bool = False
    code: str | None = None
    meaning: str | None = None


def finding(action: str, status: str, diagnostic: str, said: str = "") -> Finding:
    """What the fields of one recipient mean. `said` is the report's text for people, asked where they say nothing."""
    action = action.strip().lower() or _action_of(status)
    if action in _ARRIVED:
        return Finding(type=EventType.DELIVERED, code=_written(_first(status)))
    reason, code = _reason(status, diagnostic, said)
    if action == "delayed":
        cause = cause_of(code, plain(reason))
        return Finding(type=EventType.DELAYED, code=_written(code), meaning=cause.meaning)
    return failed(code, reason)


def failed(code: str, reason: str) -> Finding:
    """What a failure with this status or reply code and this text means."""
    cause = cause_of(code, plain(reason))
    return Finding(
        type=_TYPES[cause.fault], address_gone=cause.fault == "gone", code=_written(code), meaning=cause.meaning
    )


def best(findings: Iterable[Finding]) -> Finding | None:
    """One for the whole mail: an address that leads to several (an alias) is well as long as one of them is."""
    return min(findings, key=lambda each: (_BEST_FIRST.index(each.type), each.address_gone), default=None)


def code_in(text: str) -> str:
    """The status in a text that tells the most; a plain reply code where no status tells anything; else nothing."""
    statuses = [f"{kind}.{subject}.{int(detail)}" for kind, subject, detail in _STATUS.findall(text)]
    reply = _REPLY.search(text)
    vague = [status for status in statuses if _is_vague(status)]
    telling = [status for status in statuses if not _is_vague(status)]
    hinting = [status for status in vague if not status.endswith(".0.0")]
    return next(iter((*telling, *hinting, *([reply[1]] if reply else ()), *vague)), "")


def plain(text: str) -> str:
    """The words of a text, in lower case, so that no address is taken for the server's opinion."""
    return " ".join(_ADDRESSES.sub(" ", text[:_LONGEST_CHARS]).lower().split())


def _reason(status: str, diagnostic: str, said: str) -> tuple[str, str]:
    """The text that tells why, and the code that it is judged by: the status, unless another says more."""
    own, far = _first(status), code_in(diagnostic) or code_in(said)
    text = diagnostic if _has_words(diagnostic) else said
    if _is_vague(own):
        return text, far if far and (not _is_vague(far) or own[1:] in ("", ".0.0")) else own
    if own.startswith("5.1.") and not _is_vague(code_in(diagnostic)):
        # Only the far server knows its mailboxes; whoever reports its answer may have translated it.
        return text, far
    return text, own


def _action_of(status: str) -> str:
    return {"2": "delivered", "4": "delayed"}.get(status.strip()[:1], "failed")


def _first(status: str) -> str:
    match = _STATUS.search(status)
    return f"{match[1]}.{match[2]}.{int(match[3])}" if match else ""


def _is_vague(code: str) -> bool:
    """Whether a code names no reason: no status at all, `5.0.x` or `5.x.0`."""
    return code.count(".") != 2 or code.endswith(".0") or code[2:4] == "0."


def _has_words(diagnostic: str) -> bool:
    """Whether it says anything behind the name of its kind (`smtp;`)."""
    return re.search(r"[a-z]{3}", plain(diagnostic.partition(";")[2] or diagnostic)) is not None


def _written(code: str) -> str | None:
    return None if not code else code if "." in code else f"smtp-{code}"
