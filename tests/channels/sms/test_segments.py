"""The price of a text. The expected values are those of Twilio's own segment calculator."""

import pytest

from channels.sms import segments


@pytest.mark.parametrize(
    ("text", "encoding", "number"),
    [
        ("a" * 160, "GSM-7", 1),
        ("a" * 161, "GSM-7", 2),
        ("a" * 306, "GSM-7", 2),
        ("a" * 307, "GSM-7", 3),
        ("€" * 80, "GSM-7", 1),
        ("€" * 81, "GSM-7", 2),
        ("a" * 152 + "€" + "a" * 153, "GSM-7", 3),
        ("ж" * 70, "UCS-2", 1),
        ("ж" * 71, "UCS-2", 2),
        ("ж" * 134, "UCS-2", 2),
        ("ж" * 135, "UCS-2", 3),
        ("😀" * 35, "UCS-2", 1),
        ("😀" * 36, "UCS-2", 2),
        ("ж" * 66 + "😀" + "ж" * 66, "UCS-2", 3),
        ("Ciao Niccolò, ti aspettiamo! -20% €", "GSM-7", 1),
        ("Ciao Niccolò, ti aspettiamo! −20%", "UCS-2", 1),
        ("Привет, Ёлка", "UCS-2", 1),
        ("Zażółć gęślą jaźń", "UCS-2", 1),
        ("Γειά σου Κωνσταντίνε", "UCS-2", 1),
        ("ΓΔΘΛΞΠΣΦΨΩ", "GSM-7", 1),
        ("שלום", "UCS-2", 1),
    ],
)
def test_a_text_costs_what_carriers_charge(text, encoding, number):
    assert segments(text) == (encoding, number)


def test_nothing_costs_nothing():
    assert segments("") == ("GSM-7", 0)
