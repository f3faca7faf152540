"""The purchases of the sample, checked row by row."""

import re
from datetime import date
from importlib.resources import files
from typing import Final

from msgspec import Struct

FILE: Final = "cdnow_sample.txt"
CURRENCY: Final = "USD"

_ROW: Final = re.compile(
    r"\s*(?P<master>\d{5})\s+(?P<customer>\d{4})\s+(?P<day>\d{8})\s+(?P<items>\d+)\s+(?P<dollars>\d+)\.(?P<cents>\d\d)\s*",
    re.ASCII,
)


class Purchase(Struct, frozen=True, kw_only=True):
    """One order. `customer` is the id in the sample, `amount_minor` US cents, 0 for free CDs."""

    customer: str
    bought_on: date
    items: int
    amount_minor: int


class BadPurchases(ValueError):
    """Rows that cannot be read; `problems` has one sentence for each, with its line number."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load() -> list[Purchase]:
    """All purchases in the order of the file: by customer, then by day."""
    return parse((files(__package__) / FILE).read_text("ascii"), FILE)


def parse(text: str, name: str) -> list[Purchase]:
    """The purchases in `text`; `name` stands in the error messages.

    Empty lines are skipped. Raises BadPurchases with every bad row at once.
    """
    purchases: list[Purchase] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            purchases.append(_purchase(line))
        except ValueError as fault:
            problems.append(f"{name}: line {number}: {fault}")
    if problems:
        raise BadPurchases(problems)
    return purchases


def _purchase(line: str) -> Purchase:
    row = _ROW.fullmatch(line)
    if row is None:
        raise ValueError("expected master id (5 digits), sample id (4 digits), YYYYMMDD, CDs, dollars.cents")
    items = int(row["items"])
    if items < 1:
        raise ValueError("a purchase has at least one CD")
    return Purchase(
        customer=row["customer"],
        bought_on=_day(row["day"]),
        items=items,
        amount_minor=int(row["dollars"]) * 100 + int(row["cents"]),
    )


def _day(digits: str) -> date:
    try:
        return date.fromisoformat(digits)
    except ValueError:
        raise ValueError(f"{digits} is not a day of the calendar (YYYYMMDD)") from None
