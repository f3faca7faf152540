"""What is wrong with a value, in words."""

from typing import Any, get_args

import msgspec
import pytest
from msgspec import Meta

from gateway.domain import words
from gateway.domain.consent import ConsentRow
from gateway.domain.faults import PATTERNED, in_words


def patterned() -> list[Any]:
    """Every type of `words` that is a pattern."""
    kinds = [kind for name, kind in vars(words).items() if not name.startswith("_")]
    return [kind for kind in kinds if any(isinstance(each, Meta) and each.pattern for each in get_args(kind))]


def test_every_pattern_has_words() -> None:
    assert {repr(kind) for kind in patterned()} == {repr(kind) for kind in PATTERNED}


@pytest.mark.parametrize("kind", PATTERNED, ids=str)
def test_a_text_that_does_not_match_is_told_what_it_must_be_with_examples_that_match(kind: Any) -> None:
    [meta] = [each for each in get_args(kind) if isinstance(each, Meta)]
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert("à b", kind)
    assert "matching regex" in str(error.value)
    told = in_words(str(error.value))
    assert told.startswith("must be ")
    assert "regex" not in told
    for example in meta.examples or ():
        assert msgspec.convert(example, kind) in told


def test_what_is_clear_already_stays_as_it_is() -> None:
    for told in ("Expected `int`, got `str`", "Expected `array` of length >= 1", "Invalid enum value 'x'"):
        assert in_words(told) == told


def test_what_must_be_yes_or_no_is_told_without_the_name_of_a_type() -> None:
    assert in_words("Expected `bool`, got `str`") == "must be true or false"


def test_of_an_unknown_word_the_known_ones_are_told_where_they_are_known() -> None:
    told = "Invalid enum value 'x'"
    assert in_words(told, ConsentRow, ("action",)) == "must be one of granted, objected, requested, withdrawn"
    assert in_words(told, ConsentRow, ("source",)) == told
    assert in_words(told, ConsentRow, ()) == told
