"""What the documents say of the code is what the code says."""

from pathlib import Path

from gateway.domain.states import MOVES

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_of_moves_in_the_architecture_is_the_one_in_the_code() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    table = text.partition("<!-- moves: begin -->\n")[2].partition("<!-- moves: end -->")[0]
    lines = [
        f"| `{state}` | {', '.join(f'`{target}`' for target in sorted(targets)) or 'final'} |"
        for state, targets in MOVES.items()
    ]
    assert table == "\n".join(["| state | may become |", "|---|---|", *lines, ""])


def test_every_folder_of_the_gateway_is_in_the_architecture() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    folders = [path.name for path in (ROOT / "gateway").iterdir() if (path / "__init__.py").exists()]
    assert [name for name in folders if f"`gateway/{name}`" not in text] == []
