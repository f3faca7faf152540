"""Why a mail did not arrive: one table, asked in its order (RFC 3463, IANA's registry, and what servers write)."""

import re
from typing import Final, Literal

from msgspec import Struct

Fault = Literal["gone", "unwell", "refused", "unfit"]
"""`gone`: the address is dead. `unwell`: full, disabled, not reached, or nobody knows. `refused`: because of us.
`unfit`: what we sent could not be taken, by anybody or by this system."""

_ANY: Final = r".*"
_VAGUE: Final = r"[45]\.(0\.\d+|[1-6]\.0)|\d{3}|"
"""A status that names no reason (`x.0.0`, `x.1.0` and the like), a plain reply code, or none. `x.7.0` is a policy."""

_VAGUE_FOR_GOOD: Final = r"5\.(0\.\d+|[1-6]\.0)|5\d\d|"

_NOBODY: Final = (
    r"\b(no such (user|mailbox|recipient|person|account|address)|no mailbox here by that name"
    r"|((user|recipient|mailbox|account|address|inbox)( that you tried to reach)? (is )?"
    r"(unknown|not found|does(n't| not) exist|not known|no longer (exists|valid)))"
    r"|(unknown|invalid|non-?existent) (user|recipient|mailbox|local[- ]part|account|address)"
    r"|user doesn't have an? \S+ account|not a (valid|known) (user|mailbox|recipient)|recip(ient)?notfound)\b"
)
_NOWHERE: Final = (
    r"\b(host (or domain name )?(is )?(unknown|not found)|unknown host|name or service not known|nxdomain"
    r"|(couldn't|could not) find any host named|non-?existent ?domain|no such domain"
    r"|unroute?able (mail )?(domain|address)|domain( \S+)? (does(n't| not) exist|not found)"
    r"|(takes|accepts) no mail|null ?mx)\b"
)
_FULL: Final = (
    r"\b(mailbox( is)?( too)? full|(over|exceed(s|ed|ing)?)( \w+){0,3} (quota|storage|mailbox size)|quota exceeded"
    r"|out of (quota|storage)|insufficient (disk|storage|system storage)|mailbox size limit)\b"
)
_ASLEEP: Final = (
    r"\b((mailbox|account|user|inbox)( that you tried to reach)? (is |has been )?"
    r"(disabled|inactive|suspended|locked|deactivated|dormant|unavailable)|not accepting (mail|messages))\b"
)
_POLICY: Final = (
    r"\b(spam|unsolicited|black ?list\w*|block ?list\w*|deny ?list\w*|blocked|listed (at|by|in|on)|dnsbl|rbl|spamhaus"
    r"|reputation|policy|polic(ies|y reasons)|dmarc|dkim|spf|unauthenticated|access denied|not authori[sz]ed|banned"
    r"|relay(ing)? (access )?(is )?(denied|not (permitted|allowed))|gr[ae]y-?list\w*)\b"
)
_TOO_LARGE: Final = (
    r"\b((message|mail)( size)? (exceeds|too (large|big))|size (limit|exceeds)|maximum (message )?size)\b"
)
_EXPIRED: Final = (
    r"\b(retry time ?out exceeded|retry time not reached|(in|on) the queue too long|delivery time expired"
    r"|message expired|(could not|couldn't) be delivered (for|within|after))\b"
)
_NOT_REACHED: Final = (
    r"\b(connection (refused|timed out|reset|dropped|died)|timed? ?out|no (answer|route)|unreachable"
    r"|(couldn't|could not|wasn't able to|unable to) (connect|establish an smtp connection|contact))\b"
)


class Cause(Struct, frozen=True, kw_only=True):
    """A row: what it says where `code` matches the whole status or reply code and `words` are found in the text.

    `sample` is a report's Status and Diagnostic-Code that ends at this very row.
    """

    code: str = _ANY
    words: str = ""
    fault: Fault
    meaning: str
    source: str
    sample: tuple[str, str]


def cause_of(code: str, words: str) -> Cause:
    """The first row that fits. `words` are in lower case, without addresses; the last row fits everything."""
    return next(
        cause for cause, code_form, words_form in _COMPILED if code_form.fullmatch(code) and words_form.search(words)
    )


_REGISTRY: Final = "IANA, SMTP Enhanced Status Codes"
_SEEN: Final = "as written by servers; matched in words because no code says it"

