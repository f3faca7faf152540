"""What a text comes to before it is sent, and what is said to whoever writes it."""

from decimal import Decimal

import pytest

from channels.sms.segments import outside_gsm, segments, simplified
from channels.sms.text import weight_of

WAY_OUT = "https://gateway.example.com/u/AZcB"
BRITISH = "+447700900123"


@pytest.fixture
def weigh(config, outbound):
    def weighed(text: str, number: str = "+12025550101", *, message: dict | None = None, **changes):
        return weight_of(config(**changes), outbound(number, text, **(message or {})))

    return weighed


@pytest.mark.parametrize(
    ("text", "units", "encoding"),
    [
        ("Ci manchi, Niccolò: -20%", 1, "GSM-7"),
        ("a" * 161, 2, "GSM-7"),
        ("Ждём вас, Ёлка", 1, "UCS-2"),
        ("🎁" * 36, 2, "UCS-2"),
    ],
)
def test_a_text_weighs_as_many_segments_as_are_billed(weigh, text, units, encoding):
    weight = weigh(text)

    assert (weight.units, weight.unit, weight.encoding) == (units, "segment", encoding)
    assert (weight.cost, weight.currency) == (None, None)


@pytest.mark.parametrize(
    ("number", "cost"),
    [("+12025550101", "0.0249"), ("+14165550101", "0.15"), (BRITISH, "0.15"), ("+88216000000", "0.15")],
)
def test_a_cost_is_the_countrys_price_of_a_segment_times_their_number(weigh, number, cost):
    weight = weigh("a" * 400, number, prices={"US": "0.0083", "*": "0.05"}, currency="EUR")

    assert (weight.cost, weight.currency) == (Decimal(cost), "EUR")


def test_a_country_without_a_price_has_no_cost(weigh):
    weight = weigh("Ciao", BRITISH, prices={"US": "0.0083"}, currency="EUR")

    assert (weight.cost, weight.currency) == (None, None)


def test_the_characters_that_make_a_text_dear_are_named(weigh):
    [warning] = weigh("Zażółć\u00a0gęślą jaźń 🎁").warnings

    assert "70 characters a segment instead of 160" in warning
    assert "ż U+017C LATIN SMALL LETTER Z WITH DOT ABOVE" in warning
    assert "U+00A0 NO-BREAK SPACE" in warning
    assert "and 6 more" in warning
    assert "simplify" not in warning


def test_where_plain_quotes_would_save_money_it_says_how(weigh):
    [warning] = weigh("“Ciao” − 20%").warnings

    assert "`simplify` would replace them" in warning
    assert weigh("“Ciao” − 20%", simplify=True).warnings == ()


def test_a_long_text_is_remarked_upon(weigh):
    [warning] = weigh("a" * 460).warnings

    assert warning.startswith("4 segments")
    assert weigh("a" * 459).warnings == ()


@pytest.mark.parametrize(
    ("text", "is_warned"),
    [
        ("Torna da noi", True),
        (f"Torna da noi. Basta: {WAY_OUT}", False),
        ("Torna da noi. STOP al +44 7700 900456", False),
        ("Nonstop", True),
    ],
)
def test_a_name_cannot_be_answered_and_needs_another_way_out(weigh, text, is_warned):
    message = {"unsubscribe_url": WAY_OUT}

    weight = weigh(text, BRITISH, message=message, messaging_service_sid=None, sender="Caffe Rio")

    assert [("unsubscribe_url" in warning) for warning in weight.warnings] == [True] * is_warned


@pytest.mark.parametrize("sender", ["+447700900456", "54321"])
def test_a_number_can_be_answered(weigh, sender):
    message = {"unsubscribe_url": WAY_OUT}

    assert weigh("Torna", BRITISH, message=message, messaging_service_sid=None, sender=sender).warnings == ()


def test_where_no_way_out_is_needed_none_is_missed(weigh):
    assert weigh("Codice 4711", BRITISH, messaging_service_sid=None, sender="Caffe Rio").warnings == ()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("‘Ciao’ – “a domani”…", "'Ciao' - \"a domani\"..."),
        ("−20\u00a0% • 10\u202f€", "-20 % - 10 €"),
        ("tra\u00adspa\u200bren\ufeffte\ttab", "trasparente tab"),
        ("«Привет» — мир", "«Привет» — мир"),
        ("“Łódź”", "“Łódź”"),
        ("“🎁”", "“🎁”"),
        ("Ciao, Niccolò", "Ciao, Niccolò"),
    ],
)
def test_simplifying_touches_no_letter_and_nothing_in_vain(text, plain):
    assert simplified(text) == plain


async def test_a_simplified_text_is_what_goes_out(opened, twilio, outbound, outcomes):
    async with opened(simplify=True) as channel:
        await outcomes(channel, outbound(text="“Ciao”, Niccolò…"))

    assert twilio.forms[0]["Body"] == '"Ciao", Niccolò...'


def test_a_text_of_the_gsm_alphabet_has_nothing_outside_it():
    assert outside_gsm("Ciao {Niccolò} [5 €] ~ ΔΦΓ\n") == []
    assert outside_gsm("žaž ł`") == ["ž", "ł", "`"]
    assert segments("`").encoding == "UCS-2"
