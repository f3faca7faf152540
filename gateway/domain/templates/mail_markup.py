"""MJML, a language for mails that look right in every mail program (mjml.io), made into HTML for the sandbox.

Jinja's tags are taken out before and put back after: they pass as words where text or an attribute's value may
stand, and between elements in an `mj-raw`, which comes through as it is. Needs the package mjml-python.
"""

import re
from collections.abc import Iterator
from typing import Final

from jinja2 import Environment

from gateway.domain.templates.problems import TemplateProblem

_MOST_DEPTH: Final = 200
"""Elements within each other. The package's own stack ends at some 1,800, and the process with it."""

_TEXTUAL: Final = frozenset(
    "mj-accordion-text mj-accordion-title mj-button mj-navbar-link mj-preview mj-raw mj-social-element mj-style "
    "mj-table mj-text mj-title".split()
)
"""Elements that hold HTML or text, and so a word of ours."""
_STRUCTURAL: Final = frozenset(
    "mj-accordion mj-accordion-element mj-all mj-attributes mj-body mj-breakpoint mj-carousel mj-carousel-image "
    "mj-class mj-column mj-divider mj-font mj-group mj-head mj-hero mj-image mj-include mj-navbar mj-section mj-social "
    "mj-spacer mj-wrapper".split()
)
_NEVER_CLOSED: Final = frozenset("area br col embed hr img input link meta source track wbr".split())

_COMMENT: Final = r"<!--(?P<comment>.*?)-->"
_ELEMENT: Final = r"""<(?P<end>/?)(?P<name>[^\s<>/!?=]+)(?:"[^"]*"|'[^']*'|[^"'>])*>"""
_POSITION: Final = re.compile(r" at position (?P<bytes>\d+):")


def is_mjml(source: str) -> bool:
    return source.lstrip().startswith("<mjml")


def to_html(source: str, environment: Environment) -> str | TemplateProblem:
    """The HTML of an MJML template that `environment` can parse, with all of its Jinja tags, or what is wrong with it.

    Nothing is included or fetched, and no fonts from elsewhere are named.
    """
    try:
        from mjml import mjml2html
    except ImportError:
        message = "MJML needs the package mjml-python, which is not installed: pip install 'risveglio[html]'"
        return TemplateProblem(code="mjml", message=message)
    marked = _Marked(source, environment)
    placed = _placed(marked)
    if isinstance(placed, TemplateProblem):
        return placed
    try:
        return marked.restored(mjml2html(placed, fonts={}))
    except ValueError as error:
        return _told(str(error), placed, marked)


class _Marked:
    """A template whose Jinja tags are words: letters and a number that stand nowhere else in it."""

    def __init__(self, source: str, environment: Environment) -> None:
        self._word = "jinja"
        while self._word in source:
            self._word += "j"
        self._tags: list[str] = []
        self.mark = re.compile(rf"{self._word}(?P<number>\d+)x")
        self.text = "".join(self._pieces(source, environment))

    def _pieces(self, source: str, environment: Environment) -> Iterator[str]:
        tag: list[str] = []
        for _, kind, value in environment.lex(source):
            if kind.endswith("_begin"):
                tag = [value]
            elif kind.endswith("_end"):
                yield self._marked("".join([*tag, value]))
                tag = []
            elif tag:
                tag.append(value)
            else:
                yield value

    def _marked(self, tag: str) -> str:
        self._tags.append(tag)
        return f"{self._word}{len(self._tags) - 1}x"

    def restored(self, text: str) -> str:
        return self.mark.sub(lambda found: self._tags[int(found["number"])], text)


def _placed(marked: _Marked) -> str | TemplateProblem:
    """The marked text with an `mj-raw` around each mark that stands between elements."""
    piece = re.compile(f"{_COMMENT}|{_ELEMENT}|{marked.mark.pattern}", re.DOTALL)
    pieces: list[str] = []
    within: list[str] = []
    done = 0
    for found in piece.finditer(marked.text):
        pieces += (marked.text[done : found.start()], found[0])
        done = found.end()
        if found["number"] and not _TEXTUAL.intersection(within):
            pieces[-1] = f"<mj-raw>{found[0]}</mj-raw>"
        elif found["name"]:
            _step(within, found)
        if fault := _fault(within, found):
            return TemplateProblem(code="mjml", message=fault, line=_line(marked, "".join(pieces)))
    return "".join([*pieces, marked.text[done:]])


def _step(within: list[str], tag: re.Match[str]) -> None:
    """Into an element, or out of the innermost one: the package asks no more of an end than that it is one."""
    if tag["end"]:
        del within[-1:]
    elif not tag[0].endswith("/>") and tag["name"] not in _NEVER_CLOSED:
        within.append(tag["name"])


def _fault(within: list[str], found: re.Match[str]) -> str | None:
    """What the package would let pass: a misspelt element, and what could take it deeper than we have counted."""
    name, comment = found["name"] or "", found["comment"] or ""
    if name.startswith("mj-") and name not in _TEXTUAL | _STRUCTURAL:
        return f"there is no element <{name}>"
    if len(within) > _MOST_DEPTH:
        return f"more than {_MOST_DEPTH} elements stand within each other"
    if comment.startswith((">", "->")):
        return "a comment that begins with `>` ends at once for some and not for others; write a space after `<!--`"
    return None


def _told(error: str, placed: str, marked: _Marked) -> TemplateProblem:
    """The package counts bytes."""
    what = error.partition(" in root template")[0].partition(" at position ")[0]
    at = _POSITION.search(error)
    before = placed.encode("utf-8")[: int(at["bytes"])].decode("utf-8", "ignore") if at else None
    line = None if before is None else _line(marked, before)
    return TemplateProblem(code="mjml", message=f"this MJML cannot be read: {what}", line=line)


def _line(marked: _Marked, before: str) -> int:
    """The author's line at the end of `before`, in which tags are still marks."""
    return marked.restored(before).count("\n") + 1
