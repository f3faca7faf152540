"""Templates: written down in versions that stay as they are, approved, put away."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from msgspec import Struct, structs

from gateway.domain.job import Variants
from gateway.domain.library import MOST_VERSIONS, NextVersionInput, TemplateInput, VersionInput
from gateway.domain.policy import Policies
from gateway.domain.templates import CheckedContent, check_content
from gateway.services.installation import Installation
from gateway.services.problems import Conflict, Invalid, NotFound, Problem
from gateway.storage import audit, clock, contents, templates
from gateway.storage.database import Transaction
from gateway.storage.types import Record

MOST: Final = 10_000
"""Templates of one installation."""


class Version(Struct, frozen=True, kw_only=True):
    """A version without its sources. `content` is their hash, by which jobs name them too."""

    number: int
    state: Literal["draft", "approved"]
    content: str
    default_locale: str
    brand: str | None
    author: str
    created_at: datetime
    approved_by: str | None
    approved_at: datetime | None


class Template(Struct, frozen=True, kw_only=True):
    """A template. `latest` and `approved` are the numbers of its newest version and of the newest approved one."""

    key: str
    channel: str
    description: str
    latest: int
    approved: int | None
    created_at: datetime
    archived_at: datetime | None


class TemplateWithVersions(Template, frozen=True, kw_only=True):
    """A template with all of its versions, the newest first."""

    versions: tuple[Version, ...]


class WholeVersion(Version, frozen=True, kw_only=True):
    """A version with its sources by locale and part."""

    template: str
    channel: str
    sources: Variants


class Written(NamedTuple):
    """What was written down, and whether it is new: the same again changes nothing."""

    version: WholeVersion
    is_new: bool


def examine(installation: Installation, channel: str, wanted: VersionInput) -> CheckedContent:
    """What the sources use. Raises Invalid with everything that is wrong with them, as a job's are checked."""
    capabilities = installation.channels.get(channel)
    if capabilities is None:
        known = ", ".join(sorted(installation.channels)) or "none"
        raise Invalid([Problem(pointer="/channel", detail=f"no channel {channel} is ready; there is {known}")])
    problems = list(_brand_problems(installation, channel, wanted.brand))
    found = check_content(wanted.content, capabilities.parts, wanted.default_locale)
    if isinstance(found, list):
        problems += [Problem(pointer=f"/content{each.pointer}", detail=each.told()) for each in found]
    if problems or isinstance(found, list):
        raise Invalid(problems)
    return found


def _brand_problems(installation: Installation, channel: str, brand: str | None) -> Iterator[Problem]:
    known = installation.brands.get(channel, frozenset())
    if brand is not None and brand not in known:
        told = ", ".join(sorted(known)) or "none"
        yield Problem(pointer="/brand", detail=f"channel {channel} has no brand {brand}; it has {told}")


def make(tx: Transaction, author: str, wanted: TemplateInput) -> Written:
    """A template with its first version, which `examine` has let pass. Raises Conflict where its key is taken."""
    now = clock.now(tx).business
    if templates.count(tx) >= MOST:
        raise Conflict(f"there are {MOST} templates, which is as many as are kept")
    id = templates.add(tx, key=wanted.key, channel=wanted.channel, description=wanted.description, now=now)
    if id is None:
        return _made_before(tx, author, wanted)
    digest = _add_version(tx, id, 1, author, wanted, now)
    detail = {"channel": wanted.channel, "content": digest}
    audit.add(tx, author, "template.made", _subject(wanted.key), detail)
    return Written(version(tx, wanted.key, 1), is_new=True)


def _made_before(tx: Transaction, author: str, wanted: TemplateInput) -> Written:
    row = _found(tx, wanted.key)
    first = version(tx, wanted.key, 1)
    same = (row.channel, row.description) == (wanted.channel, wanted.description)
    if same and first.author == author and says(first, wanted):
        return Written(first, is_new=False)
    raise Conflict(f"there is a template {wanted.key}; add a version to it, or take another key")


def add_version(tx: Transaction, author: str, key: str, wanted: NextVersionInput) -> Written:
    """The next version, which `examine` has let pass. What the latest says already makes no new one.

    Raises NotFound, and Conflict where another version came in between: its author's work is not to be undone
    by somebody who has not seen it.
    """
    row = _found(tx, key)
    latest = version(tx, key, row.latest)
    # The second case is the same request again, whose answer was lost on its way.
    if says(latest, wanted) and (row.latest == wanted.after or _follows(latest, wanted.after, author)):
        return Written(latest, is_new=False)
    _refuse_late(latest, wanted.after)
    if row.archived_at is not None:
        raise Conflict(f"the template {key} is archived; restore it first")
    if row.latest >= MOST_VERSIONS:
        raise Conflict(f"the template {key} has {MOST_VERSIONS} versions, which is as many as are kept")
    if not templates.follow(tx, row.id, row.latest):
        # On PostgreSQL another transaction may have been first since the row was read.
        raise Conflict(f"somebody else changed {key} at this moment: look at its latest version, and write yours after")
    number, now = row.latest + 1, clock.now(tx).business
    digest = _add_version(tx, row.id, number, author, wanted, now)
    audit.add(tx, author, "template.changed", _subject(key), {"version": number, "content": digest})
    return Written(version(tx, key, number), is_new=True)


