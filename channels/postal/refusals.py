"""Why a piece is not printed: the codes of all refusals, in one place."""

from collections.abc import Mapping
from typing import Final

WHY: Final[Mapping[str, str]] = {
    "address-incomplete": "The address lacks a field that its country's post needs, or its postcode has another form.",
    "missing-glyph": "The typeface has no such character: it has Latin, Greek and Cyrillic, no emoji, no other script.",
    "overflow": "A text or the address does not fit its place, even in the smallest size and on all its lines.",
    "code-unprintable": "The code does not fit its barcode, or has characters that a Code 128 does not take.",
    "duplicate-code": "Another piece of the part carries the same coupon code.",
    "footer-missing": "The footer is empty: it names the sender and the right to object, and every piece must have it.",
    "unknown-design": "The content names a design that is not there.",
    "bad-design": "The content names a design that has a fault.",
    "other-format": "The content's design has another format than the first of the batch: a batch has one.",
}
"""What a code means. The refusal's own text says which field or character it is, and what would be right."""
