"""CSV in and out: what spreadsheets make of people, and what people must not make of spreadsheets."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.services import bulk, sheet
from gateway.services.csv_columns import Kind, column_at, columns_of, row_of
from gateway.services.csv_rows import BadHeader, CsvPage, harmless, split
from gateway.services.ndjson import RowError
from gateway.storage import activities, audit, consents, recipients
from gateway.storage.types import Record
from tests.builders import World

LONGEST = 4096


async def _pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def pages_of(body: str | bytes, kind: Kind = "recipients", size: int = 7) -> list[CsvPage]:
    raw = body.encode() if isinstance(body, str) else body
    return [page async for page in split(_pieces(raw, size), kind, LONGEST)]


async def rows_of(body: str | bytes, kind: Kind = "recipients", size: int = 7) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for page in await pages_of(body, kind, size) for _, line in page.lines]


async def taken_in(world: World, body: str | bytes, kind: Kind = "recipients") -> tuple[int, list[tuple[int, str]]]:
    """How many rows were written, and the line and column of each that was not."""
    written, errors = 0, list[RowError]()
    for page in await pages_of(body, kind):
        result = await world.db.write(bulk.import_page, world.house, kind, page, "import")
        written += result.written
        errors += result.errors
    return written, [(error.line, error.pointer) for error in errors]


def person(world: World, id: str) -> Record:
    with world.db.snapshot() as tx:
        row = recipients.get(tx, id)
    assert row is not None
    return row


def places(world: World, id: str) -> Sequence[tuple[str, str]]:
    with world.db.snapshot() as tx:
        return [(row.kind, row.value) for row in recipients.addresses_of(tx, recipients.ids_of(tx, [id])[id])]


SHEET = """id;name;locale;time_zone;country;email;phone;street;postcode;city;attr.city;attr.points:number
c-1;Łucja Żółć;pl-PL;Europe/Warsaw;PL;lucja@example.com;+48 600 000 000;;;;Łódź;12
c-2;"Γιώργος ""Ψ""; ο άλλος";el-GR;;GR;;;Ερμού 1;105 63;Αθήνα;;3.5
c-3;محمد 🎈;;;;;;;;;=1+1;
"""


async def test_a_sheet_of_people_is_taken_in(world: World) -> None:
    assert await taken_in(world, "\ufeff" + SHEET) == (3, [])
    first = person(world, "c-1")
    assert (first.name, first.time_zone, first.attributes) == (
        "Łucja Żółć",
        "Europe/Warsaw",
        {"city": "Łódź", "points": 12},
    )
    assert places(world, "c-1") == [("email", "lucja@example.com"), ("phone", "+48600000000")]
    assert person(world, "c-2").name == 'Γιώργος "Ψ"; ο άλλος'
    assert places(world, "c-2") == [("postal", "Ερμού 1, 105 63, Αθήνα, GR")]
    assert person(world, "c-2").attributes == {"points": 3.5}
    assert (person(world, "c-3").name, person(world, "c-3").attributes) == ("محمد 🎈", {"city": "=1+1"})
    with world.db.snapshot() as tx:
        [row] = audit.page(tx, None, 5)
    assert (row.actor, row.action, row.subject, row.detail) == (
        "import",
        "recipients.imported",
        "recipients",
        {"written": 3, "refused": 0},
    )


async def test_every_row_that_is_wrong_is_told_by_line_and_column(world: World) -> None:
    body = "\n".join(
        [
            "id,name,country,email,phone,street,city,attr.n:number",
            "ok-1,Анна,IT,a@example.com,,,,",
            ",no id,,,,,,",
            "c-3,,Italy,,,,,",
            "c-4,,,nowhere,,,,",
            "c-5,,,b@example.com,12,,,",
            "c-6,,,,,Via Roma 1,,",
            "c-7,,,,,,,many",
            "c-8,too,few",
            "c-9,,,a@example.com,,,,",
            'c-10,"open,,,,,,',
            "ok-2,Ян,,,,,,",
            "c-12,\0,,,,,,",
            "c-13,\udcff,,,,,,",
            "ok-3,last,,,,,,7",
        ]
    ).encode("utf-8", "surrogateescape")
    assert await taken_in(world, body) == (
        3,
        [
            (3, "id"),
            (4, "country"),
            (5, "email"),
            (6, "phone"),
            (7, "street"),
            (8, "attr.n:number"),
            (9, ""),
            (10, "email"),
            (11, ""),
            (13, ""),
            (14, ""),
        ],
    )
    assert person(world, "ok-2").name == "Ян"


async def test_the_other_kinds_are_taken_in_too(world: World) -> None:
    world.people("c-1", grants=())
    said = "recipient\tchannel\tpurpose\taction\tat\tsource\tevidence.ip\n"
    said += "c-1\temail\tmarketing\tgranted\t2026-05-01T10:00:00Z\tform\t192.0.2.1\n"
    assert await taken_in(world, said + "nobody\temail\tmarketing\tgranted\t2026-05-01\tform\t\n", "consents") == (
        1,
        [(3, "at")],
    )
    did = "recipient,kind,at,id,amount_minor,currency,data.shop\n"
    did += "c-1,purchase,2026-05-01T10:00:00Z,o-1,2990,EUR,Torino\nc-1,purchase,2026-05-01T10:00:00Z,o-2,29.90,EUR,\n"
    assert await taken_in(world, did, "activities") == (1, [(3, "amount_minor")])
    gone = "email,phone,reason,at\nx@example.com,,hard-bounce,2026-05-01T10:00:00Z\n,,objected,2026-05-01T10:00:00Z\n"
    assert await taken_in(world, gone, "suppressions") == (1, [(3, "email")])
    with world.db.snapshot() as tx:
        [row] = consents.of_recipient(tx, 1)
        [bought] = activities.of_recipient(tx, 1)
    assert (row.action, row.evidence) == ("granted", {"ip": "192.0.2.1"})
    assert (bought.amount_minor, bought.data) == (2990, {"shop": "Torino"})


@pytest.mark.parametrize("size", [1, 2, 5, 4096])
async def test_rows_come_in_whatever_pieces(size: int) -> None:
    body = 'id,name\r\nc-1,"two\r\nlines, and ""quotes"""\r\n\r\n,\r\nc-2,ж\r\n'
    assert await rows_of(body, size=size) == [
        {"id": "c-1", "name": 'two\r\nlines, and "quotes"'},
        {"id": "c-2", "name": "ж"},
    ]
    assert [number for page in await pages_of(body, size=size) for number, _ in page.lines] == [2, 6]


