"""Codes of short links."""

import math

import pytest

from gateway.domain.short_code import CHARS, SPECIMEN, is_code, new_code


def test_a_new_code_is_one_and_has_more_than_48_random_bits() -> None:
    codes = {new_code() for _ in range(2000)}
    assert len(codes) == 2000
    assert all(is_code(code) for code in codes)
    letters = set().union(*codes)
    assert len(letters) == 58
    assert not letters & set("0OIl")
    assert CHARS * math.log2(58) > 48


@pytest.mark.parametrize(
    "text", ["", "abc", "abcdefgh", "abcdefghij", "abcdefgh0", "abcdefghl", "abcdefgh\n", "abcdéfghi", "-"]
)
def test_what_cannot_be_a_code_is_told_so(text: str) -> None:
    assert not is_code(text)


def test_the_specimen_is_as_long_as_a_code_and_is_none() -> None:
    assert len(SPECIMEN) == CHARS
    assert not is_code(SPECIMEN)
