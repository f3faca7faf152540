"""The benchmark, with so few people that its figures say nothing but that they are there."""

from io import StringIO
from pathlib import Path

import pikepdf
import pytest
from rich.console import Console

from gateway.demo.bench import ground_for, measure
from gateway.demo.bench.figures import Figure
from gateway.demo.bench.machine import this_machine
from gateway.demo.bench.paper import show_figures, show_machine
from gateway.demo.bench.plain_pages import write_plain_pages
from gateway.demo.bench.press import measure_press
from gateway.demo.bench.transport import measure_transport
from gateway.storage.scratch import Scratch, SqliteScratch, postgres

EVERYWHERE = {
    "expansion": "recipients/s",
    "e-mail, end to end": "mails/s",
    "bytes per recipient planned": "bytes",
    "more bytes per mail sent": "bytes",
    "redemptions, one till": "redemptions/s",
}


def measured(scratch: Scratch) -> dict[str, Figure]:
    return {figure.name: figure for figure in measure(ground_for(scratch, 200))}


def test_every_figure_of_sqlite_is_there_and_positive(tmp_path: Path) -> None:
    figures = measured(SqliteScratch(tmp_path))
    assert {name: figures[name].unit for name in EVERYWHERE} == EVERYWHERE
    assert all(figure.value > 0 for figure in figures.values())
    assert not list(tmp_path.glob("*-wal")), "a copy was left behind"


def test_every_figure_of_postgres_is_there_and_positive(postgres_url: str) -> None:
    with postgres(postgres_url) as scratch:
        figures = measured(scratch)
    expected = EVERYWHERE | {"redemptions, 8 tills": "redemptions/s"}
    assert {name: figures[name].unit for name in expected} == expected
    assert all(figure.value > 0 for figure in figures.values())


def test_the_expansion_is_compared_with_a_bare_insert(tmp_path: Path) -> None:
    expansion = measured(SqliteScratch(tmp_path))["expansion"]
    assert expansion.ratio is not None
    assert expansion.ratio > 0
    assert expansion.wanted == 0.40


async def test_the_transport_is_measured_in_both_ways_of_talking() -> None:
    figures = await measure_transport(mails=300)
    assert [figure.name for figure in figures] == [
        "SMTP transport, pipelined",
        "SMTP transport, one command at a time",
    ]
    assert all(figure.value > 0 and figure.unit == "mails/s" for figure in figures)


def test_a_printed_piece_is_compared_with_a_plain_page_that_can_be_read(tmp_path: Path) -> None:
    [figure] = measure_press(120)
    assert figure.value > 0
    assert figure.ratio is not None
    assert figure.ratio > 0
    plain = tmp_path / "plain.pdf"
    write_plain_pages([(["Lucia Provà"], "ABCD2345WXYZ", "HTTPS://GO.EXAMPLE.COM/R/ABCD2345WXYZ")], plain)
    with pikepdf.open(plain) as pdf:
        assert len(pdf.pages) == 1
        assert pdf.check_pdf_syntax() == []


@pytest.mark.parametrize(("ratio", "says_so"), [(0.39, True), (0.40, False)])
def test_a_ratio_below_what_is_wanted_is_said_in_words(ratio: float, says_so: bool) -> None:
    paper = StringIO()
    figure = Figure(engine="SQLite", name="expansion", value=1.0, unit="recipients/s", ratio=ratio, wanted=0.40)
    show_figures(Console(file=paper, width=200), [figure])
    assert ("SQLite, expansion: below what is wanted" in paper.getvalue()) == says_so


def test_the_machine_is_described() -> None:
    paper = StringIO()
    show_machine(Console(file=paper, width=200), this_machine())
    assert "CPython" in paper.getvalue()
    assert " cores" in paper.getvalue()
