"""Listings on wide terminals, on narrow ones, and in a pipe."""

import pytest
from rich.table import Table

from gateway.cli.tables import prose, show

ID = "job_k3vq2x7m4n5p6q2r3s4t"
WHY = "[channels.sms] la città Łódź не отвечает 🙂, so it is asked again in a while"


@pytest.fixture
def table() -> Table:
    table = Table("job", "channel", prose("why"), "since")
    table.add_row(ID, "email", WHY, "2026-11-22 11:11")
    table.add_row(ID, "sms", "", "2026-11-22 11:12")
    return table


def shown(table: Table, capsys: pytest.CaptureFixture[str]) -> list[str]:
    show(table)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_a_table_that_fits_is_a_table(
    table: Table, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert [cell.strip() for cell in shown(table, capsys)[3].strip("│").split("│")] == [
        ID,
        "email",
        WHY,
        "2026-11-22 11:11",
    ]


def test_only_prose_is_broken_to_make_a_table_fit(
    table: Table, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    lines = shown(table, capsys)
    assert max(map(len, lines)) <= 90
    assert len(lines) > 6
    assert sum(ID in line and "2026-11-22 11:1" in line for line in lines) == 2


def test_what_does_not_fit_is_shown_one_row_after_the_other(
    table: Table, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = shown(table, capsys)
    assert max(map(len, lines)) <= 60
    assert lines[0] == f"job      {ID}"
    blank = lines.index("")
    assert lines[blank + 1 :] == [f"job      {ID}", "channel  sms", "since    2026-11-22 11:12"]


def test_in_a_pipe_a_row_is_a_line_however_long(
    table: Table, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    [line] = [line for line in shown(table, capsys) if "email" in line]
    assert ID in line
    assert WHY in line
