"""Printed coupons: batches of A5 cards as print-ready PDF parts, a manifest and a job ticket.

`channel` is the door. `card` says what a piece shows, `geometry` where, `card.typ` how it looks;
`typeset` and `finish` make the PDF parts, `papers` the files that travel with them, `batch` all of it.
"""

from channels.postal.channel import PostalChannel

__all__ = ["PostalChannel"]
