"""How much room the tables take, and what the database is."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from gateway.storage.database import Transaction

EVERYTHING: Final = "everything"

_SQLITE: Final = text(
    "SELECT master.tbl_name, sum(stat.pgsize) FROM dbstat AS stat"
    " JOIN sqlite_master AS master ON master.name = stat.name GROUP BY master.tbl_name"
)
_SQLITE_WHOLE: Final = text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
_POSTGRES: Final = text(
    "SELECT relname, pg_total_relation_size(oid) FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
)


def table_bytes(tx: Transaction) -> Mapping[str, int]:
    """Bytes of each table with its indexes. A SQLite built without dbstat knows only the whole (EVERYTHING)."""
    if tx.dialect.name != "sqlite":
        return {name: size for name, size in tx.execute(_POSTGRES)}  # noqa: C416
    try:
        return {name: size for name, size in tx.execute(_SQLITE)}  # noqa: C416
    except OperationalError:
        return {EVERYTHING: tx.execute(_SQLITE_WHOLE).scalar_one()}


def version(tx: Transaction) -> str:
    """The database's own version, such as `15.18`."""
    if tx.dialect.name == "sqlite":
        return str(tx.scalar(text("SELECT sqlite_version()")))
    return str(tx.scalar(text("SHOW server_version"))).split(" ")[0]
