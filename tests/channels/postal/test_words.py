"""The card's own words and dates."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from channels.postal.designs import Designs
from channels.postal.formats import FORMATS
from channels.postal.typeface import Typeface
from channels.postal.words import _WORDS, language, last_day, words

ROME = ZoneInfo("Europe/Rome")
END = datetime(2027, 4, 30, 21, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("locale", "written"),
    [
        ("it-IT", "30/04/2027"),
        ("de", "30.04.2027"),
        ("ru_RU", "30.04.2027"),
        ("nl-NL", "30-04-2027"),
        ("en-US", "30 Apr 2027"),
        ("ja-JP", "30 Apr 2027"),
        ("", "30 Apr 2027"),
    ],
)
def test_the_date_is_written_for_the_locale(locale, written):
    assert last_day(END, locale, ROME) == written


def test_an_end_at_midnight_means_the_day_before():
    assert last_day(datetime(2027, 4, 30, 22, tzinfo=UTC), "it", ROME) == "30/04/2027"


def test_the_date_is_the_senders_not_greenwichs():
    assert last_day(datetime(2027, 5, 1, 3, 59, 59, tzinfo=UTC), "it", ZoneInfo("America/New_York")) == "30/04/2027"


@pytest.mark.parametrize(("locale", "code"), [("it_IT", "it"), ("zh-Hant", "zh"), ("x", "en"), ("12-34", "en")])
def test_the_language_of_a_locale(locale, code):
    assert language(locale) == code


def test_an_unknown_language_gets_english_words():
    assert words("sv-SE") == words("en")


@pytest.mark.parametrize("design", FORMATS)
@pytest.mark.parametrize("code", sorted(_WORDS))
def test_the_words_of_each_language_can_be_printed_in_their_places(code, design, config):
    typeface, spoken = Typeface.load(), words(code)
    places = Designs(config()).of(design).layout.coupon[-1].blocks
    bold = 1.12
    assert not typeface.missing("".join((spoken.kicker, spoken.until, spoken.scan)))
    kicker, until, scan = places["kicker"], places["until"], places["scan"]
    tracked_mm = len(spoken.kicker) * kicker.tracking_em * kicker.sizes_pt[-1] * 0.353
    assert typeface.width_mm(spoken.kicker, kicker.sizes_pt[-1]) * bold + tracked_mm <= kicker.box.w
    assert typeface.width_mm(spoken.until, 7) <= until.box.w
    assert typeface.width_mm(last_day(END, code, ROME), until.sizes_pt[-1]) * bold <= until.box.w
    assert typeface.width_mm(spoken.scan, scan.sizes_pt[-1]) * bold <= 1.7 * scan.box.w  # two lines


def test_capitals_are_written_without_greek_accents():
    assert words("el").kicker == "ΤΟ ΚΟΥΠΟΝΙ ΣΑΣ"
    assert all(spoken.kicker == spoken.kicker.upper() for spoken in _WORDS.values())
