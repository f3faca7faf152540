"""An export of a person is complete by construction: what the schema has, it has, or says why not."""

from sqlalchemy import Table

from gateway.services.privacy import PersonalRecord
from gateway.storage.personal import LEFT_OUT, NAMED, PARTS, shown_columns
from gateway.storage.tables import metadata

TABLES = {table.name: table for table in metadata.sorted_tables}
IN_PARTS = {table.name for table, _ in PARTS.values()}


def test_every_table_is_in_the_export_or_left_out_for_a_reason() -> None:
    left_out = {name for name in LEFT_OUT if "." not in name}
    assert IN_PARTS | left_out == TABLES.keys()
    assert not IN_PARTS & left_out


def test_a_table_about_a_recipient_is_never_said_to_be_about_nobody() -> None:
    about = {name for name, table in TABLES.items() if {"recipient_id", "old_id"}.intersection(table.c.keys())}
    assert about - IN_PARTS == {"recipient_merges"}, "its ids are in `merged_ids`"


def test_every_column_is_shown_or_left_out_for_a_reason() -> None:
    for table in (TABLES[name] for name in sorted(IN_PARTS)):
        shown = {column.name for column in shown_columns(table)}
        hidden = {name.partition(".")[2] for name in LEFT_OUT if name.startswith(f"{table.name}.")}
        assert shown | hidden | {"recipient_id"} == set(table.c.keys()) | {"recipient_id"}, table.name
        assert not shown & hidden, table.name


def test_nothing_is_left_out_that_is_not_there() -> None:
    known = TABLES.keys() | {f"{table.name}.{column.name}" for table in TABLES.values() for column in table.c}
    assert LEFT_OUT.keys() <= known
    assert all(reason.strip() for reason in LEFT_OUT.values())


def test_numbers_of_our_own_are_shown_as_public_names() -> None:
    for table in (TABLES[name] for name in sorted(IN_PARTS)):
        assert not [column.name for column in shown_columns(table) if _is_ours(table, column.name)], table.name


def _is_ours(table: Table, name: str) -> bool:
    return name == "id" or (name.endswith("_id") and name not in NAMED and str(table.c[name].type) == "BIGINT")


def test_the_parts_are_those_of_the_document() -> None:
    fields = {*PersonalRecord.__struct_fields__} - {"format", "exported_at", "id"}
    assert fields == PARTS.keys()
