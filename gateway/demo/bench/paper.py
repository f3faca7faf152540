"""The figures as they are shown."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from gateway.demo.bench.figures import Figure
from gateway.demo.bench.machine import Machine


def show_machine(console: Console, machine: Machine) -> None:
    memory = "" if machine.memory_bytes is None else f", {machine.memory_bytes / 2**30:.0f} GiB"
    console.print(
        f"{machine.cpu}, {machine.cores} cores{memory}, {machine.system}, {machine.python}, {machine.at:%F %R} UTC"
    )


def show_figures(console: Console, figures: Sequence[Figure]) -> None:
    table = Table("", "", "", "ratio", "wanted", "against")
    for column in (1, 3, 4):
        table.columns[column].justify = "right"
    engine = ""
    for figure in figures:
        if figure.engine != engine:
            engine = figure.engine
            table.add_section()
            table.add_row(f"[bold]{engine}")
        table.add_row(figure.name, _number(figure.value), figure.unit, *_compared(figure))
    console.print(table)
    short = [figure for figure in figures if figure.falls_short]
    for figure in short:
        console.print(f"{figure.engine}, {figure.name}: below what is wanted, {figure.ratio:.2f} < {figure.wanted:.2f}")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _compared(figure: Figure) -> tuple[str, str, str]:
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    wanted = "" if figure.wanted is None else f"{figure.wanted:.2f}"
    return (f"[red]{ratio}" if figure.falls_short else ratio, wanted, figure.against)
