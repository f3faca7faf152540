"""The way out (RFC 8058): one POST, with no login and no question asked. Looking at it changes nothing."""

from typing import Any, Final

from litestar import Response, get, post
from msgspec import Struct

from gateway.api.operations import public
from gateway.api.pages import html
from gateway.api.pages.errors import Missing
from gateway.api.pages.texts import LANGUAGES
from gateway.api.pages.visits import language_for
from gateway.api.rooms import Here, InPath, Rooms, Visit
from gateway.domain.languages import messages_in
from gateway.domain.tokens import BadToken, MessageRef
from gateway.services import track
from gateway.services.installation import Installation
from gateway.storage import merges, recipients, sends
from gateway.storage.database import Transaction

_LISTED: Final[dict[str, Any]] = {"listed": False}


class Leaving(Struct, frozen=True, kw_only=True):
    """What somebody is about to leave, and the language they read."""

    locale: str | None
    purpose: str
    channel: str


@get("/u/{token:str}", opt=public("Ask whether to unsubscribe", **_LISTED))
async def ask(request: Visit, token: InPath, rooms: Here) -> Response[str]:
    leaving = await rooms.db.read(_leaving, _ref(rooms, token))
    language = language_for(request, leaving.locale)
    texts = LANGUAGES[language]
    question = html.sentence(_told(texts.unsubscribe_ask, rooms.installation, language, leaving))
    return html.page(language, texts.unsubscribe_title, [question, html.button(texts.unsubscribe_button)])


@post("/u/{token:str}", opt=public("Unsubscribe", **_LISTED))
async def leave(request: Visit, token: InPath, rooms: Here) -> Response[str]:
    ref = _ref(rooms, token)
    body = await request.body()
    # A mail program sends this pair, as a form of either kind; our button sends nothing.
    source = "one-click" if b"List-Unsubscribe" in body and b"One-Click" in body else "unsubscribe-page"
    if not await rooms.db.write_urgently(track.unsubscribe, rooms.installation, ref, source):
        raise Missing
    leaving = await rooms.db.read(_leaving, ref)
    language = language_for(request, leaving.locale)
    texts = LANGUAGES[language]
    done = html.sentence(_told(texts.unsubscribed, rooms.installation, language, leaving))
    return html.page(language, texts.unsubscribed_title, [done])


def _ref(rooms: Rooms, token: str) -> MessageRef:
    try:
        return rooms.installation.keys.open_ref("unsubscribe", token)
    except BadToken:
        raise Missing from None


def _leaving(tx: Transaction, ref: MessageRef) -> Leaving:
    key = merges.follow(tx, ref.key)
    send = sends.get(tx, [key]).get(key)
    person = recipients.profiles(tx, [key.recipient_id]).get(key.recipient_id)
    if send is None:
        raise Missing
    return Leaving(locale=person.locale if person else None, purpose=send.purpose, channel=ref.channel)


def _told(text: str, installation: Installation, language: str, leaving: Leaving) -> str:
    capabilities = installation.channels.get(leaving.channel)
    kind = capabilities.address_kind if capabilities else None
    return text.format(messages=messages_in(language, [leaving.purpose], leaving.channel, kind))


HANDLERS: Final = (ask, leave)
