"""What the pages say, in the languages they say it in."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from gateway.api.pages.texts import de, en, es, fr, it, ru
from gateway.api.pages.texts.shape import Texts
from gateway.domain.languages import DEFAULT, language_of

__all__ = ["LANGUAGES", "Texts", "language_wished", "version_of"]

LANGUAGES: Final[Mapping[str, Texts]] = {
    "en": en.TEXTS,
    "it": it.TEXTS,
    "ru": ru.TEXTS,
    "de": de.TEXTS,
    "fr": fr.TEXTS,
    "es": es.TEXTS,
}


def language_wished(accept_language: str) -> str:
    """The first language of an Accept-Language header that the pages speak; its weights come in order anyway."""
    wished = (language_of(each.partition(";")[0]) for each in accept_language[:200].split(","))
    return next((language for language in wished if language), DEFAULT)


def version_of(page: str, language: str, agreed: str) -> str:
    """The name of a text that somebody agreed to, for the ledger: another text has another name."""
    return f"{page}:{language}:{sha256(agreed.encode()).hexdigest()[:12]}"
