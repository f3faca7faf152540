"""Turning an accepted content and a recipient's values into the parts of a message."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final

from jinja2 import Template, TemplateError
from msgspec import Struct

from gateway.contract import Part
from gateway.domain.templates import characters
from gateway.domain.templates.check import NONE, Examined, examine
from gateway.domain.templates.content import ChannelContent, ExaminedContent, examine_content, pick_variant
from gateway.domain.templates.environment import Sandbox
from gateway.domain.templates.filters import RUN, Run
from gateway.domain.templates.formats import shown_locale
from gateway.domain.templates.limits import OUTPUT_CHARS, Kind
from gateway.domain.templates.links import forbidden_in_html, link_fault
from gateway.domain.templates.names import RenderContext, values
from gateway.domain.templates.problems import MissingValue, RenderRefused, TemplateInvalid
from gateway.domain.templates.undefined import ValueAbsent

# What an expression over unexpected values can raise. Its text may quote the value, so only its kind is told.
_EXPRESSION_ERRORS: Final = (
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    NameError,
    RecursionError,
    MemoryError,
)


class RenderedMessage(Struct, frozen=True, kw_only=True):
    """All parts of a message in one language. Optional parts that came out empty are absent."""

    locale: str
    parts: Mapping[str, str]


class Compiled:
    """One part in one language, ready to be rendered any number of times."""

    def __init__(
        self,
        name: str,
        part: Part,
        sandbox: Sandbox,
        examined: Examined,
        locale: str,
        places: Mapping[str, int],
    ) -> None:
        self.name = name
        self.part = part
        self.checked = examined.checked
        self.locale = locale
        self._places = places
        self._template = Template.from_code(sandbox, examined.code, {})
        self._most = min(part.max_chars, OUTPUT_CHARS[part.kind])

    def render(self, context: RenderContext) -> str:
        """The part for one recipient.

        Raises MissingValue, naming the value, or RenderRefused; nothing else.
        """
        return self.render_values(context, _checked_values(context))

    def render_values(self, context: RenderContext, names: dict[str, Any]) -> str:
        """As `render`, with the values already unfolded for several parts."""
        locale = shown_locale(context.locale, self.locale)
        names[RUN] = Run(locale, context.zone, self._places, context.links, plain_spaces=self.part.kind != "html")
        try:
            return self._fit(self._written(names))
        except ValueAbsent as error:
            raise MissingValue(str(error), self.name, self._line(error.__traceback__)) from None
        except RenderRefused as error:
            raise RenderRefused(error.reason, self.name, self._line(error.__traceback__)) from None
        except _EXPRESSION_ERRORS as error:
            reason = f"an expression cannot be worked out ({type(error).__name__})"
            raise RenderRefused(reason, self.name, self._line(error.__traceback__)) from None

    def _written(self, names: dict[str, Any]) -> str:
        pieces, size = [], 0
        for piece in self._template.root_render_func(self._template.new_context(names, shared=True)):
            size += len(piece)
            if size > OUTPUT_CHARS[self.part.kind]:
                raise RenderRefused(f"it comes to more than {OUTPUT_CHARS[self.part.kind]} characters")
            pieces.append(piece)
        return "".join(pieces)

    def _fit(self, text: str) -> str:
        text = _finished(text, self.part.kind)
        if not text and self.part.required:
            raise RenderRefused("it is empty, and the channel needs it")
        if len(text) > self._most:
            raise RenderRefused(f"it has {len(text)} characters; the channel takes {self._most}")
        if scheme := forbidden_in_html(text, self.checked.open_addresses):
            raise RenderRefused(f"a value makes an address start with {scheme}:")
        return text

    def _line(self, trace: TracebackType | None) -> int | None:
        """The template's line that the innermost of its frames stood on."""
        line = None
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == "<template>":
                line = self._template.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        return line


class CompiledContent:
    """A content in all its languages, ready to be rendered."""

    def __init__(self, default_locale: str, variants: Mapping[str, Sequence[Compiled]]) -> None:
        self._default_locale = default_locale
        self._variants = variants

    def render(self, context: RenderContext) -> RenderedMessage:
        """All parts for one recipient, in the variant that suits their locale.

        Raises MissingValue or RenderRefused, naming the part: a message is whole or not at all.
        """
        locale = pick_variant(self._variants, context.locale, self._default_locale)
        names = _checked_values(context)
        parts = {one.name: one.render_values(context, names) for one in self._variants[locale]}
        return RenderedMessage(locale=locale, parts={name: text for name, text in parts.items() if text})


def compile_content(content: ChannelContent) -> CompiledContent:
    """Raises TemplateInvalid where check_content finds a problem."""
    sandboxes: dict[Kind, Sandbox] = {part.kind: Sandbox(part.kind) for part in content.parts.values()}
    examined = examine_content(content, sandboxes)
    if not isinstance(examined, ExaminedContent):
        raise TemplateInvalid(examined)
    places = {url: place for place, url in enumerate(examined.checked.links)}
    variants: dict[str, list[Compiled]] = {locale: [] for locale in content.variants}
    for (locale, name), template in examined.templates.items():
        part = content.parts[name]
        variants[locale].append(Compiled(name, part, sandboxes[part.kind], template, locale, places))
    return CompiledContent(content.default_locale, variants)


def compile_part(source: str, name: str, part: Part, locale: str, known: frozenset[str] = NONE) -> Compiled:
    """One template by itself; its links are counted from 0. Raises TemplateInvalid where check finds a problem."""
    sandbox = Sandbox(part.kind)
    examined = examine(sandbox, source, part.kind, known)
    if not isinstance(examined, Examined):
        raise TemplateInvalid(examined)
    places = {url: place for place, url in enumerate(examined.checked.links)}
    return Compiled(name, part, sandbox, examined, locale, places)


def _checked_values(context: RenderContext) -> dict[str, Any]:
    """The names of the context. The gateway's own addresses must be web addresses: HTML relies on it."""
    coupon_url = context.coupon.url if context.coupon else None
    addresses = [*(context.links or {}).values(), context.unsubscribe_url, context.preferences_url, coupon_url]
    if any(address and not address.startswith(("https://", "http://")) for address in addresses):
        raise RenderRefused("an address of the gateway's own is not a web address")
    return values(context)


def _finished(text: str, kind: Kind) -> str:
    match kind:
        case "line":
            line = characters.on_one_line(text)
            if control := characters.control_or_direction_in(line):
                raise RenderRefused(f"it holds the control character {control}")
            return line
        case "text":
            return characters.with_plain_line_ends(text).strip()
        case "html":
            return text.strip()
        case "url":
            url = text.strip()
            if url and (fault := link_fault(url)):
                raise RenderRefused(fault)
            return url
