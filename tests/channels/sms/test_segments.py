"""The price of a text. The expected values are those of Twilio's own segment calculator."""

import random
from pathlib import Path

import pytest

from channels.sms import segments
from tests import npm


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


@pytest.fixture(scope="session")
def calculator(tmp_path_factory) -> Path:
    """Where Twilio's own calculator counts."""
    return npm.installed(tmp_path_factory.mktemp("calculator"), "sms-segments-calculator@1.3.0")


def test_twilios_own_calculator_counts_the_same(calculator):
    """Thousands of made-up texts around the ends of segments, of every alphabet, and of both together."""
    chance = random.Random(20260302)
    texts = [_made_up(chance, *_ALPHABETS) for _ in range(6000)]

    theirs = npm.asked(calculator, _COUNT, texts)

    assert [[*segments(text)] for text in texts] == theirs


def test_only_what_is_written_with_several_characters_may_cost_more_at_twilio(calculator):
    """Flags, families and accents of their own: Twilio's calculator never cuts through one."""
    chance = random.Random(20260302)
    texts = [_made_up(chance, "жЁłńγά" + _JOINED) for _ in range(1000)]

    theirs = npm.asked(calculator, _COUNT, texts)

    assert {encoding for encoding, _ in theirs} == {"UCS-2"}
    assert all(segments(text).number <= number for text, (_, number) in zip(texts, theirs, strict=True))


_PLAIN = "abcXYZ 019 èéùìòàÄÖÑÜ§¿äöñüΔΦΓΛΩΠΨΣΘΞ@£$¥_!\"#¤%&'()*+,-./:;<=>?¡\n"
_DOUBLE = "^{}\\[~]|€"
_STRANGE = "жЁłńγά`’–…שלוםتح中文😀🎁ç\u00a0"
_JOINED = "\u0301\u200d🇮🇹👩👧"
_ALPHABETS = (_PLAIN, _PLAIN + _DOUBLE, _DOUBLE, _PLAIN + _STRANGE, _STRANGE, _STRANGE + _DOUBLE)


def _made_up(chance: random.Random, *alphabets: str) -> str:
    alphabet = chance.choice(alphabets)
    near = chance.choice([1, 30, 66, 67, 70, 71, 134, 135, 152, 153, 160, 161, 201, 306, 307, 459, 1600])
    length = max(1, near + chance.randint(-3, 3))
    return "".join(chance.choices(alphabet, k=length))


_COUNT = """
const { SegmentedMessage } = require("sms-segments-calculator");
let text = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (part) => (text += part)).on("end", () => {
  const count = (body) => { const m = new SegmentedMessage(body); return [m.getEncodingName(), m.segmentsCount]; };
  console.log(JSON.stringify(JSON.parse(text).map(count)));
});
"""
