"""Values that are not there, and know their name."""

from typing import Any

from jinja2 import StrictUndefined, TemplateRuntimeError, UndefinedError
from jinja2.utils import missing


class ValueAbsent(UndefinedError):
    """A value was needed that is not there; the text is its name as the template wrote it."""


class Missing(StrictUndefined):
    """A value that was not given: it can only be asked whether it is defined."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: type[TemplateRuntimeError] = ValueAbsent,
    ) -> None:
        super().__init__(hint, obj, name, exc)

    @property
    def _undefined_message(self) -> str:
        return str(self._undefined_name or self._undefined_hint)


class Absent(Missing):
    """A null: false in a condition, equal to nothing but another null, and like Missing not printable.

    The overrides differ in type because StrictUndefined says of each that it never returns.
    """

    __slots__ = ()

    def __bool__(self) -> bool:  # type: ignore[override]
        return False

    def __eq__(self, other: object) -> bool:  # type: ignore[override]
        return other is None or isinstance(other, Absent)

    def __ne__(self, other: object) -> bool:  # type: ignore[override]
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(None)
