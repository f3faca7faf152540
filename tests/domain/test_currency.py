"""What an amount in minor units is worth, on the gateway's side and on the till's page."""

import re
from pathlib import Path

import pytest

from gateway.api.pages import till
from gateway.domain.currency import DIGITS, minor_digits


@pytest.mark.parametrize(
    ("code", "digits"),
    [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("HUF", 2), ("RSD", 2), ("ALL", 2), ("IQD", 3), ("XYZ", 2)],
)
def test_minor_units_are_those_of_the_standard(code: str, digits: int) -> None:
    assert minor_digits(code) == digits


def test_the_till_s_page_has_the_same_list() -> None:
    page = (Path(till.__file__).parent / "till.js").read_text()
    said = {code: int(digits) for digits, codes in re.findall(r'(\d): "([A-Z ]+)"', page) for code in codes.split()}
    assert said == DIGITS
