"""Minor units of currencies, as ISO 4217 (list one) has them.

Not as CLDR does, which leaves out units that nobody pays with any more, and changes: what an amount is worth would
hang on a release of a library, or of a browser. The till's page has the same list.
"""

from collections.abc import Mapping
from typing import Final

DIGITS: Final[Mapping[str, int]] = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
"""All others have 2."""


def minor_digits(currency: str) -> int:
    """How many digits stand behind the point: 2 for EUR, whose minor unit is the hundredth."""
    return DIGITS.get(currency, 2)
