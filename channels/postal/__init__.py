"""Printed pieces with coupons: print-ready PDF parts, and the papers that go with them.

`channel` is the door. `designs` says how a piece looks, from a marketer's file (`art` is its picture) over what
`arrange` makes of a format and an address `profile`; `layout` is the result, and finds what no press could print.
`card` says what a piece shows, `typeset` sets it with `card.typ`. `parts` makes the files of a part, `finish` its last
pass, `papers` what travels with all of them.
"""

from channels.postal.channel import PostalChannel

__all__ = ["PostalChannel"]
