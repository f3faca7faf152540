"""A value that must never be printed, logged or written out again."""

from typing import Final, NoReturn

_DOTS: Final = "••••••"


class Secret:
    """A password, token or key from the configuration.

    It prints as dots, refuses to be pickled and is deliberately not a `str`: an
    f-string or a `json.dumps` of it can leak nothing. Only `reveal()` gives the value.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself. Call it where it is used, and keep no copy."""
        return self._value

    def __str__(self) -> str:
        return _DOTS

    def __repr__(self) -> str:
        return f"Secret({_DOTS})"

    def __format__(self, spec: str) -> str:
        return _DOTS

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not written out; pass the name of its source instead")
