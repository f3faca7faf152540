"""One consistent state of the whole database, written into an archive while everything goes on."""

from pathlib import Path

import gateway
from gateway.domain.tokens import KeyRing
from gateway.services.archive import FORMAT, Manifest, Progress, TableSum, Writer
from gateway.services.status import database_name
from gateway.storage import backup, clock, schema
from gateway.storage.database import Transaction


def sizes(tx: Transaction) -> dict[str, int]:
    """How many rows each table has."""
    return {name: backup.count(tx, name) for name in backup.NAMES}


def save(tx: Transaction, keys: KeyRing, path: Path, progress: Progress) -> Manifest:
    """Write all that the snapshot `tx` sees. Memory stays the same however much that is.

    Raises FileExistsError: no backup is ever written over.
    """
    now = clock.now(tx)
    with Writer(path) as archive:
        tables: dict[str, TableSum] = {}
        # What is given out while the tables are written is above these, and the leap of a restore above that.
        ids = backup.last_ids(tx)
        for name in backup.NAMES:
            rows, sha256 = archive.table(name, backup.pages(tx, name), progress)
            tables[name] = TableSum(columns=backup.columns(name), rows=rows, sha256=sha256, last_id=ids.get(name))
        manifest = Manifest(
            format=FORMAT,
            program=gateway.__version__,
            schema=schema.revision(tx) or "",
            database=database_name(tx),
            machine_at=now.machine,
            business_at=now.business,
            keys=keys.fingerprints(),
            tables=tables,
        )
        archive.finish(manifest)
    return manifest
