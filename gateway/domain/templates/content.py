"""The content of one step for one channel: its parts, in each of its languages."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gateway.contract import Part
from gateway.domain.templates.check import NONE, Checked, check
from gateway.domain.templates.limits import OUTPUT_CHARS
from gateway.domain.templates.problems import TemplateProblem

Content = Mapping[str, Mapping[str, str]]
"""Locale → part → source of the template."""

_LOCALE: Final = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
MOST_LOCALES: Final = 100


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


def check_content(
    content: Content, parts: Mapping[str, Part], default_locale: str, variables: frozenset[str] = NONE
) -> CheckedContent | list[TemplateProblem]:
    """What the content uses, or every problem of every template in it.

    The pointers of the problems start at the content: `/it/subject`.
    """
    problems = list(_outer_problems(content, default_locale))
    checks: dict[tuple[str, str], Checked] = {}
    for locale in sorted(content):
        problems += _missing_parts(locale, content[locale], parts)
        for name in sorted(content[locale]):
            found = _check_part(locale, name, content[locale][name], parts, variables)
            if isinstance(found, Checked):
                checks[locale, name] = found
            else:
                problems += found
    return problems or _gathered(checks)


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


def _outer_problems(content: Content, default_locale: str) -> Iterator[TemplateProblem]:
    if default_locale not in content:
        message = (
            f"there is no variant for the default locale {default_locale}; there is: {', '.join(sorted(content)[:20])}"
        )
        yield TemplateProblem(code="missing-locale", message=message)
    if len(content) > MOST_LOCALES:
        yield TemplateProblem(code="too-large", message=f"a content has at most {MOST_LOCALES} locales")
    for locale in content:
        if not _LOCALE.fullmatch(locale):
            message = "a locale is written like it, it-IT or sr-Latn-RS"
            yield TemplateProblem(code="unknown-locale", message=message, pointer=_pointer(locale))


def _missing_parts(locale: str, sources: Mapping[str, str], parts: Mapping[str, Part]) -> Iterator[TemplateProblem]:
    for name, part in parts.items():
        if part.required and not sources.get(name, "").strip():
            message = f"the channel needs the part {name}"
            yield TemplateProblem(code="missing-part", message=message, pointer=_pointer(locale, name))


def _check_part(
    locale: str, name: str, source: str, parts: Mapping[str, Part], variables: frozenset[str]
) -> Checked | list[TemplateProblem]:
    pointer = _pointer(locale, name)
    part = parts.get(name)
    if part is None:
        message = f"the channel has no part {name}; it has: {', '.join(sorted(parts))}"
        return [TemplateProblem(code="unknown-part", message=message, pointer=pointer)]
    found = check(source, part.kind, variables)
    if not isinstance(found, Checked):
        return [replace(problem, pointer=pointer) for problem in found]
    most = min(part.max_chars, OUTPUT_CHARS[part.kind])
    if found.fixed_chars > most:
        message = f"the fixed text alone has {found.fixed_chars} characters; the part takes {most}"
        return [TemplateProblem(code="too-long", message=message, pointer=pointer)]
    return found


def _gathered(checks: Mapping[tuple[str, str], Checked]) -> CheckedContent:
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
