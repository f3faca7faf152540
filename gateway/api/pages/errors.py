"""Errors as people see them."""

from collections.abc import Callable
from typing import Any

from litestar import Request, Response

from gateway.api.pages import html
from gateway.api.pages.texts import LANGUAGES, language_wished
from gateway.api.problems import answer_to


class Missing(Exception):
    """A link that leads nowhere: cut short, made up, or of a message that never was."""


def exception_handlers() -> dict[int | type[Exception], Callable[..., Response[Any]]]:
    return {Missing: _missing, Exception: _away}


def _missing(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    language = language_wished(request.headers.get("accept-language", ""))
    texts = LANGUAGES[language]
    return html.page(language, texts.missing_title, [html.sentence(texts.missing)], 404)


def _away(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    answer = answer_to(error)
    language = language_wished(request.headers.get("accept-language", ""))
    texts = LANGUAGES[language]
    page = html.page(language, texts.away_title, [html.sentence(texts.away)], answer.status)
    page.headers.update(answer.headers)
    return page
