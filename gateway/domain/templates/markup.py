"""Where the expressions of an HTML template stand, and what may be there.

Escaping alone protects text and quoted attributes. So expressions are refused wherever
a value could become code: attributes without quotes or of the kinds `on...` and `style`, names of
tags and attributes, and style sheets. Addresses are decided here as far as their
scheme is written in the template; the others are looked at in every rendered message.
"""

import re
from bisect import bisect_right
from collections.abc import Generator, Iterator
from typing import Final

from jinja2 import nodes
from msgspec import Struct

from gateway.domain.templates.environment import written
from gateway.domain.templates.grammar import is_track
from gateway.domain.templates.links import URL_ATTRIBUTES, forbidden_scheme, scheme_of
from gateway.domain.templates.names import OWN_ADDRESSES
from gateway.domain.templates.problems import TemplateProblem

# Three non-characters stand in the flattened text for what the template writes there.
VALUE: Final = "\ufdd0"
LINK: Final = "\ufdd1"
"""An expression that gives an http or https address and nothing else."""
BRANCH: Final = "\ufdd2"
"""The edge of an `if` or a loop."""

_MARKS: Final = re.compile(f"[{VALUE}{LINK}{BRANCH}]")
_EXPRESSIONS: Final = re.compile(f"[{VALUE}{LINK}]")
_NEXT: Final = re.compile(rf"<!--\[if[^>]*>|<!\[endif\]-->|<!--|<(/?)([a-zA-Z][^\s/>{BRANCH}]*)")
_ATTRIBUTE: Final = re.compile(
    rf"""([^\s"'<>/={BRANCH}]+)(?:[\s{BRANCH}]*=[\s{BRANCH}]*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?"""
)
_GAP: Final = re.compile(rf"[\s/{BRANCH}]*")
_STYLE_END: Final = re.compile("</style", re.IGNORECASE)
FORBIDDEN_TAGS: Final = frozenset({"script", "iframe", "frame", "object", "embed", "applet", "base"})


class Attribute(Struct, frozen=True, kw_only=True):
    """An attribute in the flattened template; `value` is None where it has none."""

    tag: str
    name: str
    spelled: str
    value: str | None
    quoted: bool
    at: int


class Markup(Struct, frozen=True, kw_only=True):
    """What the walk over an HTML template found.

    `open_addresses` are the names, as spelled, of attributes whose scheme is known at rendering only.
    """

    problems: list[TemplateProblem]
    open_addresses: frozenset[str]


def examine(tree: nodes.Template) -> Markup:
    """The faults of an HTML template that has passed the grammar."""
    reader = _Reader(tree)
    attributes = list(reader.attributes())
    messages = sorted([*reader.faults, *((one.at, fault) for one in attributes if (fault := _fault(one)))])
    problems = [
        TemplateProblem(code="unsafe-html", message=message, line=reader.line(at)) for at, message in messages[:50]
    ]
    return Markup(problems=problems, open_addresses=frozenset(one.spelled for one in attributes if _is_open(one)))


def _fault(attribute: Attribute) -> str | None:
    name, value = attribute.name, attribute.value or ""
    where = f"<{attribute.tag} {name}=…>"
    if name.startswith("on"):
        return f"{where}: event handlers do not belong in a message"
    if name == "http-equiv" and value.strip().lower() == "refresh":
        return f"{where}: a message must not redirect by itself"
    if _EXPRESSIONS.search(value) and not attribute.quoted:
        return f"{where}: write quotes around the value, or a space in it would start a new attribute"
    if _EXPRESSIONS.search(value) and name in ("style", "srcdoc"):
        return f"{where}: no expressions in a style; choose between written styles with if"
    if name in URL_ATTRIBUTES and (scheme := forbidden_scheme(name, _MARKS.split(value)[0])):
        return f"{where}: an address cannot start with {scheme}:"
    return None


