"""What commands list: as a table where it fits the terminal, else one row after the other."""

import os

from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table

_NARROWEST = 20
"""Prose is readable down to so many characters a line."""
_WIDEST = 10_000


def prose(name: str) -> Column:
    """A column whose cells may go on in the next line. In no other a cell is cut or broken: ids are to be copied."""
    return Column(name, overflow="fold")


def show(table: Table) -> None:
    """Print a table as it is: `[channels.sms]` in a cell is no markup.

    What is read by another program, and not told how many COLUMNS it has, is as wide as it needs to be.
    """
    for column in table.columns:
        longest = max(cell_len(str(cell)) for cell in (column.header, *column.cells))
        column.no_wrap = column.overflow != "fold"
        column.min_width = longest if column.no_wrap else min(longest, _NARROWEST)
    console = _console()
    needs = Measurement.get(console, console.options.update(max_width=_WIDEST), table)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        _console(needs.maximum).print(table)
    elif needs.minimum <= console.width:
        console.print(table)
    else:
        _show_rows(table, console)


def _console(width: int | None = None) -> Console:
    return Console(markup=False, emoji=False, highlight=False, width=width)


def _show_rows(table: Table, console: Console) -> None:
    """One row after the other, a line a cell."""
    headers = [str(column.header) for column in table.columns]
    for number, row in enumerate(zip(*(column.cells for column in table.columns), strict=True)):
        if number:
            console.print()
        lines = Table.grid(Column(no_wrap=True), Column(overflow="fold"), padding=(0, 2, 0, 0))
        for header, cell in zip(headers, row, strict=True):
            if cell:
                lines.add_row(header, cell)
        console.print(lines)
