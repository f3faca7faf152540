"""Templates and their versions. A version's content is stored with all others, by its hash."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import SmallInteger, Text, func, or_, select, update

from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into, table_of
from gateway.storage.tables import template_versions, templates
from gateway.storage.types import Record


def add(tx: Transaction, *, key: str, channel: str, description: str, now: datetime) -> int | None:
    """The internal id of a new template, whose first version is still to be added; None where there is one already."""
    row = {"key": key, "channel": channel, "description": description, "latest": 1, "created_at": now}
    statement = insert_into(tx, templates).values(row).on_conflict_do_nothing()
    id: int | None = tx.scalar(statement.returning(templates.c.id))
    return id


def get(tx: Transaction, key: str) -> Record | None:
    return tx.execute(select(templates).where(templates.c.key == key)).one_or_none()


def page(tx: Transaction, after: str | None, limit: int, *, channel: str | None, archived: bool) -> Sequence[Record]:
    """By key, those behind `after`; the archived ones are left out unless asked for."""
    query = select(templates).order_by(templates.c.key).limit(limit)
    if after is not None:
        query = query.where(templates.c.key > after)
    if channel is not None:
        query = query.where(templates.c.channel == channel)
    return tx.execute(query if archived else query.where(templates.c.archived_at.is_(None))).all()


def by_keys(tx: Transaction, keys: Collection[str]) -> dict[str, Record]:
    return {row.key: row for row in tx.execute(select(templates).where(templates.c.key.in_(set(keys))))}


def follow(tx: Transaction, id: int, latest: int) -> bool:
    """Count a version more. False where the latest is not the one that the writer has seen: of two, one has the say."""
    seen = (templates.c.id == id, templates.c.latest == latest, templates.c.archived_at.is_(None))
    return tx.execute(update(templates).where(*seen).values(latest=latest + 1)).rowcount == 1


def add_version(
    tx: Transaction,
    id: int,
    number: int,
    *,
    content: str,
    default_locale: str,
    brand: str | None,
    author: str,
    now: datetime,
) -> None:
    row = {
        "template_id": id,
        "number": number,
        "content": content,
        "default_locale": default_locale,
        "brand": brand,
        "author": author,
        "created_at": now,
    }
    tx.execute(template_versions.insert().values(row))


def versions_of(tx: Transaction, id: int) -> Sequence[Record]:
    """The newest first, without their contents."""
    mine = template_versions.c.template_id == id
    return tx.execute(select(template_versions).where(mine).order_by(template_versions.c.number.desc())).all()


def version(tx: Transaction, id: int, number: int) -> Record | None:
    mine = (template_versions.c.template_id == id, template_versions.c.number == number)
    return tx.execute(select(template_versions).where(*mine)).one_or_none()


def versions(tx: Transaction, wanted: Collection[tuple[str, int]]) -> dict[tuple[str, int], Record]:
    """Versions by the key of their template and their number, those that exist."""
    asked = table_of(tx, "asked", {"key": Text(), "number": SmallInteger()}, list(wanted))
    query = (
        select(template_versions, templates.c.key)
        .join(templates, templates.c.id == template_versions.c.template_id)
        .join(asked, (asked.c.key == templates.c.key) & (asked.c.number == template_versions.c.number))
    )
    return {(row.key, row.number): row for row in tx.execute(query)}


def approve(tx: Transaction, id: int, number: int, by: str, now: datetime) -> bool:
    """Whether the version was a draft until now."""
    mine = (template_versions.c.template_id == id, template_versions.c.number == number)
    draft = update(template_versions).where(*mine, template_versions.c.approved_at.is_(None))
    if tx.execute(draft.values(approved_by=by, approved_at=now)).rowcount == 0:
        return False
    is_newest = or_(templates.c.approved.is_(None), templates.c.approved < number)
    tx.execute(update(templates).where(templates.c.id == id, is_newest).values(approved=number))
    return True


def archive(tx: Transaction, id: int, at: datetime | None) -> bool:
    """Put a template away, or with None take it out again. Whether that changed anything."""
    was = templates.c.archived_at.is_(None) if at is not None else templates.c.archived_at.is_not(None)
    return tx.execute(update(templates).where(templates.c.id == id, was).values(archived_at=at)).rowcount == 1


def count(tx: Transaction) -> int:
    return tx.scalar(select(func.count()).select_from(templates)) or 0
