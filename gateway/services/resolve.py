"""What a request says on its channels: sources of its own, or those of a version of a template.

A version never changes, so that what was found here is what is frozen later, whoever writes to the template meanwhile.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from gateway.domain.job import Content, JobInput, TemplateUse, Variants
from gateway.domain.policy import Policies
from gateway.services.problems import Problem
from gateway.storage import contents, templates
from gateway.storage.database import Transaction
from gateway.storage.types import Record


class Wording(Struct, frozen=True, kw_only=True):
    """What is said on a channel, and the template it was taken from."""

    variants: Variants
    default_locale: str
    template: TemplateUse | None = None


class Resolved(Struct, frozen=True, kw_only=True):
    """By step, the wording of each channel. One that cannot be had is left out, and its problem says why."""

    wordings: tuple[dict[str, Wording], ...]
    problems: tuple[Problem, ...] = ()


class Said(NamedTuple):
    """A content in a request: its pointer there, for which channel it is, and the language of those with no other."""

    pointer: str
    channel: str
    content: Content
    default_locale: str


class Named(NamedTuple):
    """A template as a content names it."""

    key: str
    version: int | None


class Shelf(NamedTuple):
    """The templates that a request names, by key; their versions, by key and number; the sources of those, by hash."""

    templates: Mapping[str, Record] = {}
    versions: Mapping[tuple[str, int], Record] = {}
    sources: Mapping[str, Variants] = {}


Found = Wording | list[Problem]


def in_job(tx: Transaction, policies: Policies, request: JobInput) -> Resolved:
    """The wordings of a job, as its purpose asks for them."""
    said = _said(request)
    approval = policies.purpose(request.purpose).approval
    return _by_step(request, resolve(tx, said, request.purpose if approval else None))


def own(request: JobInput) -> Resolved:
    """The wordings of a job that names no template: those that the gateway writes by itself, in its own words."""
    return _by_step(request, [_found(each, _read(each), Shelf(), None) for each in _said(request)])


def _said(request: JobInput) -> list[Said]:
    return [
        Said(f"/steps/{number}/content/{channel}", channel, content, request.default_locale)
        for number, step in enumerate(request.steps)
        for channel, content in step.content.items()
    ]


def _by_step(request: JobInput, found: Sequence[Found]) -> Resolved:
    """`found` in the order of `_said`."""
    following = iter(found)
    answers = [{channel: next(following) for channel in step.content} for step in request.steps]
    return Resolved(
        wordings=tuple(
            {channel: each for channel, each in of_step.items() if isinstance(each, Wording)} for of_step in answers
        ),
        problems=tuple(problem for each in found if isinstance(each, list) for problem in each),
    )


def resolve(tx: Transaction, said: Sequence[Said], approval: str | None) -> list[Found]:
    """The wording of each, or what is wrong with it. `approval` is the purpose that asks for approved templates."""
    read = [_read(each) for each in said]
    shelf = _shelf(tx, [each for each in read if isinstance(each, Named)], approval)
    return [_found(each, what, shelf, approval) for each, what in zip(said, read, strict=True)]


def _read(said: Said) -> Variants | Named | list[Problem]:
    """A content as what it is: the type lets a mixture of both pass."""
    given = dict(said.content)
    key, version = given.pop("template", None), given.pop("version", None)
    if key is None and version is None:
        wrong = [locale for locale, sources in given.items() if not isinstance(sources, Mapping)]
        variants = {locale: dict(sources) for locale, sources in given.items() if isinstance(sources, Mapping)}
        told = "must be an object: the sources of the parts by their names"
        return [Problem(pointer=f"{said.pointer}/{locale}", detail=told) for locale in wrong] or variants
    if given:
        told = "names a template and has sources of its own: leave out one of the two"
        return [Problem(pointer=said.pointer, detail=told)]
    if not isinstance(key, str):
        return [Problem(pointer=f"{said.pointer}/template", detail="must be the key of a template, such as winback-15")]
    if isinstance(version, int) or version is None:
        return Named(key, version)
    return [Problem(pointer=f"{said.pointer}/version", detail="must be the number of a version, such as 3")]


def _shelf(tx: Transaction, named: Sequence[Named], approval: str | None) -> Shelf:
    if not named:
        return Shelf()
    known = templates.by_keys(tx, {each.key for each in named})
    wanted = {(each.key, number) for each in named if (number := _number(each, known.get(each.key), approval))}
    versions = templates.versions(tx, wanted)
    return Shelf(known, versions, contents.get(tx, {row.content for row in versions.values()}))


def _number(named: Named, template: Record | None, approval: str | None) -> int | None:
    if named.version is not None or template is None:
        return named.version
    number: int | None = template.approved if approval else template.latest
    return number


def _found(said: Said, read: Variants | Named | list[Problem], shelf: Shelf, approval: str | None) -> Found:
    match read:
        case Named():
            return _taken(said, read, shelf, approval)
        case dict() if approval:
            told = f'what is {approval} is sent from approved templates only: name one, {{"template": "..."}}'
            return [Problem(pointer=said.pointer, detail=told)]
        case dict():
            return Wording(variants=read, default_locale=said.default_locale)
        case problems:
            return problems


def _taken(said: Said, named: Named, shelf: Shelf, approval: str | None) -> Found:
    template = shelf.templates.get(named.key)
    if template is None:
        return [Problem(pointer=f"{said.pointer}/template", detail=f"there is no template {named.key[:64]}")]
    if problem := _unfit(template, said.channel):
        return [Problem(pointer=f"{said.pointer}/template", detail=problem)]
    row = shelf.versions.get((named.key, _number(named, template, approval) or 0))
    if row is None or (approval and row.approved_at is None):
        place = "template" if named.version is None else "version"
        return [Problem(pointer=f"{said.pointer}/{place}", detail=_missing(named, template, row, approval))]
    use = TemplateUse(template=named.key, version=row.number, default_locale=row.default_locale, brand=row.brand)
    return Wording(variants=shelf.sources[row.content], default_locale=row.default_locale, template=use)


def _unfit(template: Record, channel: str) -> str | None:
    if template.archived_at is not None:
        return f"the template {template.key} is archived"
    return None if template.channel == channel else f"{template.key} is a template for the channel {template.channel}"


def _missing(named: Named, template: Record, row: Record | None, approval: str | None) -> str:
    if named.version is not None and row is None:
        return f"there is no version {named.version} of {named.key}; the latest is {template.latest}"
    newest = f"the latest approved one is {template.approved}" if template.approved else "approve one first"
    which = f"version {named.version} of {named.key} is not" if named.version else f"no version of {named.key} is"
    return f"{which} approved, and what is {approval} must be; {newest}"
