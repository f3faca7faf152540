"""A batch of messages that share a content, and what becomes of each."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from gateway.domain.templates import (
    ChannelContent,
    CompiledContent,
    MissingValue,
    RenderContext,
    RenderRefused,
    TemplateInvalid,
    compile_content,
)


class RenderBatch(Struct, frozen=True, kw_only=True):
    """One content and a context for each message. The results come in the order of the contexts."""

    content: ChannelContent
    contexts: Sequence[RenderContext]


class Rendered(Struct, frozen=True, kw_only=True, tag=True):
    """A whole message: every part in one language, `locale`. Optional parts that came out empty are absent."""

    locale: str
    parts: Mapping[str, str]


class RenderFailure(Struct, frozen=True, kw_only=True, tag=True):
    """No message. `part` and `line` say where in the template, `name` which value, as far as known.

    | code               | meaning                                                               |
    |--------------------|-----------------------------------------------------------------------|
    | `missing-value`    | `name` has no value for this recipient                                |
    | `render-refused`   | the values make a text that must not be sent; `detail` says why       |
    | `content-invalid`  | the content would not pass `check_content`                            |
    | `render-timeout`   | this message took longer than its limit                               |
    | `render-crash`     | the worker process died over this message, for want of memory usually |
    | `render-bug`       | an error that the gateway does not know; `detail` names its type      |
    | `render-abandoned` | not tried: too many messages of this batch ended in the three above   |

    Texts hold no values of the recipient.
    """

    code: str
    detail: str
    part: str | None = None
    name: str | None = None
    line: int | None = None

    @property
    def was_tried(self) -> bool:
        """False where nothing is known against this message: it may be rendered again."""
        return self.code != "render-abandoned"

    def told(self) -> str:
        """The code as the ledger keeps it, with the value that is missing: `missing-value:vars.city`."""
        return f"{self.code}:{self.name}" if self.name else self.code


Result = Rendered | RenderFailure


def render_here(batch: RenderBatch) -> list[Result]:
    """The batch in this process: for a few samples. Time and memory have only the template's own limits."""
    try:
        compiled = compile_content(batch.content)
    except TemplateInvalid as invalid:
        return [invalid_content(invalid)] * len(batch.contexts)
    return [render_one(compiled, context) for context in batch.contexts]


def render_one(compiled: CompiledContent, context: RenderContext) -> Result:
    try:
        message = compiled.render(context)
    except MissingValue as missing:
        return RenderFailure(
            code="missing-value", detail=str(missing), part=missing.part, name=missing.name, line=missing.line
        )
    except RenderRefused as refused:
        return RenderFailure(code="render-refused", detail=refused.reason, part=refused.part, line=refused.line)
    return Rendered(locale=message.locale, parts=message.parts)


def invalid_content(invalid: TemplateInvalid) -> RenderFailure:
    return RenderFailure(code="content-invalid", detail=str(invalid), line=invalid.problems[0].line)