def _is_open(attribute: Attribute) -> bool:
    if attribute.name not in URL_ATTRIBUTES or attribute.value is None:
        return False
    mark = _MARKS.search(attribute.value)
    if mark is None:
        return False
    before = attribute.value[: mark.start()]
    decided = scheme_of(before) or re.search("[/?#]", before) or (mark[0] == LINK and not before.strip())
    return attribute.name == "srcset" or not decided


class _Reader:
    """Reads the flattened template as a browser would: tags, quoted values, comments, style sheets."""

    def __init__(self, tree: nodes.Template) -> None:
        self.faults: list[tuple[int, str]] = []
        self._starts: list[int] = []
        self._lines: list[int] = []
        pieces: list[str] = []
        at = 0
        for piece, line in flattened(tree.body):
            self._starts.append(at)
            self._lines.append(line)
            pieces.append(piece)
            at += len(piece)
        self.text = "".join(pieces)

    def attributes(self) -> Iterator[Attribute]:
        at = 0
        while found := _NEXT.search(self.text, at):
            at = found.end()
            if found[0] == "<!--":
                closed = self.text.find("-->", at)
                at = closed + 3 if closed >= 0 else len(self.text)
            elif found[2]:
                at = yield from self._tag(found[2], at, closing=bool(found[1]))

    def _tag(self, name: str, at: int, *, closing: bool) -> Generator[Attribute, None, int]:
        tag = _MARKS.sub("", name).lower()
        if _MARKS.search(name):
            self.faults.append((at, f"<{tag}: the name of a tag is written out"))
        elif tag in FORBIDDEN_TAGS and not closing:
            self.faults.append((at, f"<{tag}> does not belong in a message"))
        while True:
            at = self._skipped(at)
            if at >= len(self.text) or self.text[at] == ">":
                break
            found = _ATTRIBUTE.match(self.text, at)
            if found is None or _EXPRESSIONS.search(found[1]):
                self.faults.append((at, f'<{tag} …>: this tag cannot be read; attributes are written name="value"'))
                return self._end_of_tag(at)
            yield self._attribute(tag, found)
            at = found.end()
        return self._past_style(at + 1) if tag == "style" and not closing else at + 1

    def _attribute(self, tag: str, found: re.Match[str]) -> Attribute:
        quoted = found[2] if found[2] is not None else found[3]
        value = quoted if quoted is not None else found[4]
        return Attribute(
            tag=tag,
            name=found[1].lower(),
            spelled=found[1],
            value=value,
            quoted=quoted is not None,
            at=found.start(),
        )

    def _past_style(self, at: int) -> int:
        closed = _STYLE_END.search(self.text, at)
        end = closed.start() if closed else len(self.text)
        if _EXPRESSIONS.search(self.text, at, end):
            self.faults.append((at, "<style>: no expressions in a style sheet; choose between written rules with if"))
        return end

    def _skipped(self, at: int) -> int:
        gap = _GAP.match(self.text, at)
        return gap.end() if gap else at

    def _end_of_tag(self, at: int) -> int:
        closed = self.text.find(">", at)
        return closed + 1 if closed >= 0 else len(self.text)

    def line(self, at: int) -> int:
        place = bisect_right(self._starts, at) - 1
        return self._lines[place] + self.text.count("\n", self._starts[place], at)


def flattened(body: list[nodes.Node]) -> Iterator[tuple[str, int]]:
    """The template as one text, each branch once, with marks for what is not written out; and each piece's line."""
    for node in body:
        match node:
            case nodes.Output():
                for part in node.nodes:
                    yield _flat(part), part.lineno
            case nodes.If():
                for branch in (node.body, *(one.body for one in node.elif_), node.else_):
                    yield BRANCH, node.lineno
                    yield from flattened(branch)
                yield BRANCH, node.lineno
            case nodes.For():
                for branch in (node.body, node.else_):
                    yield BRANCH, node.lineno
                    yield from flattened(branch)
                yield BRANCH, node.lineno


def _flat(part: nodes.Expr) -> str:
    if isinstance(part, nodes.TemplateData):
        return _MARKS.sub("\ufffd", part.data)
    is_link = is_track(part) or written(part) in OWN_ADDRESSES
    return LINK if is_link else VALUE
