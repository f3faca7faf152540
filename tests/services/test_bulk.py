"""Many lines in and out: what is good is written, what is not is named, and nothing raises."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from gateway.domain.address import normalise
from gateway.domain.policy import Policies
from gateway.domain.recipient import AddressInput
from gateway.domain.tokens import KeyRing
from gateway.services import bulk
from gateway.services.bulk import Kind, PageResult, RowError
from gateway.services.installation import Installation
from gateway.storage import activities, clock, consents, recipients
from gateway.storage.database import Database, Transaction
from gateway.storage.tables import metadata, suppressions

HOUSE = Installation(
    policies=Policies(),
    keys=KeyRing(1, {1: b"k" * 32}, b"p" * 32),
    channels={},
    public_url="https://gateway.example.com",
)


def write(db: Database, kind: Kind, *rows: Any) -> PageResult:
    """Rows as objects, or as the bytes of a line that no object gives."""
    lines = [row if isinstance(row, bytes) else msgspec.json.encode(row) for row in rows]
    with db.transaction() as tx:
        return bulk.write_page(tx, HOUSE, kind, list(enumerate(lines, start=1)), "shop")


def person(id: str = "c-1", **more: Any) -> dict[str, Any]:
    return {"id": id, "name": "Żaneta Łęcka", "locale": "pl-PL"} | more


def email(value: str) -> dict[str, str]:
    return {"kind": "email", "value": value}


def allowed(recipient: str = "c-1", **more: Any) -> dict[str, Any]:
    row = {"recipient": recipient, "channel": "email", "purpose": "marketing", "action": "granted"}
    return row | {"at": "2026-05-01T10:00:00Z", "source": "form"} | more


def bought(recipient: str = "c-1", **more: Any) -> dict[str, Any]:
    return {"recipient": recipient, "kind": "purchase", "at": "2026-05-01T10:00:00Z", "id": "o-1"} | more


def unwanted(value: str = "gone@example.com", **more: Any) -> dict[str, Any]:
    return {"address": email(value), "reason": "bounced", "at": "2026-05-01T10:00:00Z"} | more


GOOD: list[tuple[Kind, dict[str, Any]]] = [
    ("recipients", person("c-2")),
    ("consents", allowed()),
    ("activities", bought()),
    ("suppressions", unwanted()),
]

NAMES = ["Łukasz Żółć", "Анна Петрова", "Ελένη Παπαδοπούλου", "Niccolò D’Amico", "🎉 Zoë", "شيماء", "עֲדִינָה"]


def test_people_are_written_as_they_spell_themselves(db: Database) -> None:
    rows = [
        person(f"c-{n}", name=name, attributes={"vip": True, "note": name, "spent": 12.5})
        for n, name in enumerate(NAMES)
    ]
    assert write(db, "recipients", *rows) == PageResult(written=len(NAMES), errors=())
    with db.snapshot() as tx:
        found = [recipients.get(tx, row["id"]) for row in rows]
    assert [(row.name, row.attributes["note"]) for row in found if row] == [(name, name) for name in NAMES]


def test_a_bad_line_does_not_stop_the_others(db: Database) -> None:
    rows = [person("c-1"), person("c 2"), person("c-3")]
    result = write(db, "recipients", *rows)
    assert result.written == 2
    assert [(error.line, error.pointer) for error in result.errors] == [(2, "/id")]
    with db.snapshot() as tx:
        assert set(recipients.ids_of(tx, ["c-1", "c 2", "c-3"])) == {"c-1", "c-3"}


def test_of_two_lines_for_one_person_the_later_holds(db: Database) -> None:
    result = write(db, "recipients", person(name="Anna"), person(name="Anna Maria"))
    assert result == PageResult(written=2, errors=())
    with db.snapshot() as tx:
        row = recipients.get(tx, "c-1")
    assert row is not None
    assert row.name == "Anna Maria"


def test_an_address_of_somebody_else_is_an_error_of_its_line(db: Database) -> None:
    write(db, "recipients", person("c-1", addresses=[email("anna@example.com")]))
    result = write(
        db,
        "recipients",
        person("c-2", addresses=[email("own@example.com"), email("Anna@Example.COM")]),
        person("c-3", addresses=[email("third@example.com")]),
        person("c-4", addresses=[email("third@example.com")]),
    )
    assert result.written == 1
    assert [(error.line, error.pointer) for error in result.errors] == [(1, "/addresses/1"), (3, "/addresses/0")]
    with db.snapshot() as tx:
        assert set(recipients.ids_of(tx, ["c-2", "c-3", "c-4"])) == {"c-3"}


@pytest.mark.parametrize(
    ("kind", "line", "pointer"),
    [
        ("recipients", person("c 1"), "/id"),
        ("recipients", {"name": "x"}, "/id"),
        ("recipients", person(shoe_size=43), "/shoe_size"),
        ("recipients", person(time_zone="Mars/Olympus"), "/time_zone"),
        ("recipients", person(country="Italia"), "/country"),
        ("recipients", person(addresses=[email("a@example.com"), {"kind": "email", "value": 3}]), "/addresses/1/value"),
        ("recipients", person(addresses=[email("not an address")]), "/addresses/0/value"),
        ("recipients", person(addresses=[{"kind": "postal", "data": {"city": "Roma"}}]), "/addresses/0/data"),
        ("recipients", person(addresses=[{"kind": "email"}, {}]), "/addresses/1/kind"),
        ("recipients", person(addresses=[{"kind": "pager", "value": "ż" * 1500}]), "/addresses/0/value"),
        ("recipients", person(attributes={"A B": 1}), "/attributes"),
        ("recipients", person(attributes={"a": 2**63}), "/attributes/a"),
        ("recipients", person(attributes={"a": [1, {"b~/": -(2**80)}]}), "/attributes/a/1/b~0~1"),
        ("recipients", b'{"id":"c-1","attributes":{"a":' + b"7" * 5000 + b"}}", "/attributes"),
        ("recipients", b'{"id":"c-1","attributes":{"a":1e999}}', "/attributes"),
        ("recipients", b'{"id":"c-1","attributes":{"a":' + b"[" * 100 + b"]" * 100 + b"}}", None),
        ("recipients", b'{"id":"c-1","attributes":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}", None),
        ("recipients", person(attributes={"a": "x" * 20_000}), "/attributes"),
        ("recipients", rb'{"id":"c-1","name":"a\u0000b"}', "/name"),
        ("recipients", rb'{"id":"c-1","attributes":{"a":["\u0000"]}}', None),
        ("recipients", rb'{"id":"c-1","attributes":{"a":{"\u0000":1}}}', None),
        ("recipients", b'{"id":"c-1","name":"a\x00b"}', ""),
        ("recipients", rb'{"id":"c-1","name":"\ud800"}', ""),
        ("recipients", rb'{"id":"c-1","name":"\ud800\ud800 and more of it"}', ""),
        ("recipients", b'{"id":"c-1","name":"\xff"}', ""),
        ("recipients", b'{"id":"c-1","name":"\xed\xa0\x80"}', ""),
        ("recipients", b'{"id":"c-1"', ""),
        ("recipients", b'{"id":"c-1"} {"id":"c-2"}', ""),
        ("recipients", b"null", ""),
        ("recipients", b"[]", ""),
        ("recipients", b"\x80\x81", ""),
        ("consents", allowed("nobody"), "/recipient"),
        ("consents", allowed(action="maybe"), "/action"),
        ("consents", allowed(at="2026-05-01T10:00:00"), "/at"),
        ("consents", allowed(at="0001-01-01T00:00:00+14:00"), "/at"),
        ("consents", allowed(at="9999-12-31T23:59:59-14:00"), "/at"),
        ("consents", allowed(at="yesterday"), "/at"),
        ("consents", rb'{"recipient":"c-1","evidence":{"ip":"\u0000"}}', None),
        ("activities", bought("nobody"), "/recipient"),
        ("activities", bought(amount_minor=2**63), "/amount_minor"),
        ("activities", bought(amount_minor=1.5), "/amount_minor"),
        ("activities", bought(currency="euro"), "/currency"),
        ("activities", bought(data={"basket": {"sum": 10**30}}), "/data/basket/sum"),
        ("activities", bought(at="9999-12-31T23:59:59-14:00"), "/at"),
        ("suppressions", unwanted("nobody at all"), "/address/value"),
        ("suppressions", {"reason": "bounced", "at": "2026-05-01T10:00:00Z"}, "/address"),
        ("suppressions", unwanted(at="2026-05-01"), "/at"),
        ("suppressions", unwanted(reason=""), "/reason"),
        ("suppressions", unwanted(reason="a\0b"), "/reason"),
        ("suppressions", unwanted(recipient="a b"), "/recipient"),
    ],
)
def test_a_bad_line_is_reported_and_writes_nothing(db: Database, kind: Kind, line: Any, pointer: str | None) -> None:
    write(db, "recipients", person("c-0"))
    with db.snapshot() as tx:
        before = contents(tx)
    result = write(db, kind, line)
    assert result.written == 0
    [error] = result.errors
    assert error.line == 1
    assert error.detail
    assert pointer is None or error.pointer == pointer
    with db.snapshot() as tx:
        assert contents(tx) == before


def contents(tx: Transaction) -> list[tuple[str, int]]:
    names = ("recipients", "addresses", "consents", "consent_states", "activities", "suppressions")
    return [(name, tx.scalar(select(func.count()).select_from(metadata.tables[name])) or 0) for name in names]


@pytest.mark.parametrize(("kind", "good"), GOOD)
def test_every_kind_takes_its_good_lines_between_bad_and_blank_ones(
    db: Database, kind: Kind, good: dict[str, Any]
) -> None:
    write(db, "recipients", person())
    result = write(db, kind, b"", good, b"  \r", b"{", msgspec.json.encode(good) + b"\r")
    assert result.written == 2
    assert [error.line for error in result.errors] == [4]


def test_an_escaped_backslash_before_u0000_is_a_text_like_any_other(db: Database) -> None:
    assert write(db, "recipients", rb'{"id":"c-1","name":"\\u0000"}').written == 1
    with db.snapshot() as tx:
        row = recipients.get(tx, "c-1")
    assert row is not None
    assert row.name == r"\u0000"


def test_consents_reach_ledger_and_state_with_who_brought_them(db: Database) -> None:
    write(db, "recipients", person())
    newer = allowed(action="withdrawn", at="2026-06-01T10:00:00+02:00", evidence={"ip": "192.0.2.1"})
    assert write(db, "consents", newer, allowed()).written == 2
    with db.snapshot() as tx:
        id = recipients.ids_of(tx, ["c-1"])["c-1"]
        ledger, [state] = consents.of_recipient(tx, id), consents.states_of(tx, id)
    assert [(row.action, row.actor) for row in ledger] == [("granted", "shop"), ("withdrawn", "shop")]
    assert (state.action, state.at) == ("withdrawn", datetime(2026, 6, 1, 8, tzinfo=UTC))


def test_an_activity_known_already_is_kept_once(db: Database) -> None:
    write(db, "recipients", person())
    assert write(db, "activities", bought(amount_minor=1990, currency="EUR"), bought(amount_minor=5)).written == 2
    assert write(db, "activities", bought(id="o-2")).written == 1
    with db.snapshot() as tx:
        rows = activities.of_recipient(tx, recipients.ids_of(tx, ["c-1"])["c-1"])
    assert [(row.external_id, row.amount_minor) for row in rows] == [("o-1", 1990), ("o-2", None)]


def test_a_suppression_holds_by_hash_for_an_address_that_nobody_has_yet(db: Database) -> None:
    result = write(
        db,
        "suppressions",
        unwanted("Gone@Example.COM"),
        unwanted("gone@example.com", reason="complained", at="2026-06-01T00:00:00Z"),
        {
            "address": {"kind": "phone", "value": "+1 202 555 0123"},
            "reason": "STOP",
            "at": "2026-01-01T00:00:00Z",
            "recipient": "whoever",
        },
    )
    assert result == PageResult(written=3, errors=())
    with db.snapshot() as tx:
        rows = {row.kind: row for row in tx.execute(suppressions.select())}
    assert set(rows) == {"email", "phone"}
    assert (rows["email"].reason, rows["email"].source) == ("bounced", "import:shop")
    place = normalise(AddressInput(kind="phone", value="+12025550123"))
    assert rows["phone"].hash == HOUSE.keys.hash_address("phone", place.match_key)
    write(db, "recipients", person(addresses=[email("gone@example.com")]))
    with db.snapshot() as tx:
        assert recipients.live_addresses(tx, list(recipients.ids_of(tx, ["c-1"]).values()), "email") == {}


def test_a_full_page_is_written(db: Database) -> None:
    rows = [person(f"c-{n}", addresses=[email(f"c{n}@example.com")]) for n in range(1000)]
    assert write(db, "recipients", *rows) == PageResult(written=1000, errors=())
    assert write(db, "consents", *(allowed(f"c-{n}") for n in range(1000))).written == 1000
    bounced = [unwanted(f"c{n}@example.com", at=f"2026-05-01T10:00:00.{n:06}Z") for n in range(1000)]
    assert write(db, "suppressions", *bounced).written == 1000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_line_whatever_raises_or_is_lost(db: Database, data: st.DataObject) -> None:
    kind, good = data.draw(st.sampled_from(GOOD))
    changed = st.tuples(st.sampled_from([*good, "attributes", "data", "evidence"]), json_values)
    row = changed.map(lambda pair: msgspec.json.encode(good | {pair[0]: pair[1]}))
    lines = data.draw(st.lists(row | st.binary(min_size=1, max_size=30), max_size=5))
    result = write(db, kind, *lines)
    assert result.written + len(result.errors) == sum(bool(line.strip()) for line in lines)


async def chunked(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def pages_of(body: bytes, *, size: int = 7, longest_bytes: int = 100) -> list[list[tuple[int, bytes]]]:
    return [page async for page in bulk.split(chunked(body, size), longest_bytes)]


@example(lines=[b"\xef\xbb\xbf"], size=1, ends=False)
@given(
    lines=st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b""))),
    size=st.integers(1, 40),
    ends=st.booleans(),
)
async def test_lines_come_whole_and_numbered_however_the_chunks_fall(lines: list[bytes], size: int, ends: bool) -> None:
    body = b"\n".join(lines) + (b"\n" if ends else b"")
    unmarked = body.removeprefix(b"\xef\xbb\xbf")
    expected = [(number, line) for number, line in enumerate(unmarked.split(b"\n"), start=1) if line.strip()]
    assert [line for page in await pages_of(body, size=size) for line in page] == expected


async def test_a_page_has_at_most_a_thousand_lines() -> None:
    pages = await pages_of(b"{}\n" * 2500, size=4096)
    assert [len(page) for page in pages] == [1000, 1000, 500]
    assert pages[2][-1] == (2500, b"{}")


async def test_long_lines_make_short_pages() -> None:
    body = (b"x" * 1_000_000 + b"\n") * 9
    pages = await pages_of(body, size=65_536, longest_bytes=2_000_000)
    assert [len(page) for page in pages] == [5, 4]


async def test_a_line_that_is_too_long_is_an_error_of_its_own(db: Database) -> None:
    rows = [person("c-1"), person("c-2", name="x" * 150), person("c-3")]
    body = b"\n".join(msgspec.json.encode(row) for row in rows)
    [page] = await pages_of(body, longest_bytes=100)
    with db.transaction() as tx:
        result = bulk.write_page(tx, HOUSE, "recipients", page, "shop")
    assert result.written == 2
    assert result.errors == (RowError(line=2, pointer="", detail="the line is too long: at most 100 bytes are taken"),)


async def test_a_line_of_just_the_length_is_taken() -> None:
    [page] = await pages_of(b"x" * 100 + b"\n" + b"y" * 101)
    assert page[0] == (1, b"x" * 100)
    assert page[1][1] != b"y" * 101


async def test_a_byte_order_mark_is_not_part_of_the_first_line() -> None:
    assert await pages_of(b"\xef\xbb\xbf{}\n{}") == [[(1, b"{}"), (2, b"{}")]]


def exported(db: Database, kind: Any, limit: int) -> list[bytes]:
    lines: list[bytes] = []
    after: int | None = 0
    while after is not None:
        with db.snapshot() as tx:
            page = bulk.export(tx, kind, after, limit)
        assert len(page.lines) <= limit
        lines += page.lines
        after = page.after
    return lines


PEOPLE: Sequence[dict[str, Any]] = [
    person(
        "c-1",
        name="Ελένη Παπαδοπούλου",
        locale="el",
        time_zone="Europe/Athens",
        country="GR",
        attributes={"tier": "gold", "visits": 3, "score": 0.5, "tags": ["a", {"b": None}]},
        addresses=[
            {"kind": "phone", "value": "+12025550100"},
            email("eleni@example.com"),
            {"kind": "webpush", "value": "https://push.example.com/1", "data": {"p256dh": "k", "auth": "a"}},
            {"kind": "webpush", "value": "https://push.example.com/2", "data": {"p256dh": "l", "auth": "b"}},
            {"kind": "postal", "data": {"street": "Ερμού 1", "postcode": "105 63", "city": "Αθήνα", "country": "GR"}},
        ],
    ),
    person("c-2", name="שרה 🎈"),
    person("c-3", addresses=[email("b@example.com"), email("a@example.com")]),
]


def test_what_is_exported_can_be_imported_and_is_the_same(db: Database, other: Database) -> None:
    write(db, "recipients", *PEOPLE)
    write(db, "consents", allowed(), allowed("c-2", action="objected", text_version="v3", evidence={"ip": "192.0.2.7"}))
    for kind in ("recipients", "consents"):
        lines = exported(db, kind, 2)
        assert write(other, kind, *lines) == PageResult(written=len(lines), errors=())
        assert exported(other, kind, 100) == lines
    with db.snapshot() as ours, other.snapshot() as theirs:
        assert _reach(ours) == _reach(theirs)


def _reach(tx: Transaction) -> dict[str, Any]:
    ids = recipients.ids_of(tx, [each["id"] for each in PEOPLE])
    return {
        f"{each} {kind}": [row.value for row in recipients.live_addresses(tx, [id], kind).get(id, ())]
        for each, id in ids.items()
        for kind in ("email", "phone", "webpush", "postal")
    }


def test_the_primary_address_stays_primary_through_export_and_import(db: Database, other: Database) -> None:
    write(db, "recipients", person(addresses=[email("a@example.com"), email("b@example.com")]))
    write(db, "recipients", person(addresses=[email("b@example.com"), email("a@example.com")]))
    write(other, "recipients", *exported(db, "recipients", 10))
    for each in (db, other):
        with each.snapshot() as tx:
            id = recipients.ids_of(tx, ["c-1"])["c-1"]
            found = recipients.live_addresses(tx, [id], "email")[id]
        assert [row.value for row in found] == ["b@example.com", "a@example.com"]


def test_erased_people_are_not_exported(db: Database) -> None:
    write(db, "recipients", *PEOPLE)
    write(db, "consents", allowed("c-1"), allowed("c-2"))
    with db.transaction() as tx:
        table = metadata.tables["recipients"]
        tx.execute(table.update().where(table.c.external_id == "c-2").values(erased_at=clock.now(tx).business))
    assert [msgspec.json.decode(line)["id"] for line in exported(db, "recipients", 1)] == ["c-1", "c-3"]
    assert [msgspec.json.decode(line)["recipient"] for line in exported(db, "consents", 1)] == ["c-1"]


def test_an_export_of_nothing_is_empty(db: Database) -> None:
    assert exported(db, "recipients", 10) == exported(db, "consents", 10) == []
