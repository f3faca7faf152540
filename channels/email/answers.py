"""What a server's refusal means, by stage, reply code and enhanced status code (RFC 5321, RFC 3463)."""

import re
from typing import Final, Literal

from gateway.contract import (
    ChannelMisconfigured,
    Failure,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    RecipientGone,
    TransientFailure,
)

Stage = Literal["connection", "EHLO", "STARTTLS", "AUTH", "NOOP", "RSET", "MAIL", "RCPT", "DATA", "content"]
"""What a reply answers. `content` is the mail itself, up to its final dot."""

_TRANSACTION: Final = frozenset({"MAIL", "RCPT", "DATA", "content"})
_TOLD_TO_WHOM: Final = frozenset({"RCPT", "DATA", "content"})
"""From here on the server knows the destination, and may speak for it."""

_PAUSE_S: Final = 300.0
"""Servers do not name one. The large mailbox providers ask for minutes, not seconds."""

_ENHANCED: Final = re.compile(r"^[\[(#]?(?P<code>(?P<kind>[245])\.(?P<subject>\d{1,3})\.(?P<detail>\d{1,3}))(?!\.?\d)")

_NOBODY: Final = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10"})
"""Unknown mailbox, domain without mail, impossible address, moved away, null MX."""

_TOO_LARGE: Final = frozenset({"2.3", "3.4"})
_LOGIN_WANTED: Final = frozenset({530, 534, 535, 538})

_UNKNOWN_USER: Final = re.compile(
    r"\b(no such (user|mailbox|recipient|person)|(user|recipient|mailbox|account) (is )?(unknown|not found)"
    r"|unknown (user|recipient|mailbox|local part)|(user|recipient|mailbox|account) does(n't| not) exist)\b"
)
"""Only what cannot mean anything else: RFC 5321's own "mailbox unavailable" may be a policy."""

_RATE: Final = re.compile(
    r"\b(rate|throttl\w+|too (many|much|fast|frequent\w*)|slow down|(sending|hourly|daily) limit)\b"
)
_OF_CONNECTION: Final = re.compile(r"\b(on|per|in) (this|the same|one|a single) (connection|session)\b")
"""Another connection is all that it takes."""
_GREYLIST: Final = re.compile(r"gr[ae]y-?list")
_NO_RELAY: Final = re.compile(
    r"\b(relay(ing)? (access )?(is )?(denied|not (permitted|allowed)|prohibited)"
    r"|(unable|not permitted|not allowed|do not) (to )?relay)\b"
)

_MEANINGS: Final = {
    "1.1": "there is no such mailbox",
    "1.2": "there is no such mail domain",
    "1.3": "the address is not possible",
    "1.6": "the mailbox has moved",
    "1.7": "the sender's address is not possible",
    "1.8": "the sender's domain is not possible",
    "1.10": "the domain takes no mail",
    "2.1": "the mailbox is disabled",
    "2.2": "the mailbox is full",
    "2.3": "the mail is too large for the mailbox",
    "3.4": "the mail is too large",
    "7.0": "refused by a rule, or a login is needed",
    "7.1": "refused by a rule of the server",
    "7.8": "the credentials are wrong",
    "7.20": "no DKIM signature passes",
    "7.21": "no DKIM signature is acceptable",
    "7.22": "no DKIM signature is of the author's domain",
    "7.23": "SPF fails",
    "7.24": "the SPF record has an error",
    "7.25": "the sending host's name and address do not match",
    "7.26": "neither SPF nor DKIM proves the sender",
    "7.27": "the sender's domain takes no mail",
    "7.28": "too much mail, or too much of it unwanted",
    "7.29": "the mail must come over TLS",
    "7.515": "SPF, DKIM and DMARC must all be set up",
}
"""IANA, "Simple Mail Transfer Protocol Enhanced Status Codes", and the large providers' own pages."""


def failure(stage: Stage, code: int, text: str) -> Failure:
    """The failure that a reply means. The server's text is read, and never repeated: it quotes addresses."""
    subject = _enhanced(code, text)
    said = f"{code // 100}.{subject}" if subject else f"smtp-{code}"
    told = _told(stage, code, subject)
    words = _without_addresses(text)
    if code == 421 and not (stage in _TOLD_TO_WHOM and _is_rate(stage, subject, words)):
        return TransientFailure(said, told)
    if _is_set_up(stage, code, subject, words):
        return ChannelMisconfigured(said, told)
    if 400 <= code < 500:
        return _too_much(stage, said, told) if _is_rate(stage, subject, words) else TransientFailure(said, told)
    if 500 <= code < 600:
        return _refusal(stage, code, subject, words)(said, told)
    if stage == "content":
        return OutcomeUnknown(said, told)
    return TransientFailure(said, told)


def _too_much(stage: Stage, said: str, told: str) -> RateLimited:
    """Before it knows the destination, a server can only mean us."""
    return RateLimited(_PAUSE_S, said, told, scope="message" if stage in _TOLD_TO_WHOM else "channel")


def _enhanced(code: int, text: str) -> str | None:
    """Subject and detail of the enhanced status code, `1.1` of `5.1.1`; None where there is none that fits."""
    for line in text.splitlines():
        found = _ENHANCED.match(line.strip())
        if found is not None and found["kind"] == str(code // 100):
            return f"{int(found['subject'])}.{int(found['detail'])}"
    return None


def _told(stage: Stage, code: int, subject: str | None) -> str:
    number = f"{code} {code // 100}.{subject}" if subject else str(code)
    meaning = f": {_MEANINGS[subject]}" if subject in _MEANINGS else ""
    return f"the server answered {number} to {stage}{meaning}"


def _without_addresses(text: str) -> str:
    """The text's words, so that nobody's address is taken for the server's opinion."""
    return " ".join(re.sub(r"\S*@\S*", " ", text).lower().split())


def _is_set_up(stage: Stage, code: int, subject: str | None, words: str) -> bool:
    """Whether it is us whom the server refuses, so that the next mail would fare no better."""
    if code in _LOGIN_WANTED:
        return True
    if code < 500:
        return False
    if stage == "MAIL":
        # At this point the server knows nothing of the mail but its size and its kind of addresses.
        is_about_the_mail = code == 552 or subject in _TOO_LARGE or (subject or "").startswith("6.")
        return not is_about_the_mail
    if stage in _TRANSACTION:
        return (subject is None or subject.startswith("7.")) and _NO_RELAY.search(words) is not None
    return True


def _is_rate(stage: Stage, subject: str | None, words: str) -> bool:
    if stage not in _TRANSACTION or _GREYLIST.search(words) or _OF_CONNECTION.search(words):
        return False
    if subject is not None and subject.startswith("2."):
        return False  # that one mailbox gets too much; nobody else's mail should wait for it
    return (subject is not None and subject.startswith("7.")) or _RATE.search(words) is not None


def _refusal(stage: Stage, code: int, subject: str | None, words: str) -> type[PermanentFailure | TransientFailure]:
    if subject in _NOBODY:
        return RecipientGone
    if subject is None and stage == "RCPT" and code in (550, 551, 553) and _UNKNOWN_USER.search(words):
        return RecipientGone
    # RFC 5321, 4.5.3.1.10: 552 to a recipient is meant as 452.
    if subject == "2.2" or (subject is None and stage == "RCPT" and code == 552):
        return TransientFailure
    return PermanentFailure
