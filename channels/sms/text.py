"""What goes out for a message: its text, from whom, to which country, and what that comes to."""

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from msgspec import Struct

from channels.sms.config import Profile, Sender, SmsConfig
from channels.sms.countries import country_of
from channels.sms.segments import Segments, outside_gsm, segments, simplified
from gateway.contract import Outbound, PermanentFailure, Weight

LONGEST_CHARS: Final = 1600
"""https://www.twilio.com/docs/messaging/api/message-resource, parameter Body."""
_MANY: Final = 3
_MOST_NAMED: Final = 5
_STOP: Final = re.compile(r"\bstop\b", re.IGNORECASE)
_EVERYWHERE_ELSE: Final = "*"


class Text(Struct, frozen=True, kw_only=True):
    """A text that is ready to be sent."""

    body: str
    sender: Sender
    country: str | None
    segments: Segments


def text_of(config: SmsConfig, message: Outbound) -> Text:
    """The text as it goes out. Raises PermanentFailure where Twilio or the configuration could never take it."""
    body = simplified(message.parts["text"]) if config.simplify else message.parts["text"]
    country = country_of(message.address.value)
    sender = _sender(_profile(config, message.brand), country)
    if sender.is_name and country in config.numbers_only:
        raise PermanentFailure("sender-is-a-name", f"{country} takes no names as senders: add a number to `senders`")
    size = segments(body)
    if not body.strip():
        raise PermanentFailure("no-text", "the text is empty")
    if len(body) > LONGEST_CHARS:
        raise PermanentFailure("text-too-long", f"{len(body)} characters; Twilio takes {LONGEST_CHARS}")
    if size.number > config.most_segments:
        told = f"{size.number} segments in {size.encoding}; `most_segments` allows {config.most_segments}"
        raise PermanentFailure("too-many-segments", told)
    return Text(body=body, sender=sender, country=country, segments=size)


def _profile(config: SmsConfig, brand: str | None) -> Profile:
    if brand is None:
        return config
    if brand not in config.brands:
        raise PermanentFailure("no-such-brand", f"[channels.sms.brands] has no {brand}")
    return config.brands[brand]


def _sender(profile: Profile, country: str | None) -> Sender:
    own = (each for each in profile.senders if country in each.countries)
    return next(own, profile)


def weight_of(config: SmsConfig, message: Outbound) -> Weight:
    """What the text comes to. Raises PermanentFailure as `text_of`."""
    text = text_of(config, message)
    cost = _cost(config, text)
    return Weight(
        units=text.segments.number,
        unit="segment",
        encoding=text.segments.encoding,
        cost=cost,
        currency=None if cost is None else config.currency,
        warnings=tuple(_warnings(config, message, text)),
    )


def _cost(config: SmsConfig, text: Text) -> Decimal | None:
    everywhere_else = config.prices.get(_EVERYWHERE_ELSE)
    price = config.prices.get(text.country, everywhere_else) if text.country else everywhere_else
    return None if price is None else price * text.segments.number


def _warnings(config: SmsConfig, message: Outbound, text: Text) -> Iterator[str]:
    if strange := outside_gsm(text.body):
        yield _about_ucs2(strange, would_help=not config.simplify and simplified(text.body) != text.body)
    if text.segments.number > _MANY:
        yield f"{text.segments.number} segments: each is paid for, and long texts arrive less surely"
    if text.sender.is_name and not _has_way_out(message, text.body):
        yield "nobody can answer STOP to a name: put {{ unsubscribe_url }} or another way out into the text"


def _about_ucs2(strange: list[str], *, would_help: bool) -> str:
    named = ", ".join(_named(char) for char in strange[:_MOST_NAMED])
    more = f" and {len(strange) - _MOST_NAMED} more" if len(strange) > _MOST_NAMED else ""
    advice = "; `simplify` would replace them" if would_help else ""
    return f"sent as UCS-2, 70 characters a segment instead of 160, because of {named}{more}{advice}"


def _named(char: str) -> str:
    name = unicodedata.name(char, "")
    shown = char if char.isprintable() and not char.isspace() and not unicodedata.combining(char) else ""
    return " ".join(part for part in (shown, f"U+{ord(char):04X}", name) if part)


def _has_way_out(message: Outbound, body: str) -> bool:
    """Also where none is needed. A STOP in the text tells of a number that can be answered."""
    return message.unsubscribe_url is None or message.unsubscribe_url in body or _STOP.search(body) is not None
