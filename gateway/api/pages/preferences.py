"""The page of a person's own choices. The signed link is all it takes; looking at it changes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from babel.dates import format_datetime
from litestar import Response, get, post

from gateway.api.operations import public
from gateway.api.pages import html
from gateway.api.pages.errors import Missing
from gateway.api.pages.texts import LANGUAGES, Texts, version_of
from gateway.api.pages.visits import evidence_of, form_of, language_for
from gateway.api.problems import Refusal
from gateway.api.rooms import Here, InPath, Rooms, Visit
from gateway.domain.languages import purpose_in, way_in
from gateway.domain.preferences import Choice, OwnCap, Proof
from gateway.domain.tokens import BadToken, MessageRef
from gateway.services import compose, preferences
from gateway.services.installation import Installation
from gateway.services.preferences import Pair, Standing
from gateway.services.rules import zone_of
from gateway.storage.database import Transaction

PAUSES_DAYS: Final = (30, 60, 90)
CAPS: Final[Mapping[str, OwnCap | None]] = {
    "none": None,
    "week": OwnCap(max=1, window=timedelta(days=7)),
    "month": OwnCap(max=1, window=timedelta(days=30)),
}
_KEEP: Final = "keep"

Fields = Mapping[str, Sequence[str]]


@get("/p/{token:str}", opt=public("What a person gets, and how", listed=False))
async def show(request: Visit, token: InPath, rooms: Here) -> Response[str]:
    standing = await rooms.db.read(preferences.standing, rooms.installation, _ref(rooms, token).recipient_id)
    return _page(request, rooms.installation, standing)


@post("/p/{token:str}", opt=public("Change what a person gets", listed=False))
async def change(request: Visit, token: InPath, rooms: Here) -> Response[str]:
    ref, fields = _ref(rooms, token), await form_of(request)
    before = await rooms.db.read(preferences.standing, rooms.installation, ref.recipient_id)
    if before is None:
        raise Missing
    language = language_for(request, before.locale)
    proof = _proof(request, rooms.installation, ref, language)
    after = await rooms.db.write_urgently(_do, rooms.installation, ref.recipient_id, fields, proof)
    texts = LANGUAGES[language]
    return _page(
        request, rooms.installation, after, texts.stopped if _asked(fields) == "stop" else texts.preferences_saved
    )


def _ref(rooms: Rooms, token: str) -> MessageRef:
    try:
        return rooms.installation.keys.open_ref("preferences", token)
    except BadToken:
        raise Missing from None


def _proof(request: Visit, installation: Installation, ref: MessageRef, language: str) -> Proof:
    """The sentence above the boxes is what is agreed to; the message whose link was followed says who they are."""
    version = version_of(preferences.SOURCE, language, LANGUAGES[language].choices_agree)
    came_from = {"message": compose.send_id(installation, ref.key)} if ref.job_id else {}
    return Proof(text_version=version, evidence=evidence_of(request) | came_from)


def _do(
    tx: Transaction, installation: Installation, recipient_id: int, fields: Fields, proof: Proof
) -> Standing | None:
    """Raises Refusal for what the page does not offer."""
    match _asked(fields):
        case "choose":
            return preferences.choose(tx, installation, recipient_id, _changed(fields), proof)
        case "pause":
            days = _one_of(fields, "days", [str(days) for days in PAUSES_DAYS])
            return preferences.pause(tx, installation, recipient_id, timedelta(days=int(days)))
        case "resume":
            return preferences.pause(tx, installation, recipient_id, timedelta(0))
        case "limit":
            wish = _one_of(fields, "cap", [*CAPS, _KEEP])
            if wish == _KEEP:
                return preferences.standing(tx, installation, recipient_id)
            return preferences.limit(tx, installation, recipient_id, CAPS[wish])
        case "stop":
            return preferences.stop_everything(tx, installation, recipient_id, proof)
        case _:
            raise Refusal("bad-request", "the page offers no such thing")


def _asked(fields: Fields) -> str:
    return fields.get("do", [""])[-1]


def _one_of(fields: Fields, name: str, offered: Sequence[str]) -> str:
    value = fields.get(name, [""])[-1]
    if value not in offered:
        raise Refusal("bad-request", "the page offers no such thing")
    return value


def _changed(fields: Fields) -> dict[Pair, bool]:
    """What is otherwise than the page showed it: what was left alone may have changed elsewhere since."""
    shown, was, now = (set(fields.get(name, ())) for name in ("shown", "was", "on"))
    pairs = {name: name.partition("/") for name in shown if (name in was) != (name in now)}
    return {(purpose, channel): name in now for name, (purpose, _, channel) in pairs.items()}


def _page(request: Visit, installation: Installation, standing: Standing | None, news: str = "") -> Response[str]:
    if standing is None:
        raise Missing
    language = language_for(request, standing.locale)
    texts = LANGUAGES[language]
    parts = [
        *([html.news(news)] if news else []),
        *_choices(texts, language, standing.choices),
        *_pause(texts, installation, language, standing),
        *_cap(texts, standing.preferences.cap),
        html.heading(texts.stop_title),
        html.sentence(texts.stop_ask),
        html.form(html.hidden("do", "stop"), texts.stop_button),
        html.sentence(texts.preferences_always),
    ]
    return html.page(language, texts.preferences_title, parts)


def _choices(texts: Texts, language: str, choices: Sequence[Choice]) -> Iterator[str]:
    yield html.heading(texts.choices_title)
    if not choices:
        yield html.sentence(texts.choices_none)
        return
    yield html.sentence(texts.choices_agree)
    ordered = sorted(choices, key=lambda choice: choice.purpose)
    groups = [_group(language, purpose, list(of)) for purpose, of in groupby(ordered, lambda choice: choice.purpose)]
    yield html.form("".join([html.hidden("do", "choose"), *groups]), texts.save_button)


def _group(language: str, purpose: str, choices: Sequence[Choice]) -> str:
    title = purpose_in(language, purpose)
    fields = []
    for choice in choices:
        way = way_in(language, choice.channel, choice.address_kind)
        text = f"{way}, {choice.address}" if choice.address else way
        fields.append(html.hidden("shown", choice.name))
        if choice.is_on:
            fields.append(html.hidden("was", choice.name))
        fields.append(html.box("checkbox", "on", choice.name, text, is_on=choice.is_on))
    return html.group(title[:1].upper() + title[1:], fields)


def _pause(texts: Texts, installation: Installation, language: str, standing: Standing) -> Iterator[str]:
    yield html.heading(texts.pause_title)
    until = standing.preferences.paused_until
    if until is not None:
        yield html.sentence(texts.paused_until.format(when=_when(until, installation, language, standing)))
        yield html.form(html.hidden("do", "resume"), texts.pause_end_button)
        return
    spans = [
        html.box("radio", "days", str(days), texts.pause_days.format(days=days), is_on=days == PAUSES_DAYS[0])
        for days in PAUSES_DAYS
    ]
    yield html.form(html.hidden("do", "pause") + html.group(texts.pause_ask, spans), texts.pause_button)


def _when(at: datetime, installation: Installation, language: str, standing: Standing) -> str:
    zone = zone_of(installation, standing.time_zone)
    return str(format_datetime(at, "d MMMM y HH:mm", tzinfo=zone, locale=language))


def _cap(texts: Texts, cap: OwnCap | None) -> Iterator[str]:
    told = {"none": texts.cap_none, "week": texts.cap_week, "month": texts.cap_month}
    now = next((name for name, known in CAPS.items() if known == cap), _KEEP)
    if cap is not None and now == _KEEP:
        days = f"{cap.window / timedelta(days=1):g}"
        told[_KEEP] = texts.cap_other.format(max=cap.max, days=days)
    boxes = [html.box("radio", "cap", name, text, is_on=name == now) for name, text in told.items()]
    yield html.heading(texts.cap_title)
    yield html.form(html.hidden("do", "limit") + html.group(texts.cap_ask, boxes), texts.save_button)


HANDLERS: Final = (show, change)
