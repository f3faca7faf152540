"""Message templates: what an author may write, the check at acceptance, and the rendering.

Authors write Jinja2 in a narrow sandbox: values, filters, `if`, `for` over data, and
`track("https://...")`. A template sees the names of `RenderContext` and nothing else.
"""

from gateway.domain.templates.check import Checked, check
from gateway.domain.templates.content import (
    ChannelContent,
    CheckedContent,
    Content,
    check_content,
    pick_variant,
)
from gateway.domain.templates.limits import Kind
from gateway.domain.templates.names import (
    CouponNames,
    JobNames,
    RecipientNames,
    RenderContext,
    SenderNames,
)
from gateway.domain.templates.problems import (
    MissingValue,
    RenderRefused,
    TemplateInvalid,
    TemplateProblem,
)
from gateway.domain.templates.render import (
    Compiled,
    CompiledContent,
    RenderedMessage,
    compile_content,
    compile_part,
)

__all__ = [
    "ChannelContent",
    "Checked",
    "CheckedContent",
    "Compiled",
    "CompiledContent",
    "Content",
    "CouponNames",
    "JobNames",
    "Kind",
    "MissingValue",
    "RecipientNames",
    "RenderContext",
    "RenderRefused",
    "RenderedMessage",
    "SenderNames",
    "TemplateInvalid",
    "TemplateProblem",
    "check",
    "check_content",
    "compile_content",
    "compile_part",
    "pick_variant",
]
