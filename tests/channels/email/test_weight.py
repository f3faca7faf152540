"""What a mail comes to, and what whoever writes it is warned of."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.contract import Outbound, PermanentFailure

LINK = "https://gateway.example/u/AbC_d-e"

Message = Callable[..., Outbound]


@pytest.fixture
async def channel(opened: Any, mailroom: Any) -> Any:
    async with opened(mailroom) as channel:
        yield channel


def parts(text: str = LINK, html: str | None = None) -> dict[str, str]:
    told = {"subject": "Ci manchi", "text": text}
    return told if html is None else told | {"html": html}


async def test_a_mail_weighs_what_goes_over_the_wire(
    channel: Any, outbound: Message, mailroom: Any, outcomes: Any
) -> None:
    message = outbound("eleni@example.com", parts=parts(html=f'<p>Torna a trovarci</p><a href="{LINK}">Basta</a>'))
    weight = channel.weigh(message)
    await outcomes(channel, message)
    (envelope,) = mailroom.envelopes
    assert (weight.units, weight.unit, weight.encoding, weight.warnings) == (1, "mail", "utf-8", ())
    assert weight.bytes == len(envelope.original_content)


@pytest.mark.parametrize(
    ("told", "warning"),
    [
        (parts(text="Ciao"), "the text does not show the unsubscribe link"),
        (parts(html="<p>Un caffè ti aspetta, vieni</p>"), "the HTML does not show the unsubscribe link"),
        (parts(html=f"<p>{LINK}</p>" + "я" * 60_000), "the HTML has 117 kB; Gmail clips it after 102 kB"),
        (parts(html=f'<a href="{LINK}"><img src="https://shop.example/x.png"></a> Basta'), "hardly any text"),
        (parts(html=f'<style>p {{ }}{"a " * 9}</style><!-- {"b " * 9} --><IMG src="x">{LINK}'), "hardly any text"),
    ],
)
async def test_what_providers_hold_against_a_mail_is_a_warning(
    channel: Any, outbound: Message, told: dict[str, str], warning: str
) -> None:
    (found,) = channel.weigh(outbound("eleni@example.com", parts=told)).warnings
    assert warning in found


async def test_a_link_with_entities_is_seen(channel: Any, outbound: Message) -> None:
    url = "https://gateway.example/u/AbC?a=1&b=2"
    told = parts(text=url, html=f'<p>Torna a trovarci da noi</p><a href="{url.replace("&", "&amp;")}">Basta</a>')
    assert channel.weigh(outbound("eleni@example.com", parts=told, unsubscribe_url=url)).warnings == ()


async def test_a_notice_needs_no_unsubscribe_link(channel: Any, outbound: Message) -> None:
    message = outbound("eleni@example.com", parts=parts(text="Il tuo ordine"), unsubscribe_url=None)
    assert channel.weigh(message).warnings == ()


async def test_what_no_server_could_take_is_refused(channel: Any, outbound: Message) -> None:
    with pytest.raises(PermanentFailure):
        channel.weigh(outbound("eleni@example.com", parts={"subject": "Hi\nBcc: evil@example.org", "text": "x"}))
