"""The languages in which the gateway itself speaks to recipients, and the words for why and how we write."""

from collections.abc import Iterable, Mapping
from typing import Final

from babel.lists import format_list
from msgspec import Struct

DEFAULT: Final = "en"


class Words(Struct, frozen=True, kw_only=True):
    """The words of one language. Other purposes and kinds of address are called as the operator calls them."""

    purposes: Mapping[str, str]
    ways: Mapping[str, str]
    """How a message comes, by kind of address."""


WORDS: Final[Mapping[str, Words]] = {
    "en": Words(
        purposes={"marketing": "offers and news", "service": "service messages", "survey": "surveys"},
        ways={"email": "by e-mail", "phone": "by text message", "webpush": "as notifications", "postal": "by post"},
    ),
    "it": Words(
        purposes={"marketing": "offerte e novità", "service": "messaggi di servizio", "survey": "sondaggi"},
        ways={"email": "via e-mail", "phone": "via SMS", "webpush": "come notifiche", "postal": "per posta"},
    ),
    "ru": Words(
        purposes={"marketing": "предложения и новости", "service": "сервисные сообщения", "survey": "опросы"},
        ways={"email": "по электронной почте", "phone": "по SMS", "webpush": "в уведомлениях", "postal": "по почте"},
    ),
    "de": Words(
        purposes={"marketing": "Angebote und Neuigkeiten", "service": "Servicenachrichten", "survey": "Umfragen"},
        ways={"email": "per E-Mail", "phone": "per SMS", "webpush": "als Benachrichtigungen", "postal": "per Post"},
    ),
    "fr": Words(
        purposes={
            "marketing": "nos offres et nos nouveautés",
            "service": "nos messages de service",
            "survey": "nos sondages",
        },
        ways={
            "email": "par e-mail",
            "phone": "par SMS",
            "webpush": "sous forme de notifications",
            "postal": "par courrier",
        },
    ),
    "es": Words(
        purposes={"marketing": "ofertas y novedades", "service": "mensajes de servicio", "survey": "encuestas"},
        ways={
            "email": "por correo electrónico",
            "phone": "por SMS",
            "webpush": "como notificaciones",
            "postal": "por correo postal",
        },
    ),
}


def language_of(locale: str | None) -> str | None:
    """The language of a locale, if the gateway speaks it."""
    language = (locale or "").replace("_", "-").partition("-")[0].strip().lower()
    return language if language in WORDS else None


def purpose_in(language: str, purpose: str) -> str:
    return WORDS[language].purposes.get(purpose, f"“{purpose}”")


def way_in(language: str, channel: str, address_kind: str | None) -> str:
    return WORDS[language].ways.get(address_kind or "", f"({channel})")


def messages_in(language: str, purposes: Iterable[str], channel: str, address_kind: str | None) -> str:
    """What is written, and how it comes: `offers and news and surveys by e-mail`."""
    kinds = format_list([purpose_in(language, purpose) for purpose in purposes], locale=language)
    return f"{kinds} {way_in(language, channel, address_kind)}"
