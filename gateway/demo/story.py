"""How the demonstration speaks on the terminal."""

from datetime import datetime
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gateway.demo.sheets import Sheet

_WIDTH: Final = 100


def terminal() -> Console:
    """At most 100 columns wide: longer lines are hard to read."""
    console = Console(highlight=False)
    return Console(highlight=False, width=min(console.width, _WIDTH) if console.is_terminal else _WIDTH)


def chapter(console: Console, at: datetime | None, title: str) -> None:
    when = f"{at:%a} {at.day} {at:%B %Y, %H:%M} UTC  " if at else ""
    console.print()
    console.rule(Text.assemble((when, "cyan"), (title, "bold")), align="left", style="dim")


def line(console: Console, what: str, text: str) -> None:
    """One word in the margin, and what there is to say."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", min_width=12, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(what), Text(text))
    console.print(Padding(grid, (0, 0, 0, 2), expand=False))


def show(console: Console, sheet: Sheet) -> None:
    table = Table(title=sheet.title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place, heading in enumerate(sheet.headings):
        justify = "right" if sheet.is_number(place) else "left"
        table.add_column(heading, header_style="dim", justify=justify)  # type: ignore[arg-type]
    for row in sheet.rows:
        table.add_row(*(_marked(cell) for cell in row))
    if sheet.total:
        table.add_row(*sheet.total, style="bold")
    console.print()
    console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _marked(cell: str) -> Text:
    return Text(cell, style={"✓": "green", "✗": "bold red", "·": "dim"}.get(cell, ""))
