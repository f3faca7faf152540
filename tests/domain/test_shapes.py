"""What a value must be, read off its type."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from gateway.contract import Secret
from gateway.domain.shapes import kinds_at, must_be


class Mood(StrEnum):
    CALM = "calm"
    BRISK = "brisk"


class Ring(Struct):
    number: int


class Pigeon(Struct):
    ring: Ring | None = None
    rings: tuple[Ring, ...] = ()
    by_loft: dict[str, Ring] = {}
    pair: tuple[str, int] = ("a", 1)


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        (bool, "true or false"),
        (int, "a whole number"),
        (float | None, "a number"),
        (Annotated[int, Meta(ge=1, le=65535)], "a whole number from 1 to 65535"),
        (Annotated[int, Meta(le=20_000_000)], "a whole number of at most 20000000"),
        (Annotated[float, Meta(ge=0.1)], "a number of 0.1 or more"),
        (Annotated[float, Meta(gt=0)], "a number of more than 0"),
        (Annotated[float, Meta(lt=1)], "a number of less than 1"),
        (Annotated[float, Meta(gt=0, le=60)], "a number of more than 0, and at most 60"),
        (str, "text"),
        (Annotated[str, Meta(max_length=80)], "text of at most 80 characters"),
        (Annotated[str, Meta(min_length=1)], "text of 1 or more characters"),
        (Annotated[str, Meta(min_length=1, max_length=80)], "text of 1 to 80 characters"),
        (Annotated[str, Meta(pattern="^[A-Z]+$")], "text of the form ^[A-Z]+$"),
        (Annotated[str, Meta(pattern="^A", description="An account of ours.")], "an account of ours"),
        (Annotated[str, Meta(pattern="^A", description="IBAN, whole")], "IBAN, whole"),
        (Annotated[str, Meta(description="a code", examples=["IT", "GR"])], "a code, such as IT or GR"),
        (Secret, "text"),
        (Path | None, "the path of a file or folder"),
        (Literal["b", "a"], "one of a, b"),
        (Mood, "one of calm, brisk"),
        (Ring, "a table"),
        (dict[str, int], "a table"),
        (tuple[str, ...], "a list"),
        (Annotated[list[str], Meta(min_length=1, max_length=3)], "a list of 1 to 3"),
        (tuple[int, int], "a list of 2"),
        (bool | tuple[str, ...], "true or false or a list"),
        (date, "a date, such as 2026-05-01"),
        (datetime, "an instant with its time zone, such as 2026-05-01T10:00:00Z"),
        (timedelta, "a span of time, such as P7D or PT2H30M"),
        (Decimal, "a number"),
        (Any, ""),
    ],
)
def test_a_type_is_told_in_words(shape: Any, told: str) -> None:
    assert must_be(shape) == told


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (("ring",), "a table"),
        (("ring", "number"), "a whole number"),
        (("rings", 7, "number"), "a whole number"),
        (("by_loft", "north", "number"), "a whole number"),
        (("pair", 0), "text"),
        (("pair", 1), "a whole number"),
        (("pair", 2), ""),
        (("wings",), ""),
        (("ring", "number", "more"), ""),
    ],
)
def test_a_place_inside_is_told_by_the_way_to_it(path: tuple[str | int, ...], told: str) -> None:
    assert must_be(Pigeon, path) == told


def test_of_a_choice_all_kinds_are_known() -> None:
    assert len(kinds_at(int | str | None)) == 3
