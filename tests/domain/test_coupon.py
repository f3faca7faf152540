"""Coupon codes: no wrong one is taken for a right one."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.coupon import (
    ALPHABET,
    LONGEST_PREFIX,
    MOST_RANDOM,
    SPECIMEN,
    USUAL,
    BadCode,
    CodeScheme,
    check_symbol,
    expect_code,
    guess_probability,
    is_specimen,
    new_code,
    normalised,
    shown,
    specimen,
)

SCHEMES = [
    *(CodeScheme(random=random) for random in range(8, MOST_RANDOM + 1)),
    *(CodeScheme(prefix=prefix, random=random) for prefix in ("2", "SPRNG", "X" * 8, "22222222") for random in (8, 16)),
]
CODES = [new_code(scheme) for scheme in SCHEMES for _ in range(60)]

schemes = st.builds(
    CodeScheme,
    prefix=st.text(st.sampled_from(ALPHABET), max_size=LONGEST_PREFIX),
    random=st.integers(min_value=8, max_value=MOST_RANDOM),
)


def is_refused(code: str) -> bool:
    try:
        expect_code(code)
    except BadCode:
        return True
    return False


def test_the_alphabet_is_a_prime_number_of_symbols_that_look_unlike() -> None:
    assert len(ALPHABET) == len(set(ALPHABET)) == 29
    assert not set(ALPHABET) & set("01ILOEU")


@pytest.mark.parametrize("symbol", sorted(map(chr, range(128))))
def test_a_prefix_is_made_of_what_codes_are_made_of(symbol: str) -> None:
    may_be = symbol in ALPHABET
    try:
        msgspec.convert({"kind": "own", "prefix": symbol}, CodeScheme)
    except msgspec.ValidationError:
        assert not may_be
    else:
        assert may_be


def test_a_prefix_longer_than_eight_is_refused() -> None:
    msgspec.convert({"kind": "own", "prefix": "A" * LONGEST_PREFIX}, CodeScheme)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": "own", "prefix": "A" * (LONGEST_PREFIX + 1)}, CodeScheme)


def test_every_code_is_well_formed_and_none_comes_twice() -> None:
    assert len(CODES) >= 1000
    assert len(set(CODES)) == len(CODES)
    for code in CODES:
        expect_code(code)
        assert normalised(code.lower()) == code


def test_every_single_wrong_symbol_of_a_thousand_codes_is_caught() -> None:
    tried = 0
    for code in CODES:
        for place, right in enumerate(code):
            for symbol in ALPHABET:
                if symbol != right:
                    tried += 1
                    assert is_refused(code[:place] + symbol + code[place + 1 :]), (code, place, symbol)
    assert tried == sum(len(code) * 28 for code in CODES)


def test_every_swap_of_neighbours_of_a_thousand_codes_is_caught() -> None:
    swaps = 0
    for code in CODES:
        for place, (one, other) in enumerate(pairwise(code)):
            if one != other:
                swaps += 1
                assert is_refused(code[:place] + other + one + code[place + 2 :]), (code, place)
    assert swaps > 10_000


@given(schemes, st.data())
def test_no_slip_of_the_finger_in_a_code_of_any_scheme_passes(scheme: CodeScheme, data: st.DataObject) -> None:
    drawn = data.draw(st.integers(min_value=0, max_value=29**scheme.random - 1))
    draws = iter([drawn, 0])
    code = new_code(scheme, lambda _: next(draws))
    assert (code.startswith(scheme.prefix), len(code)) == (True, scheme.length)
    place = data.draw(st.integers(min_value=0, max_value=len(code) - 1))
    symbol = data.draw(st.sampled_from([each for each in ALPHABET if each != code[place]]))
    assert is_refused(code[:place] + symbol + code[place + 1 :])
    if place and code[place - 1] != code[place]:
        assert is_refused(code[: place - 1] + code[place] + code[place - 1] + code[place + 1 :])


def test_the_chance_of_a_guess_is_what_the_design_says() -> None:
    live = 500_000
    told = {8: 1.0e-6, 9: 3.4e-8, 10: 1.2e-9, 11: 4.1e-11, 12: 1.4e-12}
    for random, chance in told.items():
        assert guess_probability(live, random) == pytest.approx(chance, rel=0.05)
    assert USUAL.random == 11
    # Ten guesses a second for a lifetime.
    assert guess_probability(live, USUAL.random) * 10 * 86_400 * 365 * 75 < 1


@pytest.mark.parametrize(
    ("code", "prefix", "groups"),
    [
        ("ABCD2345FGHJ", "", "ABCD-2345-FGHJ"),
        ("ABCD23456", "", "ABCD-23456"),
        ("ABCD234567", "", "ABCD-2345-67"),
        ("ABCD2345FGHJK", "", "ABCD-2345-FGHJK"),
        ("SPRNGABCD2345FGHJ", "SPRNG", "SPRNG-ABCD-2345-FGHJ"),
        ("22222222222222222", "22222222", "22222222-2222-22222"),
    ],
)
def test_people_see_groups_of_four_and_the_prefix_apart(code: str, prefix: str, groups: str) -> None:
    assert shown(code, prefix) == groups


@given(schemes)
def test_what_people_see_is_read_as_the_code(scheme: CodeScheme) -> None:
    code = new_code(scheme)
    assert normalised(shown(code, scheme.prefix)) == code


@pytest.mark.parametrize("form", ["{}", " {} ", "{}\r\n", "\t{}", "\N{NO-BREAK SPACE}{}", "\N{ZERO WIDTH SPACE}{}"])
@pytest.mark.parametrize("between", ["", "-", " ", " - ", "\N{EN DASH}", "\N{NON-BREAKING HYPHEN}", "\N{MINUS SIGN}"])
def test_case_blanks_and_dashes_do_not_matter(form: str, between: str) -> None:
    code = CODES[0]
    typed = form.format(between.join((code[:4], code[4:8], code[8:])))
    assert normalised(typed) == normalised(typed.lower()) == code


@pytest.mark.parametrize("typed", ["２２２", "ß", "ı", "О", "Ω", "٣", "Żółć"])
def test_nothing_is_guessed(typed: str) -> None:
    """The О is Cyrillic; ß and ı would become other letters in capitals."""
    assert normalised(typed) == typed


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "no code has 0"),
        ("23", "no code has 2"),
        ("2" * 26, "no code has 26"),
        ("2" * 11 + "O", "has no O"),
        ("2" * 11 + "1", "has no 1"),
        ("Ω" * 12, "has no Ω"),
        ("２" * 12, "has no ２"),
        ("2" * 11 + "\x00", "has no \x00"),
    ],
)
def test_the_refusal_says_what_is_wrong(code: str, said: str) -> None:
    with pytest.raises(BadCode, match=said):
        expect_code(code)


def test_a_wrong_check_symbol_is_told_from_a_strange_one() -> None:
    body = "23456789ABC"
    wrong = next(symbol for symbol in ALPHABET if symbol != check_symbol(body))
    with pytest.raises(BadCode, match="one character is wrong or two are swapped"):
        expect_code(body + wrong)


@given(schemes)
def test_a_specimen_looks_like_a_code_and_can_never_be_one(scheme: CodeScheme) -> None:
    told = normalised(specimen(scheme))
    assert (set(told) <= set(ALPHABET), len(told), told.startswith(scheme.prefix)) == (True, scheme.length, True)
    assert is_specimen(told)
    with pytest.raises(BadCode, match="specimen"):
        expect_code(told)


def test_the_usual_specimen_is_the_one_that_everybody_shows() -> None:
    assert specimen() == SPECIMEN


def test_a_draw_that_would_give_a_specimen_is_drawn_again() -> None:
    value = ALPHABET.index("X")
    # With this random part the check symbol of a prefix of the right weight is X as well.
    of_x = sum(value * 29**place for place in range(8))
    prefix = next(symbol for symbol in ALPHABET if check_symbol(symbol + "X" * 8) == "X")
    draws = iter([of_x, 0])
    code = new_code(CodeScheme(prefix=prefix, random=8), lambda _: next(draws))
    assert code.startswith(prefix + "2" * 8)
