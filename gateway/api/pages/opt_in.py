"""The link of a double opt-in. Looking at it confirms nothing: filters follow every link in a mail."""

from typing import Final

from litestar import Response, get, post

from gateway.api.operations import public
from gateway.api.pages import html
from gateway.api.pages.errors import Missing
from gateway.api.pages.texts import LANGUAGES, version_of
from gateway.api.pages.visits import evidence_of, language_for
from gateway.api.rooms import Here, InPath, Rooms, Visit
from gateway.domain.languages import messages_in
from gateway.domain.preferences import Proof
from gateway.domain.tokens import BadToken
from gateway.services import opt_in, preferences
from gateway.services.installation import Installation
from gateway.services.opt_in import Question


@get("/o/{token:str}", opt=public("Ask to confirm a consent", listed=False))
async def ask(request: Visit, token: InPath, rooms: Here) -> Response[str]:
    found = await rooms.db.read(opt_in.look, rooms.installation, _id(rooms, token))
    return _page(request, rooms.installation, found)


@post("/o/{token:str}", opt=public("Confirm a consent", listed=False))
async def confirm(request: Visit, token: InPath, rooms: Here) -> Response[str]:
    id = _id(rooms, token)
    found = await rooms.db.read(opt_in.look, rooms.installation, id)
    if found is not None:
        language = language_for(request, found.locale)
        agreed = _asked(rooms.installation, language, found) + LANGUAGES[language].opt_in_agree
        proof = Proof(text_version=version_of("opt-in-page", language, agreed), evidence=evidence_of(request))
        found = await rooms.db.write_urgently(opt_in.confirm, rooms.installation, id, proof)
    return _page(request, rooms.installation, found)


def _id(rooms: Rooms, token: str) -> int:
    try:
        return rooms.installation.keys.open_id("opt_in", token)
    except BadToken:
        raise Missing from None


def _page(request: Visit, installation: Installation, found: Question | None) -> Response[str]:
    if found is None:
        raise Missing
    language = language_for(request, found.locale)
    texts = LANGUAGES[language]
    match found.state:
        case "open":
            ask = _asked(installation, language, found)
            parts = [html.sentence(ask), html.sentence(texts.opt_in_agree), html.button(texts.opt_in_button)]
            return html.page(language, texts.opt_in_title, parts)
        case "confirmed":
            told = texts.opted_in.format(messages=_messages(installation, language, found))
            change = html.link(preferences.url_of(installation, found.recipient_id), texts.preferences_link)
            return html.page(language, texts.opted_in_title, [html.sentence(told), change])
        case "over":
            return html.page(language, texts.opt_in_over_title, [html.sentence(texts.opt_in_over)], 410)


def _asked(installation: Installation, language: str, found: Question) -> str:
    return LANGUAGES[language].opt_in_ask.format(messages=_messages(installation, language, found))


def _messages(installation: Installation, language: str, found: Question) -> str:
    capabilities = installation.channels.get(found.channel)
    kind = capabilities.address_kind if capabilities else None
    return messages_in(language, found.purposes, found.channel, kind)


HANDLERS: Final = (ask, confirm)
