"""The message of a double opt-in: one question and one link, in every language that the gateway speaks.

It names nobody and repeats nothing that was typed into a form: forms are also filled in to make us
carry somebody's words to somebody else.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from gateway.contract import Part
from gateway.domain.job import Variants

LINK: Final = "confirm_url"
"""The variable that holds the link."""
MESSAGES: Final = "messages"
"""The variable that says what is asked, in the recipient's language."""


class Question(Struct, frozen=True, kw_only=True):
    """The sentences of one language. `{messages}` is what somebody would get."""

    title: str
    ask: str
    how: str
    ignore: str


_QUESTIONS: Final[Mapping[str, Question]] = {
    "en": Question(
        title="Please confirm",
        ask="Somebody, probably you, asked us to send you {messages}.",
        how="If that is what you want, please confirm it here:",
        ignore="If not, do nothing: we will not write.",
    ),
    "it": Question(
        title="Conferma la tua richiesta",
        ask="Qualcuno, probabilmente tu, ci ha chiesto di inviarti {messages}.",
        how="Se è quello che desideri, confermalo qui:",
        ignore="Altrimenti non fare nulla: non ti scriveremo.",
    ),
    "ru": Question(
        title="Подтвердите, пожалуйста",
        ask="Кто-то, вероятно вы, попросил присылать вам {messages}.",
        how="Если вы этого хотите, подтвердите это здесь:",
        ignore="Если нет, ничего не делайте: мы не будем писать.",
    ),
    "de": Question(
        title="Bitte bestätigen Sie",
        ask="Jemand, vermutlich Sie, hat uns gebeten, Ihnen {messages} zu schicken.",
        how="Wenn Sie das wünschen, bestätigen Sie es bitte hier:",
        ignore="Wenn nicht, tun Sie einfach nichts: Wir schreiben Ihnen dann nicht.",
    ),
    "fr": Question(
        title="Merci de confirmer",
        ask="Quelqu’un, sans doute vous, nous a demandé de vous envoyer {messages}.",
        how="Si vous le souhaitez, confirmez-le ici :",
        ignore="Sinon, ne faites rien : nous ne vous écrirons pas.",
    ),
    "es": Question(
        title="Confirme, por favor",
        ask="Alguien, probablemente usted, nos ha pedido que le enviemos {messages}.",
        how="Si es lo que desea, confírmelo aquí:",
        ignore="Si no, no haga nada: no le escribiremos.",
    ),
}


def confirmation(parts: Mapping[str, Part]) -> Variants | None:
    """The question as content for a channel with these parts; None where they have no room for text and link."""
    if not any(part.kind in ("text", "html") for part in parts.values()):
        return None
    used = _used(parts)
    return {
        language: {name: _source(part, question) for name, part in used.items()}
        for language, question in _QUESTIONS.items()
    }


def _used(parts: Mapping[str, Part]) -> Mapping[str, Part]:
    """All but addresses of something else: the first one is where a click leads, another may be that of a picture."""
    first = next((name for name, part in parts.items() if part.kind == "url"), None)
    return {name: part for name, part in parts.items() if part.kind != "url" or part.required or name == first}


def _source(part: Part, question: Question) -> str:
    messages, link = f"{{{{ vars.{MESSAGES} }}}}", f"{{{{ vars.{LINK} }}}}"
    ask = question.ask.format(messages=messages)
    match part.kind:
        case "line":
            return question.title
        case "url":
            return link
        case "text":
            return f"{ask} {question.how} {link}\n\n{question.ignore}"
        case "html":
            # Named by its own address: what a link says and where it leads must agree.
            return f'<p>{ask}</p><p>{question.how}<br><a href="{link}">{link}</a></p><p>{question.ignore}</p>'
