"""Where the ways out of a test message lead: to a page that says so, and changes nothing."""

from typing import Any, Final

from litestar import Response, get, post

from gateway.api.operations import public
from gateway.api.pages import html
from gateway.api.pages.errors import Missing
from gateway.api.pages.texts import LANGUAGES
from gateway.api.pages.visits import language_for
from gateway.api.rooms import InPath, Visit

_LISTED: Final[dict[str, Any]] = {"listed": False}
_WAYS: Final = frozenset({"unsubscribe", "preferences", "coupon"})


@get("/t/{way:str}", opt=public("A link of a test message", **_LISTED))
async def look(request: Visit, way: InPath) -> Response[str]:
    return _page(request, way)


@post("/t/{way:str}", opt=public("One click in a test message", **_LISTED), status_code=200)
async def click(request: Visit, way: InPath) -> Response[str]:
    return _page(request, way)


def _page(request: Visit, way: str) -> Response[str]:
    if way not in _WAYS:
        raise Missing
    language = language_for(request, None)
    texts = LANGUAGES[language]
    return html.page(language, texts.test_title, [html.sentence(texts.test_told)])


HANDLERS: Final = (look, click)
