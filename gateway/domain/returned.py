"""Letters that come back: which piece it was, and why."""

import re
from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from gateway.domain.recipient import AddressInput

Why = Literal[
    "moved_new_address",
    "moved_unknown",
    "unknown_addressee",
    "insufficient_address",
    "vacant",
    "deceased",
    "refused",
    "unclaimed",
    "other",
]
"""What the post writes on what it brings back."""

DEAD: Final = frozenset[Why](
    {"moved_new_address", "moved_unknown", "unknown_addressee", "insufficient_address", "vacant", "deceased"}
)
"""After one of these nothing can reach the person there."""
OF_THE_PLACE: Final = frozenset[Why]({"insufficient_address", "vacant"})
"""True of whoever else is written to at the same place."""
PATIENCE: Final = 2
"""After so many for the other reasons the person is left alone there too."""

_PIECE: Final = re.compile(r"\s*(bat_[a-z0-9]+)\W{1,5}0*([1-9][0-9]{0,8})\s*")


class ReturnInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A piece that came back, as scanned or typed: what is printed on it (`piece`), or its batch and number.

    `address` is where the post says that the person lives now: somebody looks at it, nothing is overwritten.
    """

    reason: Why
    piece: Annotated[str, Meta(max_length=100, examples=["bat_k3vq · 000123"])] | None = None
    batch: Annotated[str, Meta(max_length=64)] | None = None
    sequence: Annotated[int, Meta(ge=1, le=999_999_999)] | None = None
    at: datetime | None = None
    address: AddressInput | None = None

    def __post_init__(self) -> None:
        if self.at is not None and self.at.tzinfo is None:
            raise ValueError("at: needs a time zone, such as 2026-05-01T10:00:00Z")
        if (self.piece is None) == (self.batch is None or self.sequence is None):
            raise ValueError("piece: a return names what is printed on the piece, or its batch and sequence")
        if self.piece is not None and not _PIECE.fullmatch(self.piece):
            raise ValueError("piece: is the batch and the number as they are printed, such as bat_k3vq · 000123")
        if self.address is not None and self.address.kind != "postal":
            raise ValueError("address: is a postal one")

    @property
    def place(self) -> tuple[str, int]:
        """The batch's id and the number in it."""
        found = _PIECE.fullmatch(self.piece) if self.piece else None
        return (found[1], int(found[2])) if found else (self.batch or "", self.sequence or 0)
