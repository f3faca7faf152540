"""What the pages say, in the languages they say it in."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Texts(Struct, frozen=True, kw_only=True):
    """The words of one language. `{kind}` is a kind of message, `{channel}` a way to send it."""

    unsubscribe_title: str
    unsubscribe_ask: str
    unsubscribe_button: str
    unsubscribed_title: str
    unsubscribed: str
    coupon_title: str
    coupon_valid_until: str
    coupon_valid_from: str
    coupon_min_order: str
    coupon_how: str
    coupon_redeemed: str
    coupon_over: str
    missing_title: str
    missing: str
    away_title: str
    away: str
    purposes: Mapping[str, str]
    """The kinds of message that we have words for; others are shown as the operator calls them."""
    channels: Mapping[str, str]
    """By kind of address."""


DEFAULT: Final = "en"

_EN: Final = Texts(
    unsubscribe_title="Unsubscribe",
    unsubscribe_ask="Do you want to stop getting {kind} {channel}?",
    unsubscribe_button="Yes, unsubscribe me",
    unsubscribed_title="You are unsubscribed",
    unsubscribed="You will not get {kind} {channel} any more.",
    coupon_title="Your coupon",
    coupon_valid_until="Valid until {when}",
    coupon_valid_from="Valid from {when}",
    coupon_min_order="From an order value of {amount}",
    coupon_how="Show this code at the till, or type it in when you order online. It can be used once.",
    coupon_redeemed="This coupon has been used.",
    coupon_over="This coupon is no longer valid.",
    missing_title="Nothing here",
    missing="This link is not complete or not valid. Please copy it again from the message.",
    away_title="Please try again",
    away="We cannot answer at this moment. Please try again in a minute.",
    purposes={"marketing": "offers and news", "service": "service messages", "survey": "surveys"},
    channels={"email": "by e-mail", "phone": "by text message", "webpush": "as notifications", "postal": "by post"},
)
_IT: Final = Texts(
    unsubscribe_title="Annulla l’iscrizione",
    unsubscribe_ask="Non vuoi più ricevere {kind} {channel}?",
    unsubscribe_button="Sì, annulla l’iscrizione",
    unsubscribed_title="Iscrizione annullata",
    unsubscribed="Non riceverai più {kind} {channel}.",
    coupon_title="Il tuo buono",
    coupon_valid_until="Valido fino al {when}",
    coupon_valid_from="Valido dal {when}",
    coupon_min_order="A partire da un ordine di {amount}",
    coupon_how="Mostra questo codice alla cassa o inseriscilo quando ordini online. Si può usare una volta sola.",
    coupon_redeemed="Questo buono è già stato usato.",
    coupon_over="Questo buono non è più valido.",
    missing_title="Qui non c’è nulla",
    missing="Il link è incompleto o non valido. Copialo di nuovo dal messaggio.",
    away_title="Riprova",
    away="In questo momento non possiamo rispondere. Riprova tra un minuto.",
    purposes={"marketing": "offerte e novità", "service": "messaggi di servizio", "survey": "sondaggi"},
    channels={"email": "via e-mail", "phone": "via SMS", "webpush": "come notifiche", "postal": "per posta"},
)
_RU: Final = Texts(
    unsubscribe_title="Отписаться",
    unsubscribe_ask="Вы больше не хотите получать {kind} {channel}?",
    unsubscribe_button="Да, отписаться",
    unsubscribed_title="Вы отписались",
    unsubscribed="Вы больше не будете получать {kind} {channel}.",
    coupon_title="Ваш купон",
    coupon_valid_until="Действует до {when}",
    coupon_valid_from="Действует с {when}",
    coupon_min_order="При заказе от {amount}",
    coupon_how="Покажите этот код на кассе или введите его при заказе онлайн. Его можно использовать один раз.",
    coupon_redeemed="Этот купон уже использован.",
    coupon_over="Этот купон больше не действует.",
    missing_title="Здесь ничего нет",
    missing="Ссылка неполная или недействительна. Скопируйте её из сообщения ещё раз.",
    away_title="Попробуйте ещё раз",
    away="Сейчас мы не можем ответить. Попробуйте ещё раз через минуту.",
    purposes={"marketing": "предложения и новости", "service": "сервисные сообщения", "survey": "опросы"},
    channels={"email": "по электронной почте", "phone": "по SMS", "webpush": "в уведомлениях", "postal": "по почте"},
)
_DE: Final = Texts(
    unsubscribe_title="Abmelden",
    unsubscribe_ask="Möchten Sie {kind} {channel} nicht mehr erhalten?",
    unsubscribe_button="Ja, abmelden",
    unsubscribed_title="Sie sind abgemeldet",
    unsubscribed="Sie erhalten {kind} {channel} nicht mehr.",
    coupon_title="Ihr Gutschein",
    coupon_valid_until="Gültig bis {when}",
    coupon_valid_from="Gültig ab {when}",
    coupon_min_order="Ab einem Bestellwert von {amount}",
    coupon_how="Zeigen Sie diesen Code an der Kasse oder geben Sie ihn bei der Bestellung ein. Er gilt einmal.",
    coupon_redeemed="Dieser Gutschein wurde schon eingelöst.",
    coupon_over="Dieser Gutschein ist nicht mehr gültig.",
    missing_title="Hier ist nichts",
    missing="Der Link ist unvollständig oder ungültig. Bitte kopieren Sie ihn noch einmal aus der Nachricht.",
    away_title="Bitte noch einmal versuchen",
    away="Wir können gerade nicht antworten. Bitte versuchen Sie es in einer Minute noch einmal.",
    purposes={"marketing": "Angebote und Neuigkeiten", "service": "Servicenachrichten", "survey": "Umfragen"},
    channels={
        "email": "per E-Mail",
        "phone": "per SMS",
        "webpush": "als Benachrichtigungen",
        "postal": "per Post",
    },
)
_FR: Final = Texts(
    unsubscribe_title="Se désabonner",
    unsubscribe_ask="Ne souhaitez-vous plus recevoir {kind} {channel} ?",
    unsubscribe_button="Oui, me désabonner",
    unsubscribed_title="Vous êtes désabonné(e)",
    unsubscribed="Vous ne recevrez plus {kind} {channel}.",
    coupon_title="Votre bon",
    coupon_valid_until="Valable jusqu’au {when}",
    coupon_valid_from="Valable à partir du {when}",
    coupon_min_order="À partir d’une commande de {amount}",
    coupon_how="Présentez ce code en caisse ou saisissez-le lors de votre commande en ligne. Il ne sert qu’une fois.",
    coupon_redeemed="Ce bon a déjà été utilisé.",
    coupon_over="Ce bon n’est plus valable.",
    missing_title="Il n’y a rien ici",
    missing="Ce lien est incomplet ou n’est pas valable. Copiez-le à nouveau depuis le message.",
    away_title="Veuillez réessayer",
    away="Nous ne pouvons pas répondre pour le moment. Veuillez réessayer dans une minute.",
    purposes={
        "marketing": "nos offres et nos nouveautés",
        "service": "nos messages de service",
        "survey": "nos sondages",
    },
    channels={
        "email": "par e-mail",
        "phone": "par SMS",
        "webpush": "sous forme de notifications",
        "postal": "par courrier",
    },
)
_ES: Final = Texts(
    unsubscribe_title="Darse de baja",
    unsubscribe_ask="¿Ya no quiere recibir {kind} {channel}?",
    unsubscribe_button="Sí, darme de baja",
    unsubscribed_title="Se ha dado de baja",
    unsubscribed="Ya no recibirá {kind} {channel}.",
    coupon_title="Su cupón",
    coupon_valid_until="Válido hasta el {when}",
    coupon_valid_from="Válido desde el {when}",
    coupon_min_order="A partir de un pedido de {amount}",
    coupon_how="Muestre este código en la caja o escríbalo al comprar en línea. Solo se puede usar una vez.",
    coupon_redeemed="Este cupón ya se ha usado.",
    coupon_over="Este cupón ya no es válido.",
    missing_title="Aquí no hay nada",
    missing="El enlace está incompleto o no es válido. Cópielo de nuevo del mensaje.",
    away_title="Inténtelo de nuevo",
    away="No podemos responder en este momento. Inténtelo de nuevo dentro de un minuto.",
    purposes={"marketing": "ofertas y novedades", "service": "mensajes de servicio", "survey": "encuestas"},
    channels={
        "email": "por correo electrónico",
        "phone": "por SMS",
        "webpush": "como notificaciones",
        "postal": "por correo postal",
    },
)

LANGUAGES: Final[Mapping[str, Texts]] = {"en": _EN, "it": _IT, "ru": _RU, "de": _DE, "fr": _FR, "es": _ES}


def language_of(locale: str | None) -> str | None:
    """The language of a locale, if the pages speak it."""
    language = (locale or "").replace("_", "-").partition("-")[0].strip().lower()
    return language if language in LANGUAGES else None


def language_wished(accept_language: str) -> str:
    """The first language of an Accept-Language header that the pages speak; its weights come in order anyway."""
    wished = (language_of(each.partition(";")[0]) for each in accept_language[:200].split(","))
    return next((language for language in wished if language), DEFAULT)
