"""The real purchases: all there, and checked."""

from collections import defaultdict
from datetime import date
from hashlib import sha256
from importlib.resources import files

import pytest

from gateway.demo.cdnow.purchases import BadPurchases, Purchase, load, parse


def test_the_sample_is_whole() -> None:
    purchases = load()

    assert len(purchases) == 6_919
    assert len({purchase.customer for purchase in purchases}) == 2_357
    assert min(purchase.bought_on for purchase in purchases) == date(1997, 1, 1)
    assert max(purchase.bought_on for purchase in purchases) == date(1998, 6, 30)
    assert sum(purchase.amount_minor == 0 for purchase in purchases) == 8


def test_everybody_bought_first_in_the_first_quarter_of_1997() -> None:
    days = defaultdict(list)
    for purchase in load():
        days[purchase.customer].append(purchase.bought_on)

    assert max(min(bought) for bought in days.values()) <= date(1997, 3, 31)


def test_the_first_purchase_is_read_to_the_cent() -> None:
    assert load()[0] == Purchase(customer="0001", bought_on=date(1997, 1, 1), items=2, amount_minor=2_933)


def test_the_file_is_the_one_that_its_source_note_describes() -> None:
    folder = files("gateway.demo.cdnow")

    digest = sha256((folder / "cdnow_sample.txt").read_bytes()).hexdigest()

    assert digest in (folder / "SOURCE.md").read_text()


def test_every_bad_row_is_reported_with_its_line_number() -> None:
    text = "\n".join(
        [
            " 00004 0001 19970101  2   29.33",
            " 00004 0001 19970230  2   29.33",
            "",
            " 00004 0001 19970101  0   29.33",
            " 00004 0001 19970101  2   29.3",
            " 00004 0001 19970101  2  -29.33",
            " 00004 0001 19970101  2",
        ]
    )

    with pytest.raises(BadPurchases) as caught:
        parse(text, "shop.txt")

    assert [problem.split(":")[1] for problem in caught.value.problems] == [
        " line 2",
        " line 4",
        " line 5",
        " line 6",
        " line 7",
    ]
    assert caught.value.problems[0] == "shop.txt: line 2: 19970230 is not a day of the calendar (YYYYMMDD)"


def test_digits_of_other_scripts_are_not_taken_for_numbers() -> None:
    with pytest.raises(BadPurchases):
        parse(" 00004 0001 19970101  ٢   29.33", "shop.txt")
