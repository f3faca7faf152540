"""What a person wrote, and what only looks like it: automatic answers (RFC 3834), receipts, mail of lists."""

import re
from html import unescape
from typing import Final

from channels.email.address import BadAddress, mailbox
from channels.email.inbound.parts import Part, decoded

_LONGEST_TEXT_CHARS: Final = 10_000

_AUTOMATIC_PRECEDENCE: Final = frozenset({"auto_reply", "auto-reply", "bulk", "junk", "list"})
_MARKS: Final = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-response", "x-vacation", "list-id")

_SUBJECT: Final = re.compile(
    r"\s*(auto(matic|mated)?[ -]?(reply|response|answer)\b|autoreply|out of( the)? office\b|vacation reply"
    r"|risposta automatica|fuori sede|assente|réponse automatique|absence du bureau|respuesta automática"
    r"|fuera de la oficina|resposta automática|automatische antwort|abwesenheits\w*|abwesend|automatisch antwoord"
    r"|afwezig\b|autosvar|frånvaro|automatyczna odpowiedź|odpowiedź automatyczna|nieobecno\w+|автоответ"
    r"|автоматический ответ"
    r"|αυτόματη απάντηση|εκτός γραφείου|αυτόματη απόκριση|تلقائي|מענה אוטומטי)",
    re.IGNORECASE,
)
"""How subjects of absence notes begin, for programs that mark them in no other way."""

_QUOTE_BEGINS: Final = re.compile(
    r"""(?mx)
    ^\s{0,3}>                                                   # a quoted line
    | ^[ \t]*-{2,}\s*(original|forwarded|ursprüngliche|messaggio|message|mensaje|исходное|wiadomość)\b.*$   # Outlook
    | ^[ \t]*_{10,}[ \t]*$                                      # Outlook's line
    | ^[ \t]*(From|Da|De|Von|Od|От|Από|Van|Från)[ ]?:[ ].*@.*$  # a header block
    # "On ... somebody wrote:", a line with a date or an address in it, right before what is quoted
    | ^[^\n]{0,200}[@\d][^\n]{0,200}:[ \t]*\n+[ \t]*>
    # the same in one line or two, where what is quoted is not marked
    | ^(On|Il|Le|El|Am|Em|Op|Den|W[ ]dniu|Dnia|Στις)\b.{0,200}(\n.{0,200})?
      (wrote|scritto|écrit|escribió|schrieb|escreveu|schreef|skrev|napisał\(?a?\)?|έγραψε)[^\n]{0,100}:[ \t]*$
    """,
    re.IGNORECASE,
)
_SIGNATURE: Final = re.compile(r"(?m)^-- ?$")
_ENCODED: Final = re.compile(r"=\?([A-Za-z0-9_-]{1,30})(?:\*[A-Za-z-]*)?\?([BbQq])\?([^?\s]*)\?=(?:\s+(?==\?))?")
_TAG: Final = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
_HIDING: Final = frozenset({"blockquote", "head", "script", "style"})
_BREAKING: Final = frozenset({"br", "div", "li", "p", "tr"})
_COMMENT: Final = re.compile(r"\([^()]*\)")


def is_automatic(mail: Part) -> bool:
    """Whether a program wrote it of its own accord: an absence note, a receipt, a mail to many."""
    if mail.header("auto-submitted").strip().lower().split(";")[0].strip() not in ("", "no"):
        return True
    if mail.header("precedence").strip().lower() in _AUTOMATIC_PRECEDENCE:
        return True
    return any(mail.header(mark) for mark in _MARKS) or is_receipt(mail) or bool(_SUBJECT.match(subject(mail)))


def answers_by_itself(mail: Part) -> bool:
    """Whether it answers a mail without a person (RFC 3834 5). What a mail program sends because a person pressed
    a button, such as a request to unsubscribe, may call itself `auto-generated`."""
    told = mail.header("auto-submitted").strip().lower()
    return told.startswith("auto-replied") or is_receipt(mail) or bool(_SUBJECT.match(subject(mail)))


def is_receipt(mail: Part) -> bool:
    """Whether it tells that a mail was displayed or deleted (MDN, RFC 8098)."""
    return any(part.kind.endswith("disposition-notification") for part in mail.walk())


def subject(mail: Part) -> str:
    """The subject, its encoded words (RFC 2047) decoded."""
    return _ENCODED.sub(_decoded_word, mail.header("subject")[:2000])


def sender(mail: Part) -> str | None:
    """The normalised address that it says it is from; None unless it is exactly one."""
    values = mail.headers.get("from", ())
    if len(values) != 1:
        return None
    bare = _COMMENT.sub("", re.sub(r'"(?:[^"\\]|\\.)*"', "", values[0][:1000])).strip()
    inside = re.findall(r"<([^<>]*)>", bare)
    candidates = inside or bare.split(",")
    if len(candidates) != 1:
        return None
    try:
        return str(mailbox(candidates[0].strip()))
    except BadAddress:
        return None


def own_words(mail: Part) -> str:
    """What the writer added: the text without the mail that it answers, and without a signature."""
    text = _text(mail).replace("\r\n", "\n")[:100_000]
    for ends in (_QUOTE_BEGINS, _SIGNATURE):
        found = ends.search(text)
        text = text[: found.start()] if found else text
    return text.strip()[:_LONGEST_TEXT_CHARS]


def _text(mail: Part) -> str:
    leaves = [part for part in mail.walk() if not part.parts]
    for part in leaves:
        if part.kind == "text/plain":
            return part.text()
    return next((_without_markup(part.text()) for part in leaves if part.kind == "text/html"), "")


def _without_markup(page: str) -> str:
    """The text of a page, without what it quotes."""
    words: list[str] = []
    hidden = 0
    for piece in re.split(r"(<[^<>]*>)", page[:100_000]):
        tag = _TAG.match(piece)
        if tag is None:
            words.append("" if hidden else unescape(piece))
        elif tag[2].lower() in _HIDING:
            hidden = max(hidden - 1, 0) if tag[1] else hidden + 1
        elif tag[2].lower() in _BREAKING:
            words.append("\n")
    return "".join(words)


def _decoded_word(match: re.Match[str]) -> str:
    charset, way, coded = match[1], match[2].lower(), match[3].encode("ascii", "replace")
    transfer = "base64" if way == "b" else "quoted-printable"
    raw = coded if way == "b" else coded.replace(b"_", b" ")
    part = Part(headers={"content-transfer-encoding": (transfer,)}, kind="text/plain", parameters={}, body=raw)
    return decoded(part.content(), charset)
