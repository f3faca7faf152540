"""Coupon codes: no wrong one is taken for a right one."""

from itertools import pairwise

import pytest

from gateway.domain.coupon import ALPHABET, LENGTH, SPECIMEN, BadCode, check_symbol, new_code, parse_code, shown

CODES = [new_code() for _ in range(300)]


def is_refused(typed: str) -> bool:
    try:
        parse_code(typed)
    except BadCode:
        return True
    return False


def test_the_alphabet_is_a_prime_number_of_symbols_that_look_unlike() -> None:
    assert len(ALPHABET) == len(set(ALPHABET)) == 29
    assert not set(ALPHABET) & set("01ILOEU")


def test_codes_are_read_as_they_were_made_and_shown() -> None:
    assert len(set(CODES)) == len(CODES)
    for code in CODES:
        assert parse_code(code) == parse_code(shown(code)) == code
        assert [len(group) for group in shown(code).split("-")] == [4, 4, 4]


def test_every_single_wrong_symbol_is_caught() -> None:
    wrong = [
        code[:place] + symbol + code[place + 1 :]
        for code in CODES[:40]
        for place in range(LENGTH)
        for symbol in ALPHABET
        if symbol != code[place]
    ]
    assert len(wrong) == 40 * LENGTH * 28
    assert all(is_refused(each) for each in wrong)


def test_every_swap_of_neighbours_is_caught() -> None:
    swaps = 0
    for code in CODES:
        for place, (one, other) in enumerate(pairwise(code)):
            if one != other:
                swaps += 1
                assert is_refused(code[:place] + other + one + code[place + 2 :])
    assert swaps > 3000


@pytest.mark.parametrize(
    "form",
    [
        "{}",
        " {} ",
        "{}\r\n",
        "\t{}",
        "\N{NO-BREAK SPACE}{}",
    ],
)
@pytest.mark.parametrize("between", ["", "-", " ", " - ", "\N{EN DASH}", "\N{NON-BREAKING HYPHEN}"])
def test_case_blanks_and_dashes_do_not_matter(form: str, between: str) -> None:
    code = CODES[0]
    typed = form.format(between.join((code[:4], code[4:8], code[8:])))
    assert parse_code(typed) == parse_code(typed.lower()) == code


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "has 12 characters, this one has 0"),
        ("23", "this one has 2"),
        ("2" * 13, "this one has 13"),
        ("2" * 11 + "O", "has no O"),
        ("2" * 11 + "1", "has no 1"),
        ("Ω" * 12, "has no Ω"),
        ("２" * 12, "has no ２"),
        ("2" * 11 + "\x00", "has no \x00"),
    ],
)
def test_the_refusal_says_what_is_wrong_and_never_guesses(typed: str, said: str) -> None:
    with pytest.raises(BadCode, match=said):
        parse_code(typed)


def test_a_wrong_check_symbol_is_told_from_a_strange_one() -> None:
    body = "23456789ABC"
    wrong = next(symbol for symbol in ALPHABET if symbol != check_symbol(body))
    with pytest.raises(BadCode, match="one character is wrong or two are swapped"):
        parse_code(body + wrong)


def test_the_specimen_looks_like_a_code_and_can_never_be_one() -> None:
    body = SPECIMEN.replace("-", "")
    assert set(body) <= set(ALPHABET)
    assert (len(body), check_symbol(body[:-1]) == body[-1]) == (LENGTH, False)
    with pytest.raises(BadCode, match="specimen"):
        parse_code(f" {SPECIMEN.lower()} ")