def _follows(latest: WholeVersion, after: int, author: str) -> bool:
    return latest.number == after + 1 and latest.author == author


def _refuse_late(latest: WholeVersion, after: int) -> None:
    if latest.number != after:
        raise Conflict(
            f"the latest version of {latest.template} is {latest.number}, by {latest.author}, and not {after}: "
            f"look at it, and write yours after {latest.number}"
        )


def says(version: WholeVersion, wanted: VersionInput) -> bool:
    """Whether a version is just this."""
    mine = (contents.hash_of(wanted.content), wanted.default_locale, wanted.brand)
    return (version.content, version.default_locale, version.brand) == mine


def _add_version(tx: Transaction, id: int, number: int, author: str, wanted: VersionInput, now: datetime) -> str:
    digest = contents.put(tx, wanted.content, now)
    templates.add_version(
        tx,
        id,
        number,
        content=digest,
        default_locale=wanted.default_locale,
        brand=wanted.brand,
        author=author,
        now=now,
    )
    return digest


def approve(tx: Transaction, policies: Policies, key: str, number: int, actor: str) -> Version:
    """Let a version be sent where approval is asked for. Again changes nothing.

    Raises NotFound, and Conflict where the policies ask for two clients and its author approves.
    """
    row, found = _found(tx, key), version(tx, key, number)
    if found.state == "draft" and policies.templates.four_eyes and found.author == actor:
        raise Conflict(
            f"{actor} wrote version {number} of {key}, and policies.toml asks for another client to approve it"
        )
    if found.state == "draft" and row.archived_at is not None:
        raise Conflict(f"the template {key} is archived; restore it first")
    if templates.approve(tx, row.id, number, actor, clock.now(tx).business):
        detail = {"version": number, "content": found.content}
        audit.add(tx, actor, "template.approved", _subject(key), detail)
    return _without_sources(version(tx, key, number))


def archive(tx: Transaction, key: str, actor: str) -> Template:
    """Let no new job use a template. Those that were accepted go on: their contents are their own."""
    return _put_away(tx, key, clock.now(tx).business, actor, "template.archived")


def restore(tx: Transaction, key: str, actor: str) -> Template:
    """Let an archived template be used again."""
    return _put_away(tx, key, None, actor, "template.restored")


def _put_away(tx: Transaction, key: str, at: datetime | None, actor: str, action: str) -> Template:
    if templates.archive(tx, _found(tx, key).id, at):
        audit.add(tx, actor, action, _subject(key))
    return _shown(_found(tx, key))


def get(tx: Transaction, key: str) -> Template:
    return _shown(_found(tx, key))


def whole(tx: Transaction, key: str) -> TemplateWithVersions:
    row = _found(tx, key)
    found = tuple(_version(each) for each in templates.versions_of(tx, row.id))
    return TemplateWithVersions(**structs.asdict(_shown(row)), versions=found)


def version(tx: Transaction, key: str, number: int) -> WholeVersion:
    """A version with its sources. Raises NotFound."""
    row = _found(tx, key)
    found = templates.version(tx, row.id, number)
    if found is None:
        raise NotFound(f"there is no version {number} of {key}; the latest is {row.latest}")
    sources = contents.get(tx, [found.content])[found.content]
    return WholeVersion(**_columns(found), template=key, channel=row.channel, sources=sources)


def page(tx: Transaction, after: str | None, limit: int, *, channel: str | None, archived: bool) -> list[Template]:
    return [_shown(row) for row in templates.page(tx, after, limit, channel=channel, archived=archived)]


def _found(tx: Transaction, key: str) -> Record:
    """The row of a template. Raises NotFound."""
    row = templates.get(tx, key)
    if row is None:
        raise NotFound(f"there is no template {key}")
    return row


def _shown(row: Record) -> Template:
    return Template(
        key=row.key,
        channel=row.channel,
        description=row.description,
        latest=row.latest,
        approved=row.approved,
        created_at=row.created_at,
        archived_at=row.archived_at,
    )


def _without_sources(whole: WholeVersion) -> Version:
    return Version(**{name: getattr(whole, name) for name in Version.__struct_fields__})


def _version(row: Record) -> Version:
    return Version(**_columns(row))


def _columns(row: Record) -> Mapping[str, Any]:
    named = {name: getattr(row, name) for name in Version.__struct_fields__ if name != "state"}
    return named | {"state": "draft" if row.approved_at is None else "approved"}


def _subject(key: str) -> str:
    return f"template:{key}"