CAUSES: Final = (
    Cause(
        code=r"5\.1\.[123]",
        words=rf"^(?!.*{_NOBODY}).*{_POLICY}",
        fault="refused",
        meaning="refused by a rule of the server",
        source="Sendmail makes 5.1.1 of any reply 550 that has no status of its own",
        sample=("5.1.1", "SMTP; 550 mail from 192.0.2.7 blocked, see our policy"),
    ),
    Cause(
        code=r"5\.1\.1",
        words=rf"^smtp; ?5\d\d[ -](?!\d\.\d+\.\d)(?!.*{_NOBODY})(?!.*{_NOWHERE})",
        fault="unwell",
        meaning="refused by the server there, which gives no reason",
        source="Sendmail again: a false `gone` costs an address, a false `unwell` is put right by the count",
        sample=("5.1.1", "SMTP; 550 Requested action not taken"),
    ),
    Cause(
        code=r"5\.1\.1",
        fault="gone",
        meaning="there is no such mailbox",
        source=_REGISTRY,
        sample=("5.1.1", "smtp; 550 5.1.1 User unknown"),
    ),
    Cause(
        code=r"5\.1\.2",
        fault="gone",
        meaning="there is no such mail domain",
        source=_REGISTRY,
        sample=("5.1.2", "smtp; 550 Host unknown"),
    ),
    Cause(
        code=r"5\.1\.3",
        fault="gone",
        meaning="the address is not possible",
        source=_REGISTRY,
        sample=("5.1.3", "smtp; 501 5.1.3 Bad recipient address syntax"),
    ),
    Cause(
        code=r"5\.1\.6",
        fault="gone",
        meaning="the mailbox has moved",
        source=_REGISTRY,
        sample=("5.1.6", "smtp; 551 5.1.6 mailbox has moved"),
    ),
    Cause(
        code=r"5\.1\.10",
        words=r"recipientnotfound|recipient not found",
        fault="gone",
        meaning="there is no such mailbox",
        source="Microsoft, non-delivery reports: 5.1.10 is an address that its directory does not know",
        sample=("5.1.10", "smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"),
    ),
    Cause(
        code=r"5\.1\.10",
        fault="gone",
        meaning="the domain takes no mail",
        source="RFC 7505 4.1",
        sample=("5.1.10", "smtp; 556 5.1.10 Recipient address has a null MX"),
    ),
    Cause(
        code=r"[45]\.1\.[78]",
        fault="refused",
        meaning="the sender's address or domain is not accepted",
        source=_REGISTRY,
        sample=("5.1.8", "smtp; 553 5.1.8 Sender address rejected: Domain not found"),
    ),
    Cause(
        code=r"5\.4\.(4|310|0)",
        words=_NOWHERE,
        fault="gone",
        meaning="there is no such mail domain",
        source="Postfix and Exchange say 5.4.x of a domain that the DNS denies; an unwell DNS is 4.4.x",
        sample=("5.4.4", "X-Postfix; Host or domain name not found. Name service error: Host not found"),
    ),
    Cause(
        code=r"[45]\.2\.1",
        fault="unwell",
        meaning="the mailbox is disabled",
        source=f"{_REGISTRY}; Gmail says so of accounts that come back",
        sample=("5.2.1", "smtp; 550 5.2.1 The email account that you tried to reach is inactive"),
    ),
    Cause(
        code=r"[45]\.2\.2",
        fault="unwell",
        meaning="the mailbox is full",
        source=_REGISTRY,
        sample=("5.2.2", "smtp; 552 5.2.2 Mailbox full"),
    ),
    Cause(
        code=r"[45]\.2\.3",
        fault="unfit",
        meaning="the mail is too large for the mailbox",
        source=_REGISTRY,
        sample=("5.2.3", "smtp; 552 5.2.3 Message exceeds the mailbox's limit"),
    ),
    Cause(
        code=r"[45]\.3\.4",
        fault="unfit",
        meaning="the mail is too large",
        source=_REGISTRY,
        sample=("5.3.4", "smtp; 552 5.3.4 Message size exceeds fixed limit"),
    ),
    Cause(
        code=r"[45]\.4\.(7|316)",
        fault="unwell",
        meaning="not delivered in the time that the servers keep trying",
        source=f"{_REGISTRY}; counted against the address, because a dead server is known by nothing else",
        sample=("4.4.7", "smtp;400 4.4.7 Message delayed"),
    ),
    Cause(
        code=r"[45]\.7\.\d+",
        words=r"gr[ae]y-?list",
        fault="unwell",
        meaning="put off, and not taken when it came again",
        source="greylisting servers answer 4.7.1 or 4.2.0",
        sample=("4.7.1", "smtp; 451 4.7.1 Greylisting in action, please come back later"),
    ),
    Cause(
        code=r"[45]\.7\.\d+",
        fault="refused",
        meaning="refused by a rule of the server",
        source=f"{_REGISTRY}; RFC 7372; Gmail and Microsoft refuse senders with 7.x",
        sample=("5.7.26", "smtp; 550-5.7.26 This mail has been blocked because the sender is unauthenticated"),
    ),
    # From here on: texts, where no code gives a reason.
    Cause(
        code=_VAGUE_FOR_GOOD,
        words=_NOBODY,
        fault="gone",
        meaning="there is no such mailbox",
        source=f"{_SEEN}; qmail, Sendmail and Yahoo among them",
        sample=("5.0.0", "smtp; 550 no such user here"),
    ),
    Cause(
        code=_VAGUE_FOR_GOOD,
        words=_NOWHERE,
        fault="gone",
        meaning="there is no such mail domain",
        source=f"{_SEEN}; Exim has no other word for a domain without servers",
        sample=("5.0.0", "Unrouteable address"),
    ),
    Cause(
        code=_VAGUE,
        words=_EXPIRED,
        fault="unwell",
        meaning="not delivered in the time that the servers keep trying",
        source=f"{_SEEN}; Exim and qmail",
        sample=("5.0.0", "smtp; 451 try again later: retry timeout exceeded"),
    ),
    Cause(
        code=_VAGUE,
        words=_FULL,
        fault="unwell",
        meaning="the mailbox is full",
        source=_SEEN,
        sample=("5.0.0", "smtp; 550 over quota"),
    ),
    Cause(
        code=_VAGUE,
        words=_TOO_LARGE,
        fault="unfit",
        meaning="the mail is too large",
        source=_SEEN,
        sample=("5.0.0", "smtp; 552 message size exceeds maximum"),
    ),
    Cause(
        code=_VAGUE,
        words=_POLICY,
        fault="refused",
        meaning="refused by a rule of the server",
        source=_SEEN,
        sample=("5.0.0", "smtp; 554 blocked using a block list"),
    ),
    Cause(
        code=_VAGUE,
        words=_ASLEEP,
        fault="unwell",
        meaning="the mailbox is disabled",
        source=f"{_SEEN}; RFC 5321's own `mailbox unavailable` says no more",
        sample=("5.5.0", "smtp; 550 Requested action not taken: mailbox unavailable"),
    ),
    Cause(
        code=_VAGUE,
        words=_NOT_REACHED,
        fault="unwell",
        meaning="no server of the domain was reached",
        source=_SEEN,
        sample=("", "Sorry, I wasn't able to establish an SMTP connection."),
    ),
    # And by the subject alone.
    Cause(
        code=r"[45]\.[124]\.\d+",
        fault="unwell",
        meaning="not delivered, for a reason that lies with the address or the way there",
        source="RFC 3463 3.2, 3.3, 3.5",
        sample=("5.4.1", "smtp; 550 5.4.1 All recipient addresses rejected"),
    ),
    Cause(
        code=r"[45]\.3\.\d+",
        fault="unwell",
        meaning="the mail system there is unwell",
        source="RFC 3463 3.4",
        sample=("4.3.0", "smtp; 451 4.3.0 try again later"),
    ),
    Cause(
        code=r"[45]\.[56]\.[1-9]\d*",
        fault="unfit",
        meaning="the servers could not agree on how to hand the mail over",
        source="RFC 3463 3.6, 3.7",
        sample=("5.6.7", "X-Postfix; SMTPUTF8 is required, but was not offered"),
    ),
    Cause(
        code=r"552",
        fault="unwell",
        meaning="the mailbox is full",
        source="RFC 5321 4.2.2",
        sample=("", "smtp; 552 no"),
    ),
    Cause(
        fault="unwell",
        meaning="not delivered; the report gives no reason",
        source="an address that fails again and again without a word is given up by the count of its failures",
        sample=("5.0.0", ""),
    ),
)

_COMPILED: Final = tuple((cause, re.compile(cause.code), re.compile(cause.words)) for cause in CAUSES)
