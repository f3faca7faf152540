"""The database's schema: brought to where this version of the code needs it, by Alembic's revisions.

Revisions get their `op` handed in. Alembic's own `from alembic import op` is one object for the whole
process, and two databases in one process must not meet there.
"""

from pathlib import Path
from typing import Final

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import func, select

from gateway.storage.database import Database, Transaction

_FOLDER: Final = Path(__file__).with_name("migrations")
_LOCK: Final = 7003


class UnknownVersion(Exception):
    """The database stands at a revision that this version of the code does not have."""


def upgrade(db: Database) -> None:
    """Bring the database to `head`: all of it in one transaction, or nothing.

    Again does nothing. Any number of processes may call it at once: one upgrades, the others
    wait and find it done. Raises UnknownVersion for a database that a newer release made.
    """
    with db.transaction() as tx:
        _wait_for_others(tx)
        context = MigrationContext.configure(tx, opts={"fn": _steps})
        context.run_migrations(op=Operations(context))


def _wait_for_others(tx: Transaction) -> None:
    """SQLite's BEGIN IMMEDIATE has waited already; the lock ends with the transaction."""
    if tx.dialect.name != "sqlite":
        tx.execute(select(func.pg_advisory_xact_lock(_LOCK, 0)))


def _steps(heads: tuple[str, ...], context: MigrationContext) -> list[MigrationStep]:
    """From the database's revision to ours, oldest first."""
    scripts = _scripts()
    try:
        missing = list(scripts.iterate_revisions("head", heads or None, implicit_base=True))
    except (CommandError, RevisionError) as error:
        raise UnknownVersion(
            f"the database is at revision {', '.join(heads)}, this release knows revisions up to "
            f"{scripts.get_current_head()}: start the release that upgraded it, or restore a backup from before"
        ) from error
    return [MigrationStep.upgrade_from_script(scripts.revision_map, script) for script in reversed(missing)]


def version(db: Database) -> str | None:
    """The revision that the database is at; None for one without our schema."""
    with db.snapshot() as tx:
        return revision(tx)


def revision(tx: Transaction) -> str | None:
    """As `version`, within a transaction."""
    return MigrationContext.configure(tx).get_current_revision()


def head() -> str:
    """The revision that this version of the code needs."""
    found = _scripts().get_current_head()
    if found is None:
        raise AssertionError(f"no revisions in {_FOLDER}: the installation is incomplete")
    return found


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_FOLDER))
