"""The content of one step for one channel: its parts, in each of its languages."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gateway.contract import Part
from gateway.domain.templates.check import NONE, Examined, count_tags, examine
from gateway.domain.templates.environment import Sandbox
from gateway.domain.templates.limits import CONTENT_BYTES, CONTENT_TAGS, MOST_LOCALES, OUTPUT_CHARS, Kind
from gateway.domain.templates.problems import TemplateProblem

Content = Mapping[str, Mapping[str, str]]
"""Locale → part → source of the template."""

_LOCALE: Final = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")


class ChannelContent(Struct, frozen=True, kw_only=True):
    """A content with all that its rendering depends on but the recipient."""

    variants: Content
    parts: Mapping[str, Part]
    """The parts that the channel's capabilities name."""
    default_locale: str
    variables: frozenset[str] = NONE
    """Job variables that templates may name without `vars.`."""


class CheckedContent(Struct, frozen=True, kw_only=True):
    """What an accepted content uses.

    `links` holds each address given to `track` once; its place in there is the key of
    `RenderContext.links`. The order depends on the content alone, not on how its
    mappings are ordered. `links_by_locale` says which of them a variant uses.
    """

    uses_coupon: bool
    uses_unsubscribe_url: bool
    links: tuple[str, ...]
    links_by_locale: Mapping[str, tuple[int, ...]]
    variables: frozenset[str]
    attributes: frozenset[str]


class ExaminedContent(Struct, frozen=True, kw_only=True):
    """An accepted content with the code of its templates, by locale and part."""

    checked: CheckedContent
    templates: Mapping[tuple[str, str], Examined]


def check_content(
    content: Content, parts: Mapping[str, Part], default_locale: str, variables: frozenset[str] = NONE
) -> CheckedContent | list[TemplateProblem]:
    """What the content uses, or every problem of every template in it.

    The pointers of the problems start at the content: `/it/subject`.
    """
    given = ChannelContent(variants=content, parts=parts, default_locale=default_locale, variables=variables)
    examined = examine_content(given, {kind: Sandbox(kind) for kind in {part.kind for part in parts.values()}})
    return examined.checked if isinstance(examined, ExaminedContent) else examined


def examine_content(
    content: ChannelContent, sandboxes: Mapping[Kind, Sandbox]
) -> ExaminedContent | list[TemplateProblem]:
    variants = content.variants
    if problem := _size_problem(variants):
        return [problem]
    problems = list(_outer_problems(variants, content.default_locale))
    templates: dict[tuple[str, str], Examined] = {}
    for locale in sorted(variants):
        problems += _missing_parts(locale, variants[locale], content.parts)
        for name in sorted(variants[locale]):
            found = _examined_part(content, locale, name, sandboxes)
            if isinstance(found, Examined):
                templates[locale, name] = found
            else:
                problems += found
    return problems or ExaminedContent(checked=_gathered(templates), templates=templates)


def pick_variant(variants: Iterable[str], wanted: str, default: str) -> str:
    """The locale to write to someone in: it-CH, then it, then another it-…, then the default.

    Raises LookupError where there is no variant for the default; check_content refuses such a content.
    """
    by_tag = {_tag(locale): locale for locale in sorted(variants, reverse=True)}
    tag = _tag(wanted)
    while tag:
        if tag in by_tag:
            return by_tag[tag]
        tag = tag.rpartition("-")[0]
    language = _tag(wanted).partition("-")[0]
    kin = sorted(locale for tag, locale in by_tag.items() if language and tag.startswith(f"{language}-"))
    if kin:
        return kin[0]
    try:
        return by_tag[_tag(default)]
    except KeyError:
        raise LookupError(f"the content has no variant for its default locale {default}") from None


def _tag(locale: str) -> str:
    return locale.replace("_", "-").lower()


def _size_problem(content: Content) -> TemplateProblem | None:
    sources = [source for part in content.values() for source in part.values()]
    size, tags = sum(len(source.encode()) for source in sources), sum(map(count_tags, sources))
    if len(content) <= MOST_LOCALES and size <= CONTENT_BYTES and tags <= CONTENT_TAGS:
        return None
    message = f"a content has at most {MOST_LOCALES} locales, {CONTENT_BYTES} bytes and {CONTENT_TAGS} expressions"
    return TemplateProblem(code="too-large", message=message)


def _outer_problems(content: Content, default_locale: str) -> Iterator[TemplateProblem]:
    if default_locale not in content:
        message = (
            f"there is no variant for the default locale {default_locale}; there is: {', '.join(sorted(content)[:20])}"
        )
        yield TemplateProblem(code="missing-locale", message=message)
    for locale in content:
        if not _LOCALE.fullmatch(locale):
            message = "a locale is written like it, it-IT or sr-Latn-RS"
            yield TemplateProblem(code="unknown-locale", message=message, pointer=_pointer(locale))


def _missing_parts(locale: str, sources: Mapping[str, str], parts: Mapping[str, Part]) -> Iterator[TemplateProblem]:
    for name, part in parts.items():
        if part.required and not sources.get(name, "").strip():
            message = f"the channel needs the part {name}"
            yield TemplateProblem(code="missing-part", message=message, pointer=_pointer(locale, name))


def _examined_part(
    content: ChannelContent, locale: str, name: str, sandboxes: Mapping[Kind, Sandbox]
) -> Examined | list[TemplateProblem]:
    pointer = _pointer(locale, name)
    part = content.parts.get(name)
    if part is None:
        message = f"the channel has no part {name}; it has: {', '.join(sorted(content.parts))}"
        return [TemplateProblem(code="unknown-part", message=message, pointer=pointer)]
    found = examine(sandboxes[part.kind], content.variants[locale][name], part.kind, content.variables)
    if not isinstance(found, Examined):
        return [replace(problem, pointer=pointer) for problem in found]
    fixed, most = found.checked.fixed_chars, min(part.max_chars, OUTPUT_CHARS[part.kind])
    if fixed > most:
        message = f"the fixed text alone has {fixed} characters; the part takes {most}"
        return [TemplateProblem(code="too-long", message=message, pointer=pointer)]
    return found


def _gathered(templates: Mapping[tuple[str, str], Examined]) -> CheckedContent:
    checks = {place: template.checked for place, template in templates.items()}
    links = tuple(dict.fromkeys(url for one in checks.values() for url in one.links))
    places = {url: place for place, url in enumerate(links)}
    used: dict[str, set[int]] = {locale: set() for locale, _ in checks}
    for (locale, _), one in checks.items():
        used[locale].update(places[url] for url in one.links)
    return CheckedContent(
        uses_coupon=any(one.uses_coupon for one in checks.values()),
        uses_unsubscribe_url=any(one.uses_unsubscribe_url for one in checks.values()),
        links=links,
        links_by_locale={locale: tuple(sorted(found)) for locale, found in used.items()},
        variables=frozenset().union(*(one.variables for one in checks.values())),
        attributes=frozenset().union(*(one.attributes for one in checks.values())),
    )


def _pointer(*names: str) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)
