"""What can be wrong with a template, before and while it is rendered.

Texts name places in the template, never a recipient's values: they are stored and shown.
"""

from collections.abc import Sequence

from msgspec import Struct


class TemplateProblem(Struct, frozen=True, kw_only=True):
    """One fault that an author can mend.

    `code` is short and stable; `message` says what and what to do. `pointer` is the JSON
    pointer of the source within its content (`/it/subject`), empty for a lone source.
    """

    code: str
    message: str
    line: int | None = None
    pointer: str = ""

    def told(self) -> str:
        """The message with its line."""
        return self.message if self.line is None else f"line {self.line}: {self.message}"


class TemplateInvalid(Exception):
    """A template that `check` would not have accepted was to be rendered."""

    def __init__(self, problems: Sequence[TemplateProblem]) -> None:
        first = problems[0]
        super().__init__(f"{first.pointer or 'template'}: {first.message} ({len(problems)} problems)")
        self.problems = tuple(problems)


class MissingValue(Exception):
    """A value that the template asks for is absent or null for this recipient.

    `name` is written as in the template (`vars.city`), `part` is the part that needs it.
    """

    def __init__(self, name: str, part: str = "", line: int | None = None) -> None:
        super().__init__(f"{part or 'template'}: {name} has no value for this recipient")
        self.name = name
        self.part = part
        self.line = line


class RenderRefused(Exception):
    """The text that came out must not be sent, or could not be made. `reason` is a sentence for people."""

    def __init__(self, reason: str, part: str = "", line: int | None = None) -> None:
        super().__init__(f"{part or 'template'}: {reason}")
        self.reason = reason
        self.part = part
        self.line = line
