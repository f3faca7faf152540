"""The job as the API takes it, put together from the words and the layouts of the mail."""

from collections.abc import Mapping
from datetime import time, timedelta
from importlib.resources import files
from string import Template
from typing import Final, Literal

from gateway.demo.campaign.words import ENGLISH, ITALIAN, RUSSIAN, Letter, Words
from gateway.domain.audience import Activity, Matching
from gateway.domain.job import JobInput, StepInput, Variants
from gateway.domain.offer import Offer
from gateway.domain.recipient import AddressInput, Profile
from gateway.domain.specimen import DraftInput

OFFER: Final = "winback-15"
LANGUAGES: Final[Mapping[str, Words]] = {"en": ENGLISH, "it": ITALIAN, "ru": RUSSIAN}
"""Everybody else is written to in English."""

VALID_FOR: Final = timedelta(hours=72)
DORMANT_FOR: Final = timedelta(days=180)
SPENT_AT_LEAST_MINOR: Final = 1500

STEPS: Final = ("coupon", "reminder", "last-call")

_LINK: Final = "https://records.example/new"
_SENDER: Final = "Example Records, Via dell’Esempio 1, 00100 Roma RM, Italy"
_DIGITAL: Final = ("email", "sms", "webpush")

_Step = Literal["coupon", "reminder", "last_call"]


def offer() -> Offer:
    """15 % off, for 72 hours from the moment at which a person gets the code."""
    return Offer(key=OFFER, title="−15 %", kind="percentage", value=15, valid_for=VALID_FOR)


def job() -> JobInput:
    """Three steps for everybody who bought for at least 15 dollars in all, and nothing for 180 days.

    The first takes whatever reaches the person, e-mail before the others; the reminders don't go
    by post. A redemption ends it all.
    """
    dormant = Activity(kind="purchase", dormant_for=DORMANT_FOR, amount_at_least_minor=SPENT_AT_LEAST_MINOR)
    coupon, reminder, last_call = STEPS
    return JobInput(
        name="Summer 1998: come back",
        purpose="marketing",
        audience=Matching(where=dormant),
        offer=OFFER,
        over_cap="skip",
        steps=(
            StepInput(name=coupon, channels=(*_DIGITAL, "postal"), content=_digital("coupon") | {"postal": _cards()}),
            StepInput(
                name=reminder,
                channels=_DIGITAL,
                content=_digital("reminder"),
                after=timedelta(hours=24),
                local_time=time(18),
                ttl=timedelta(hours=24),
            ),
            StepInput(
                name=last_call,
                channels=_DIGITAL,
                content=_digital("last_call"),
                anchor="coupon_end",
                after=timedelta(hours=-18),
                ttl=timedelta(hours=12),
            ),
        ),
    )


def card_draft() -> DraftInput:
    """The card as it goes to somebody made up, for a picture of it."""
    data = {"street": "12 Sample Street", "postcode": "10115", "city": "Berlin", "country": "DE"}
    person = Profile(name="Zoë Müller-Example", addresses=(AddressInput(kind="postal", data=data),))
    return DraftInput(channel="postal", content=_cards(), default_locale="en", recipient=person, offer=OFFER)


def _digital(step: _Step) -> dict[str, Variants]:
    return {
        "email": {lang: _mail(lang, words, step) for lang, words in LANGUAGES.items()},
        "sms": {lang: {"text": _letter(words, step).sms} for lang, words in LANGUAGES.items()},
        "webpush": {lang: _push(words, step) for lang, words in LANGUAGES.items()},
    }


def _letter(words: Words, step: _Step) -> Letter:
    letter: Letter = getattr(words, step)
    return letter


def _mail(lang: str, words: Words, step: _Step) -> dict[str, str]:
    letter = _letter(words, step)
    named = {
        "lang": lang,
        "greeting": words.greeting,
        "heading": letter.heading,
        "body": letter.body,
        "code_label": words.code_label,
        "valid": words.valid,
        "link": _LINK,
        "button": letter.button,
        "why": words.why,
        "unsubscribe": words.unsubscribe,
        "sender": _SENDER,
    }
    return {
        "subject": letter.subject,
        "text": _layout("mail.txt").substitute(named),
        "html": _layout("mail.html").substitute(named),
    }


def _layout(name: str) -> Template:
    return Template((files(__package__) / name).read_text("utf-8"))


def _push(words: Words, step: _Step) -> dict[str, str]:
    letter = _letter(words, step)
    return {"title": letter.push_title, "body": letter.push_body, "url": f"{{{{ track('{_LINK}') }}}}"}


def _cards() -> Variants:
    return {
        lang: {"headline": words.card.headline, "body": words.card.body, "footer": words.card.footer}
        for lang, words in LANGUAGES.items()
    }