async def test_a_quote_that_is_never_closed_costs_its_own_line_alone() -> None:
    body = 'id,name\nc-1,a\nc-2,"open\n' + "".join(f"c-{n},x\n" for n in range(3, 900)) + 'c-900,"shut"\n'
    [page] = await pages_of(body)
    assert [error.line for error in page.errors] == [3]
    assert len(page.lines) == 899


async def test_a_row_that_is_too_long_is_its_own_error() -> None:
    body = "id,name\nc-1,a\nc-2," + "x" * 3 * LONGEST + "\nc-3,b\n"
    [page] = await pages_of(body, size=1000)
    assert [error.line for error in page.errors] == [3]
    assert [msgspec.json.decode(line)["id"] for _, line in page.lines] == ["c-1", "c-3"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "empty"),
        ("id,name".encode("utf-16"), "UTF-16"),
        ("id,name\n".encode("utf-16-le"), "UTF-16"),
        (b"id,n\xe4me\n", "UTF-8"),
        (b"id,nome\n", "no column nome; recipients have id, name"),
        (b"id,name,ID\n", "id is there twice"),
        (b"name,email\n", "id is missing"),
        (b'id,"name\nc-1,x\n', "first row"),
        (b"id,,name\n", "no column (empty)"),
        (b"id" + b",a" * 600, "601 columns"),
    ],
)
async def test_a_file_whose_first_row_is_no_header_is_refused_as_a_whole(body: bytes, told: str) -> None:
    with pytest.raises(BadHeader) as refused:
        await pages_of(body)
    assert told in str(refused.value)


async def test_what_separates_the_cells_is_told_by_the_first_row_alone() -> None:
    for separator in (",", ";", "\t"):
        body = f'id{separator}name\nc-1{separator}"a,b;c\td"\n'
        assert await rows_of(body) == [{"id": "c-1", "name": "a,b;c\td"}]
    assert await rows_of('id\nc-1\n"c;2"\n') == [{"id": "c-1"}, {"id": "c;2"}]


FORMULAS = ("=1+1", "+39 06 1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "＋1", "－1", "＠x", " =1", "'=1", "''-1")


@pytest.mark.parametrize("cell", FORMULAS)
async def test_no_exported_cell_is_a_formula_and_every_one_comes_back_as_it_was(cell: str) -> None:
    disarmed = harmless(cell)
    assert disarmed.startswith("'")
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("id", "name"), ("c-1", disarmed)])
    assert await rows_of(text.getvalue()) == [{"id": "c-1", "name": cell}]


@pytest.mark.parametrize("cell", ["'t Hooft", "O'Brien", "", "a=b", "'", "''", "Żółć"])
def test_other_cells_are_left_as_they_are(cell: str) -> None:
    assert harmless(cell) == cell


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=5))
async def test_whatever_is_written_comes_back_as_it_was(names: list[str]) -> None:
    text = io.StringIO()
    rows = [(f"c-{n}", harmless(name)) for n, name in enumerate(names)]
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("id", "name"), *rows])
    found = await rows_of(text.getvalue())
    assert [row.get("name", "") for row in found] == names


async def test_an_exported_sheet_is_taken_in_elsewhere_and_is_the_same(world: World) -> None:
    await taken_in(world, SHEET + 'c-4;"=HYPERLINK(""http://evil.example"")";;;;;+12025550142;;;;;\n')
    world.consents("granted", "c-1", "c-4")
    with world.db.snapshot() as tx:
        people, said = b"".join(sheet.rows(tx, "recipients", 2)), b"".join(sheet.rows(tx, "consents", 2))
    assert people.startswith(b"\xef\xbb\xbf")
    cells = list(csv.reader(io.StringIO(people.decode("utf-8-sig"))))
    assert not [cell for row in cells for cell in row if cell.startswith(("=", "+", "-", "@"))]
    assert (await taken_in(world, people), await taken_in(world, said, "consents")) == ((4, []), (2, []))
    with world.db.snapshot() as tx:
        assert b"".join(sheet.rows(tx, "recipients", 1000)) == people
        assert b"".join(sheet.rows(tx, "consents", 1000)) == said
    assert person(world, "c-4").name == '=HYPERLINK("http://evil.example")'


def test_the_lines_of_an_address_have_columns_of_their_own() -> None:
    columns = columns_of("recipients", ["id", "addressee", "company", "care_of", "street", "city", "postal_country"])
    row, origins = row_of(columns, ["c-1", "Żaneta", "Przykład", "Ćwikła", "Długa 5", "Łódź", "PL"])
    lines = {"name": "Żaneta", "company": "Przykład", "care_of": "Ćwikła", "street": "Długa 5", "city": "Łódź"}
    assert row["addresses"] == [{"kind": "postal", "data": {**lines, "country": "PL"}}]
    assert column_at(origins, "/addresses/0/data") == "street"
