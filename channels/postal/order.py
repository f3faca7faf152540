"""What is agreed with the print shop: its paper, its colours, how large its files may be, whom it can ask."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

Line = Annotated[str, Meta(min_length=1, max_length=120)]


class PrintOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[channels.postal.order]`: it is told to the print shop in the job ticket, word for word."""

    stock: Line = "as agreed"
    """The paper, such as "300 g/m2, matt, coated on one side"."""
    contact: Line = "as agreed"
    """Whom the print shop asks when something is not clear: a name, a telephone number."""
    keep_for_days: Annotated[int, Meta(ge=1, le=3650, description="a number of days from 1 to 3650")] = 30
    """So long after the mailing day may the print shop keep the files: it handles them for us (GDPR 28(3)(g))."""
    part_bytes: Annotated[int, Meta(ge=10_000)] = 250_000_000
    """What the print shop takes in one file. A larger part is written all the same, and the log says how many records
    would fit: lower records_per_part."""
    icc_profile: Path | None = None
    """The file of the print shop's CMYK profile (.icc); a relative one begins where the settings are. With it the parts
    are PDF/X-4; without it plain PDF, and the job ticket says so."""
    output_condition: Line | None = None
    """What the profile is of, such as "FOGRA51": the name in the registry of the ICC (color.org)."""

    def __post_init__(self) -> None:
        if (self.icc_profile is None) != (self.output_condition is None):
            raise ValueError(
                "icc_profile: goes with output_condition, the registered name of what it is made for: give both"
            )
