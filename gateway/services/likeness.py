"""Links as long as those in real messages, for samples and weights. They lead to no message."""

from collections.abc import Mapping
from typing import Final

from gateway.domain.policy import Purpose
from gateway.domain.short_code import SPECIMEN
from gateway.services import short_links
from gateway.services.installation import Installation

TOKEN: Final = "example".ljust(43, "0")
"""As long as a signed token of a send in a database that has been used for a while."""


def url(installation: Installation, page: str) -> str:
    return f"{installation.public_url}/{page}/{TOKEN}"


def links(installation: Installation, purpose: Purpose, channel: str, count: int) -> Mapping[int, str] | None:
    """What stands for each tracked link; None where links are not tracked and stand as they were written."""
    if purpose.tracking.clicks == "never":
        return None
    is_short = short_links.are_used(installation, channel)
    return dict.fromkeys(range(count), f"{installation.short_url}/{SPECIMEN}" if is_short else url(installation, "c"))
